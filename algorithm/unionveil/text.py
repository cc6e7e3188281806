"""Text from outside, made safe for terminals, logs and plans."""

from __future__ import annotations

__all__ = ["escaped", "printable"]

_MOST_CHARACTERS = 100


def printable(text: str) -> str:
    """A text from elsewhere in quotes, its control characters escaped, at most 100 characters of it."""
    return repr(text[:_MOST_CHARACTERS])


def escaped(text: str) -> str:
    r"""The whole text with every character escaped that is not printable.

    Line breaks, terminal escapes, marks that change the direction of writing and bytes that are not UTF-8
    become ASCII; `"\u202e"` stands for the mark itself.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in text
    )
