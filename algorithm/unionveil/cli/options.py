"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..engines.pool import DEFAULT_TIMEOUT_SECONDS

__all__ = ["jobs_option", "timeout_option"]

Command = TypeVar("Command", bound=Callable[..., Any])


def jobs_option(command: Command) -> Command:
    """`--jobs`: the number of workers; by default it depends on the machine."""
    return click.option(
        "--jobs", type=click.IntRange(min=1), help="Workers.  [default: one per core, as memory allows]"
    )(command)


def timeout_option(
    what: str = "picture", seconds: float = DEFAULT_TIMEOUT_SECONDS
) -> Callable[[Command], Command]:
    """`--timeout`: the time limit for one input.

    Args:
        what: the word for an input in this command's help.
        seconds: the default.
    """
    article = "an" if what[0] in "aeiou" else "a"
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=seconds,
        help=f"Seconds after which {article} {what} is abandoned.  [default: {seconds:g}]",
    )
