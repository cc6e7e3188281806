"""Runs: the work on each input, the record of all inputs, and how an interrupted run continues."""
