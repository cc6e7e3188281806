"""`unionveil serve`: the HTTP API and the drop page."""

from __future__ import annotations

import math

import click

from ..engines.resources import default_jobs
from ..errors import MissingExtra
from ..single import METHODS, not_single, single_config
from .anonymize import setting_options
from .console import EXIT_DONE
from .options import SECONDS, FiniteRange, jobs_option, timeout_option

__all__ = ["command"]

_PACKAGES = {"python_multipart", "starlette", "uvicorn"}
"""Packages that the extra `web` installs."""


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 picks a free one."
)
@click.option(
    "--token",
    envvar="UNIONVEIL_TOKEN",
    show_envvar=True,
    help="Secret that requests must contain; required with a --name, or a --host that others can reach.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="Host name under which clients reach the server, or a proxy before it; may be repeated.",
)
@click.option("--open", "opens_browser", is_flag=True, help="Open the page in the browser.")
@jobs_option
@click.option(
    "--queue",
    type=click.IntRange(min=0),
    default=16,
    show_default=True,
    help="Pictures that may wait in the queue.",
)
@timeout_option(seconds=60)
@click.option(
    "--max-body-mb",
    type=FiniteRange(min=0, min_open=True, max=2048),
    default=64.0,
    show_default=True,
    help="Largest request, in MiB.",
)
@click.option(
    "--body-seconds",
    type=SECONDS,
    default=60.0,
    show_default=True,
    help="Seconds within which a request must arrive.",
)
@click.option(
    "--per-minute",
    type=click.IntRange(min=1),
    help="Requests per minute from one address, which may be a proxy's.  [default: no limit]",
)
@setting_options(without=not_single(), methods=METHODS)
def command(
    host: str,
    port: int,
    token: str | None,
    names: tuple[str, ...],
    opens_browser: bool,
    jobs: int | None,
    queue: int,
    timeout: float,
    max_body_mb: float,
    body_seconds: float,
    per_minute: int | None,
    **settings: str | None,
) -> int:
    """Serves an HTTP API and a page that return photos with their faces covered.

    Nothing is stored: photos stay in memory while they are processed. The settings below are the defaults for
    requests that set none of their own. GET /openapi.json describes the API.
    """
    config = single_config({k: v for k, v in settings.items() if v is not None}, "a server")
    try:
        from ..serve.run import ServeOptions, serve
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise MissingExtra("unionveil serve", str(error.name), "web") from error
    options = ServeOptions(
        host=host,
        port=port,
        token=token,
        names=names,
        jobs=jobs or default_jobs(),
        queue=queue,
        timeout_seconds=timeout,
        body_bytes=int(max_body_mb * (1 << 20)),
        read_seconds=body_seconds,
        per_minute=per_minute or math.inf,
        opens_browser=opens_browser,
    )
    serve(config, options, lambda line: click.echo(line, err=True))
    return EXIT_DONE
