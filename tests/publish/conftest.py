"""Chains for the tests of publishing, all with Ocean's real contracts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from command_world import FILE_SECRET, World
from node_double import FileServer, NodeDouble
from rpc_server import RpcServer
from unionveil_ocean.node.client import NodeClient
from unionveil_ocean.sandbox.chain import EmbeddedChain, embedded_chain


@pytest.fixture(scope="session")
def shared_chain() -> EmbeddedChain:
    """One chain for all tests, each of which uses its own assets."""
    return embedded_chain()


@pytest.fixture
def chain(shared_chain: EmbeddedChain) -> Iterator[EmbeddedChain]:
    """The shared chain; changes of its policy are reverted."""
    policy, timeout = shared_chain.policy, shared_chain.timeout_seconds
    yield shared_chain
    shared_chain.policy, shared_chain.timeout_seconds = policy, timeout


@pytest.fixture
def files() -> Iterator[FileServer]:
    """Files over HTTP on loopback."""
    with FileServer() as server:
        yield server


@pytest.fixture
def node(chain: EmbeddedChain) -> Iterator[NodeDouble]:
    """A node on the shared chain."""
    with NodeDouble(chain.as_account(chain.accounts[9])) as running:
        yield running


@pytest.fixture
def client(node: NodeDouble) -> Iterator[NodeClient]:
    """A client of the node that does not wait between requests."""
    with NodeClient(node.url, timeout_seconds=5, pause=lambda _: None) as ready:
        yield ready


@pytest.fixture
def world(shared_chain, files, tmp_path, monkeypatch, capsys) -> Iterator[World]:
    """For commands against a network; at the end, nothing written may contain a secret."""
    double = NodeDouble(shared_chain.as_account(shared_chain.accounts[9]))
    with RpcServer(shared_chain) as rpc, double as node:
        file_url = files.add(f"main.py?token={FILE_SECRET}", b"print('hello')")
        made = World(shared_chain, rpc, node, file_url, tmp_path, monkeypatch, capsys)
        # As a union requires of its node: free jobs only for itself.
        node.settings.free_access = {"addresses": [made.account.address], "accessLists": []}
        yield made
        made.check_no_secret()
