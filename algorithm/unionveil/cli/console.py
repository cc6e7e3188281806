"""Shared by all command lines: errors become one sentence and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, TextIO

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
    "say",
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
        say(f"{name}: {DECLINED if is_declined else INTERRUPTED}")
        code = EXIT_INTERRUPTED
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        lines = (printable(line, quoted=False, most=None) for line in text.getvalue().split("\n"))
        say("\n".join(lines), nl=False)
        code = EXIT_WRONG_USE
    except UnionVeilError as error:
        # Always one line, whatever a file, a node or a chain put into the message.
        say(f"{name}: {printable(str(error), quoted=False, most=None)}")
        code = code_of(error).exit_code
    except OSError as error:
        # An open file has no name in its errors, and standard output is the one that is written everywhere.
        what = printable(
            str(error.filename or "standard output or another open file"), quoted=False, most=None
        )
        say(f"{name}: {what} cannot be used: {error.strerror or type(error).__name__}")
        code = EXIT_WRONG_USE
    for stream in (sys.stdout, sys.stderr):
        _flush_or_discard(stream)
    sys.exit(code)


def say(line: str, *, nl: bool = True) -> None:
    """Prints a line on standard error; a full disk behind it ends no command."""
    with suppress(OSError):
        click.echo(line, err=True, nl=nl)


def _flush_or_discard(stream: TextIO) -> None:
    """Discards what a stream cannot write: Python would try again at the end, and change the exit code."""
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
