"""`unionveil bot`: answers photos in chat rooms."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ..bot.bot import Bot
from ..bot.state import Position
from ..engines.pool import Pool
from ..engines.resources import default_jobs, picture_bytes
from ..errors import MissingExtra
from ..serve.limits import RateLimit
from ..serve.pictures import Pictures
from ..single import METHODS, not_single, single_config
from .anonymize import setting_options
from .console import EXIT_DONE
from .options import FiniteRange, jobs_option, timeout_option

if TYPE_CHECKING:
    from ..bot.matrix import MatrixRooms

__all__ = ["command"]

_PACKAGES = {"aiohttp", "nio"}


@click.command("bot")
@click.option("--homeserver", required=True, metavar="URL", help="Matrix server of the bot's account.")
@click.option(
    "--token",
    required=True,
    envvar="UNIONVEIL_MATRIX_TOKEN",
    show_envvar=True,
    help="Access token of the bot's account.",
)
@click.option(
    "--room",
    "rooms",
    multiple=True,
    metavar="ID",
    help="Answer only in this room; may be repeated.  [default: all]",
)
@click.option(
    "--keep-originals", is_flag=True, help="Leave originals in place even where the bot may remove them."
)
@click.option(
    "--per-minute",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Photos per minute from one sender.",
)
@click.option(
    "--max-mb",
    type=FiniteRange(min=0, min_open=True, max=2048),
    default=64.0,
    show_default=True,
    help="Largest photo, in MiB.",
)
@jobs_option
@timeout_option("photo", seconds=60)
@setting_options(without=not_single() | {"keep_metadata", "gps_decimals"}, methods=METHODS)
def command(
    homeserver: str,
    token: str,
    rooms: tuple[str, ...],
    keep_originals: bool,
    per_minute: int,
    max_mb: float,
    jobs: int | None,
    timeout: float,
    **settings: str | None,
) -> int:
    """Answers photos in Matrix rooms with the same photos, faces covered, until Ctrl-C.

    The original is removed where the bot may remove messages. Its sender can remove the answer with the
    reaction ❌ or the reply "delete". Photos are never on disk; only the position of the last message is
    stored.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = single_config({k: v for k, v in settings.items() if v is not None}, "a bot")
    try:
        from ..bot.matrix import MatrixRooms
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in _PACKAGES:
            raise
        raise MissingExtra("unionveil bot", str(error.name), "bot") from error
    jobs = jobs or default_jobs()
    position = Position(f"{homeserver} {token}")
    matrix = MatrixRooms(homeserver.rstrip("/"), token, rooms, position.folder / "keys")
    with Pool(Pictures(config), jobs, timeout, picture_bytes(jobs)) as pool:

        def make(room: MatrixRooms) -> Bot:
            return Bot(
                room,
                lambda task: asyncio.wrap_future(pool.submit(task)),
                config,
                RateLimit(per_minute or math.inf, time.monotonic),
                most_bytes=int(max_mb * (1 << 20)),
                removes_originals=not keep_originals,
                report=_report,
            )

        try:
            asyncio.run(_run(matrix, make, position))
        except KeyboardInterrupt:
            return EXIT_DONE
    return EXIT_DONE


async def _run(matrix: MatrixRooms, make: Callable[[MatrixRooms], Bot], position: Position) -> None:
    async with matrix as room:
        _report("answering photos; Ctrl-C stops the bot")
        await make(room).run(position.read(), position.keep)


def _report(line: str) -> None:
    click.echo(f"unionveil: {line}", err=True)
