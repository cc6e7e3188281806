"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..engines.pool import DEFAULT_TIMEOUT_SECONDS

__all__ = ["SECONDS", "FiniteRange", "croissant_option", "jobs_option", "timeout_option"]

Command = TypeVar("Command", bound=Callable[..., Any])


class FiniteRange(click.FloatRange):
    """A range of numbers; unlike click's own it refuses NaN, which every comparison lets through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As click's, or fails."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


SECONDS = FiniteRange(min=0, min_open=True, max=31_536_000)
"""A time to wait, at most a year: systems count no further than some years."""


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
        type=SECONDS,
        default=seconds,
        help=f"Seconds after which {article} {what} is abandoned.  [default: {seconds:g}]",
    )


def croissant_option(command: Command) -> Command:
    """`--croissant`: a file about the data set, with which outputs are described as Croissant 1.0."""
    return click.option(
        "--croissant",
        "about",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Also describe the result as Croissant 1.0, in a file beside the output folder, named like "
        "it with .croissant.json. FILE gives name, description, author and licence, as "
        "metadata/dataset.json does.",
    )(command)
