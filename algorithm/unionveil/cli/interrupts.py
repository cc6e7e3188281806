"""Ctrl-C: one sentence, whenever it comes."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

__all__ = ["EXIT_INTERRUPTED", "INTERRUPTED", "end_at_once", "raise_once"]

EXIT_INTERRUPTED = 130
INTERRUPTED = "interrupted; the same command goes on where this one stopped"

_SENTENCE = f"unionveil: {INTERRUPTED}\n".encode()


def end_at_once() -> None:
    """From now on Ctrl-C ends the process: nothing has begun yet, or all is done."""
    signal.signal(signal.SIGINT, _end)


def raise_once() -> None:
    """From now on Ctrl-C raises `KeyboardInterrupt`: work ends in order. A second one ends at once."""
    signal.signal(signal.SIGINT, _raise)


def _end(*_: object) -> NoReturn:
    os.write(2, _SENTENCE)
    os._exit(EXIT_INTERRUPTED)


def _raise(*_: object) -> NoReturn:
    end_at_once()
    raise KeyboardInterrupt
