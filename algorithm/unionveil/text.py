"""Words for terminals, logs and plans: text from outside made safe, and numbers with their nouns."""

from __future__ import annotations

__all__ = ["counted", "printable"]

_MOST_CHARACTERS = 100


def printable(text: str, *, quoted: bool = True, most: int | None = _MOST_CHARACTERS) -> str:
    r"""Untrusted text in one line, without characters that control a terminal.

    Escape sequences, line ends, marks that change the writing direction, invisible characters and unpaired
    surrogates are escaped as in Python, e.g. `\x1b`.

    Args:
        text: from a file, a node, a chain, a contract.
        quoted: whether to put it in quotes, as a name within a sentence.
        most: number of characters to show; None shows all, for text that has to be copied.
    """
    cut = text[:most]
    if quoted:
        return repr(cut)
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun, such as "1 photo" and "2 photos".

    Args:
        number: at least 0.
        noun: in the singular.
        plural: by default the noun with an s.
    """
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"
