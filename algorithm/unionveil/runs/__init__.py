"""Runs: what is done to each input, the record of all inputs, and how an interrupted run continues."""
