"""Text from outside, made safe for terminals, logs and plans."""

from __future__ import annotations

__all__ = ["printable"]

_MOST_CHARACTERS = 100


def printable(text: str) -> str:
    """A text from elsewhere in quotes, its control characters escaped, at most 100 characters of it."""
    return repr(text[:_MOST_CHARACTERS])
