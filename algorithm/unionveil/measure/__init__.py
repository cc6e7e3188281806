"""Measures what the product promises: metrics, comparisons of detectors, audits, verification, reports."""
