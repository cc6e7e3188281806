"""The folders of a run's shards, put together: checked first, then read as one run."""
