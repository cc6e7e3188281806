"""A small Ocean node on loopback, for tests."""

from .environments import ENVIRONMENT
from .files import FileServer
from .market import Market, open_market, publish_algorithm
from .node import NodeDouble
from .runner import DockerRunner, ProcessRunner
from .settings import Hooks, Settings
from .wire import Received, Refusal

__all__ = [
    "ENVIRONMENT",
    "DockerRunner",
    "FileServer",
    "Hooks",
    "Market",
    "NodeDouble",
    "ProcessRunner",
    "Received",
    "Refusal",
    "Settings",
    "open_market",
    "publish_algorithm",
]
