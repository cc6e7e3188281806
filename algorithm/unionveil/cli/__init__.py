"""The command line, `unionveil`: one file per command.

Nothing slow is imported here, so that Ctrl-C ends with one sentence from the start.
"""

from __future__ import annotations

from typing import NoReturn

from .interrupts import end_at_once

__all__ = ["main"]


def main() -> NoReturn:
    """Runs the command line."""
    end_at_once()
    from .console import run_command
    from .group import cli

    try:
        run_command(lambda: cli.main(standalone_mode=False))
    finally:
        end_at_once()
