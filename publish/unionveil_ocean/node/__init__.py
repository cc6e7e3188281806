"""Ocean nodes: the protocol of a node, and the client that implements it over HTTP."""
