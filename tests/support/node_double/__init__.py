"""A small Ocean node on loopback, for tests."""

from .files import FileServer
from .market import Market, open_market, publish_algorithm
from .node import ENVIRONMENT, NodeDouble, Received
from .runner import DockerRunner, ProcessRunner

__all__ = [
    "ENVIRONMENT",
    "DockerRunner",
    "FileServer",
    "Market",
    "NodeDouble",
    "ProcessRunner",
    "Received",
    "open_market",
    "publish_algorithm",
]
