"""The commands below publish/: what they ask, show and write."""
