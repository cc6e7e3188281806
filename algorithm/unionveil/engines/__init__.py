"""Engines: the same work done in this process or in several, in the order of the inputs."""
