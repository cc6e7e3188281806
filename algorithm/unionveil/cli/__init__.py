"""The command line, `unionveil`: one file per command.

Nothing slow is imported here, so that Ctrl-C ends with one sentence from the start.
"""

from __future__ import annotations

import os
from typing import NoReturn

from ..heap import collect_rarely, end_without_collecting
from .interrupts import end_at_once

__all__ = ["main"]


def main() -> NoReturn:
    """Runs the command line."""
    end_at_once()
    collect_rarely()
    # Threads for numpy would have little to compute, and a process of several threads cannot fork workers.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Looking for plugins opens the metadata of every installed package, and none is meant for our settings.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from .console import run_command
    from .group import cli

    try:
        run_command(lambda: cli.main(standalone_mode=False))
    finally:
        end_at_once()
        end_without_collecting()
