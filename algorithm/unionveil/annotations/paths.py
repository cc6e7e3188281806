"""Paths of annotation files that lie beside their pictures."""

from __future__ import annotations

from collections.abc import Container
from pathlib import PurePosixPath

from ..errors import InputError
from ..text import printable

__all__ = ["own_path"]


def own_path(name: str, suffix: str, taken: Container[str], form: str) -> str:
    """The path of a picture's annotation file.

    Args:
        name: of the picture, with `/`.
        suffix: of the file, which replaces the picture's.
        taken: paths of other pictures' files.
        form: name of the format.

    Raises:
        InputError: another picture differs only in its suffix, so that their boxes would share a file.
    """
    path = str(PurePosixPath(name).with_suffix(suffix))
    if path in taken:
        raise InputError(
            f"{form}'s format has one file for {printable(name)} and another picture of the same name; "
            "choose another format or rename one of them"
        )
    return path
