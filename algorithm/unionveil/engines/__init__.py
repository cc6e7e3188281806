"""Engines: the same work done in this process or by several, in the order of the inputs."""
