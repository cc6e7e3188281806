"""The API on a port, with its pictures processed in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from api_app import make_app
from unionveil import AnonymizeConfig
from unionveil.serve.api import Submit
from unionveil.serve.pictures import Answer, Pictures, PictureTask
from web_server import running


@pytest.fixture(scope="session")
def do() -> Callable[[PictureTask], Answer]:
    """The server's work, its models loaded once for all tests."""
    return Pictures(AnonymizeConfig()).start(1)


@pytest.fixture(scope="session")
def submit(do) -> Submit:
    async def submit(task: PictureTask) -> Answer:
        return await asyncio.to_thread(do, task)

    return submit


@pytest.fixture(scope="session")
def server(submit):
    with running(make_app(submit)) as server:
        yield server
