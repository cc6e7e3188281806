"""Text from outside, made safe for terminals, logs and plans."""

from __future__ import annotations

__all__ = ["printable"]

_MOST_CHARACTERS = 100


def printable(text: str, *, quoted: bool = True, most: int | None = _MOST_CHARACTERS) -> str:
    r"""A text from elsewhere in one line, without characters that a terminal obeys.

    Escape sequences, line ends, marks that turn the reading direction, invisible characters and halves of
    surrogate pairs are written as Python writes them, e.g. `\x1b`.

    Args:
        text: from a file, a node, a chain, a contract.
        quoted: in quotes, as a name within a sentence.
        most: characters that are shown; None shows all, for what has to be copied.
    """
    cut = text[:most]
    if quoted:
        return repr(cut)
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)
