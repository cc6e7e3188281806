"""Measuring what is promised: metrics, comparing detectors, and reports."""
