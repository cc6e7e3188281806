"""A small Ocean node on loopback, for tests."""

from .files import FileServer
from .node import ENVIRONMENT, NodeDouble, Received
from .runner import DockerRunner, ProcessRunner

__all__ = ["ENVIRONMENT", "DockerRunner", "FileServer", "NodeDouble", "ProcessRunner", "Received"]
