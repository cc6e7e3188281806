"""Chains for the tests of publishing; every one holds Ocean's real contracts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node_double import FileServer
from unionveil_ocean.embedded import EmbeddedChain, embedded_chain


@pytest.fixture(scope="session")
def shared_chain() -> EmbeddedChain:
    """One chain for all tests; each works with assets of its own."""
    return embedded_chain()


@pytest.fixture
def chain(shared_chain: EmbeddedChain) -> Iterator[EmbeddedChain]:
    """The shared chain; what a test changes in its policy is put back."""
    policy, timeout = shared_chain.policy, shared_chain.timeout_seconds
    yield shared_chain
    shared_chain.policy, shared_chain.timeout_seconds = policy, timeout


@pytest.fixture
def files() -> Iterator[FileServer]:
    """Files over HTTP on loopback."""
    with FileServer() as server:
        yield server
