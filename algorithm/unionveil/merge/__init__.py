"""Joins the folders of a run's shards: checks them first, then reads them as one run."""
