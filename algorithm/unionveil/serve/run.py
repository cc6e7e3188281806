"""Assembles `unionveil serve`: workers, application, socket."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from ..config import AnonymizeConfig
from ..content import BytesContent
from ..engines.pool import Pool
from ..engines.resources import picture_bytes
from ..formats import ImageFormat
from .access import Access
from .api import Api, Submit, build_app
from .limits import Places, RateLimit
from .listen import Server, bind, doors, open_browser, url_of
from .pictures import Answer, Pictures, PictureTask
from .requests import Limits

__all__ = ["ServeOptions", "serve"]


_NO_PICTURE = PictureTask(BytesContent(b""), ImageFormat.JPEG, AnonymizeConfig(), "find")
"""An empty picture, with which a worker loads its models before the first request."""


@dataclass(frozen=True)
class ServeOptions:
    """Options of a server.

    Attributes:
        host: address to listen on.
        port: to listen on; 0 chooses a free one.
        token: shared secret; None if there is no token.
        names: names that others use to reach the server.
        jobs: number of workers.
        queue: number of pictures that may wait in addition to those being processed.
        timeout_seconds: for each picture.
        body_bytes: largest body.
        read_seconds: for a body to arrive.
        per_minute: requests per client; infinite for no limit.
        opens_browser: whether to open the page in a browser.
    """

    host: str
    port: int
    token: str | None
    names: tuple[str, ...]
    jobs: int
    queue: int
    timeout_seconds: float
    body_bytes: int
    read_seconds: float
    per_minute: float
    opens_browser: bool


def serve(config: AnonymizeConfig, options: ServeOptions, report: Callable[[str], None]) -> None:
    """Serves until Ctrl-C or SIGTERM.

    Args:
        config: settings that a request does not override.
        options: options of the server.
        report: called with each line for the user.

    Raises:
        ConfigError: it cannot listen, or others could reach it and there is no token.
        ModelError: weights are missing or altered.
    """
    _write_no_bytecode()
    with ExitStack() as stack:
        listener = stack.enter_context(bind(options.host, options.port))
        site, access = doors(listener, token=options.token, names=options.names, default=Access.open())
        budget = picture_bytes(options.jobs)
        pool = stack.enter_context(Pool(Pictures(config), options.jobs, options.timeout_seconds, budget))
        api = Api(
            config,
            submit_to(pool),
            Limits(options.body_bytes, options.read_seconds),
            Places(options.jobs + options.queue),
            RateLimit(options.per_minute, time.monotonic),
        )
        for _ in range(options.jobs):
            pool.submit(_NO_PICTURE)
        url = url_of(listener, access)

        def on_ready() -> None:
            report(f"unionveil: open {url}")
            report("unionveil: nothing is stored; Ctrl-C stops the server")
            if options.opens_browser:
                open_browser(url)

        Server(build_app(api, site=site, access=access), listener, on_ready).serve_until_stopped()


def submit_to(pool: Pool[PictureTask, Answer]) -> Submit:
    """Passes tasks from the event loop to the pool's workers."""

    async def submit(task: PictureTask) -> Answer:
        return await asyncio.wrap_future(pool.submit(task))

    return submit


def _write_no_bytecode() -> None:
    """Prevents the server and its workers from writing Python's bytecode caches beside the sources."""
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
