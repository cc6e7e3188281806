"""Metrics, the validation run that compares detectors, and its tables and plot."""
