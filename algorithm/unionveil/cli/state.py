"""`unionveil state`: what this program stores about runs, and where."""

from __future__ import annotations

import click

from ..errors import OutputError
from ..review.log import reviews_folder
from ..runs.journal import KEPT_DAYS, clear, kept
from ..text import counted
from .console import EXIT_DONE

__all__ = ["command"]


@click.group("state")
def command() -> None:
    """Shows or removes the state that lets interrupted runs and reviews continue.

    Each output folder has a journal: the outputs' names, and digests that only a key in the same folder can
    compare. It contains no picture, and no input's name unless the outputs keep the names. Each reviewed
    folder has a log of its boxes, verdicts and notes.
    """


@command.command("show")
def show() -> int:
    """Shows where journals and reviews are stored, how many there are and how old they are."""
    try:
        runs, reviews = kept(), kept(reviews_folder())
    except OSError as error:
        raise OutputError(f"the state folder cannot be read: {error.strerror or error}") from error
    click.echo(f"folder    {runs.folder}")
    click.echo(f"journals  {runs.journals}  ({runs.size_bytes / 1024:.0f} KiB)")
    if runs.journals:
        click.echo(f"oldest    {runs.oldest_days:.0f} days; removed after {KEPT_DAYS} days without use")
    click.echo(f"reviews   {reviews.journals}  ({reviews.size_bytes / 1024:.0f} KiB)  in {reviews.folder}")
    return EXIT_DONE


@command.command("clear")
@click.option("--reviews", is_flag=True, help="Remove the reviews instead: boxes, verdicts and notes.")
def clear_command(reviews: bool) -> int:
    """Removes all journals; interrupted runs then start again. Reviews are kept without --reviews.

    Refused while a run or a review is in progress.
    """
    try:
        removed = clear(reviews_folder() if reviews else None)
    except OSError as error:
        raise OutputError(f"the state folder cannot be cleared: {error.strerror or error}") from error
    click.echo(f"{counted(removed, 'review' if reviews else 'journal')} removed")
    return EXIT_DONE
