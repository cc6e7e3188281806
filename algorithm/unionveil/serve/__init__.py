"""Doors over HTTP: the API, the drop page and what every page of ours shares. Needs the extra `web`."""
