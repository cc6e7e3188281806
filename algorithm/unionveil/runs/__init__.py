"""Runs: what is done to each input, the record of all, and how an interrupted run goes on."""
