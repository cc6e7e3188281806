"""Compute jobs: order, pay, start, follow, fetch, verify."""
