"""Shared by all command lines: errors become one sentence and an exit code."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import NoReturn

import click

from ..error_codes import EXIT_WRONG_USE, code_of
from ..errors import UnionVeilError
from ..text import printable
from .interrupts import EXIT_INTERRUPTED, INTERRUPTED

__all__ = [
    "EXIT_DONE",
    "EXIT_INTERRUPTED",
    "EXIT_SOME_REJECTED",
    "EXIT_STOPPED",
    "EXIT_WRONG_USE",
    "run_command",
]

EXIT_DONE, EXIT_SOME_REJECTED, EXIT_STOPPED = 0, 1, 143

DECLINED = "stopped; nothing else was done"


def run_command(command: Callable[[], object], name: str = "unionveil") -> NoReturn:
    """Runs a command and ends the process with its exit code; every known error ends as one sentence.

    Args:
        command: returns the exit code; any other value means `EXIT_DONE`.
        name: the program's name, printed before the sentence.
    """
    try:
        result = command()
        code = result if isinstance(result, int) else EXIT_DONE
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        # click turns both Ctrl-C and the answer "no" into Abort.
        is_declined = isinstance(error, click.exceptions.Abort) and error.__cause__ is None
        click.echo(f"{name}: {DECLINED if is_declined else INTERRUPTED}", err=True)
        code = EXIT_INTERRUPTED
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        lines = (printable(line, quoted=False, most=None) for line in text.getvalue().split("\n"))
        click.echo("\n".join(lines), err=True, nl=False)
        code = EXIT_WRONG_USE
    except UnionVeilError as error:
        # Always one line, whatever a file, a node or a chain put into the message.
        click.echo(f"{name}: {printable(str(error), quoted=False, most=None)}", err=True)
        code = code_of(error).exit_code
    sys.exit(code)
