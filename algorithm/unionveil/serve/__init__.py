"""The HTTP interfaces: the API, the drop page and everything that our pages share. Needs the extra `web`."""
