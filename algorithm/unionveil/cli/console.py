"""Shared by all command lines: errors become one sentence and an exit code."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import NoReturn

import click

from ..errors import UnionVeilError
from ..text import escaped
from .interrupts import EXIT_INTERRUPTED, INTERRUPTED

__all__ = [
    "EXIT_DONE",
    "EXIT_INTERRUPTED",
    "EXIT_SOME_REJECTED",
    "EXIT_STOPPED",
    "EXIT_WRONG_USE",
    "run_command",
]

EXIT_DONE, EXIT_SOME_REJECTED, EXIT_WRONG_USE, EXIT_STOPPED = 0, 1, 2, 143


def run_command(command: Callable[[], object], name: str = "unionveil") -> NoReturn:
    """Runs a command and ends the process with its exit code; every known error ends as one sentence.

    Args:
        command: gives the exit code, or anything else for `EXIT_DONE`.
        name: of the program, before the sentence.
    """
    try:
        result = command()
        code = result if isinstance(result, int) else EXIT_DONE
    except (click.exceptions.Abort, KeyboardInterrupt):
        # click turns Ctrl-C into Abort.
        click.echo(f"{name}: {INTERRUPTED}", err=True)
        code = EXIT_INTERRUPTED
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        click.echo("\n".join(map(escaped, text.getvalue().split("\n"))), err=True, nl=False)
        code = EXIT_WRONG_USE
    except UnionVeilError as error:
        click.echo(f"{name}: {escaped(str(error))}", err=True)
        code = EXIT_WRONG_USE
    sys.exit(code)
