"""The command line, `unionveil`: one file per command.

Nothing slow is imported here, so that Ctrl-C ends with one sentence from the start.
"""

from __future__ import annotations

import os
from typing import NoReturn

from ..heap import collect_rarely
from .interrupts import end_at_once

__all__ = ["main"]

_LEAST_SPIN = "4"
"""OpenBLAS spins for two to this power cycles; 4 is the least that it accepts, 26 its default."""


def main() -> NoReturn:
    """Runs the command line."""
    end_at_once()
    collect_rarely()
    # Else the threads that numpy's OpenBLAS starts spin for a twentieth of a second before they sleep.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", _LEAST_SPIN)
    from .console import run_command
    from .group import cli

    try:
        run_command(lambda: cli.main(standalone_mode=False))
    finally:
        end_at_once()
