"""Ocean nodes: what the flows need of one, and the client that speaks HTTP."""
