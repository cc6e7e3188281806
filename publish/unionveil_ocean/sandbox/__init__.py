"""A chain and a node inside this process, to try everything without an account."""
