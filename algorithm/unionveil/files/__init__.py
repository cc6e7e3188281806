"""Files: where pictures come from and where outputs go."""
