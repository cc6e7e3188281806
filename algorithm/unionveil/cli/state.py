"""`unionveil state`: what this program keeps about runs, and where."""

from __future__ import annotations

import click

from ..errors import OutputError
from ..runs.journal import KEPT_DAYS, clear, kept
from .console import EXIT_DONE

__all__ = ["command"]


@click.group("state")
def command() -> None:
    """Shows or removes what is kept so that interrupted runs can go on.

    For each output folder there is a journal: the outputs' names, and digests that only a key in the same
    folder can compare. It holds no picture and no name of an input, unless the outputs keep the names.
    """


@command.command("show")
def show() -> int:
    """Says where the journals lie, how many there are and how old they are."""
    try:
        state = kept()
    except OSError as error:
        raise OutputError(f"the state folder cannot be read: {error.strerror or error}") from error
    click.echo(f"folder    {state.folder}")
    click.echo(f"journals  {state.journals}  ({state.size_bytes / 1024:.0f} KiB)")
    if state.journals:
        click.echo(f"oldest    {state.oldest_days:.0f} days; removed after {KEPT_DAYS} days without use")
    return EXIT_DONE


@command.command("clear")
def clear_command() -> int:
    """Removes all journals; interrupted runs then begin again."""
    try:
        removed = clear()
    except OSError as error:
        raise OutputError(f"the state folder cannot be cleared: {error.strerror or error}") from error
    click.echo(f"{removed} journals removed")
    return EXIT_DONE
