"""Removes faces from photos."""
