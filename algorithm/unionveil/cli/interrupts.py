"""Ctrl-C: one sentence, at any time."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

__all__ = ["EXIT_INTERRUPTED", "INTERRUPTED", "end_at_once", "raise_once"]

EXIT_INTERRUPTED = 130
INTERRUPTED = "interrupted; the same command continues where this one stopped"

_SENTENCE = f"unionveil: {INTERRUPTED}\n".encode()


def end_at_once() -> None:
    """From now on Ctrl-C ends the process: nothing has started yet, or everything is done."""
    signal.signal(signal.SIGINT, _end)


def raise_once() -> None:
    """From now on Ctrl-C raises `KeyboardInterrupt`, so work ends properly; a second one ends the process."""
    signal.signal(signal.SIGINT, _raise)


def _end(*_: object) -> NoReturn:
    os.write(2, _SENTENCE)
    os._exit(EXIT_INTERRUPTED)


def _raise(*_: object) -> NoReturn:
    end_at_once()
    raise KeyboardInterrupt
