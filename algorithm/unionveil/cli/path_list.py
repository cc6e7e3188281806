"""Lists of paths on standard input, as `find`, Windows and spreadsheets write them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import click

from ..errors import InputError

__all__ = ["named_paths", "paths_of"]

Named = TypeVar("Named")

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def named_paths(paths: Sequence[Named]) -> Iterator[Named | Path]:
    """The paths of a command line; a single dash stands for those on standard input.

    Raises:
        UsageError: nothing is named.
        InputError: the list on standard input cannot be read.
    """
    if not paths:
        raise click.UsageError(
            "name at least one photo, folder or archive, or use - to read names from standard input"
        )
    for path in paths:
        if str(path) == "-":
            yield from paths_of(sys.stdin.buffer.read())
        else:
            yield path


def paths_of(data: bytes) -> Iterator[Path]:
    """The paths of a list: one per line, or separated by NUL if it contains one; empty paths are left out.

    Args:
        data: the list; a byte order mark at its start is dropped, UTF-16 with a mark is decoded, and all
            other bytes are names as the system stores them.

    Raises:
        InputError: the list claims to be UTF-16 but is not.
    """
    if data.startswith(_UTF16_MARKS):
        try:
            data = os.fsencode(data.decode("utf-16"))
        except ValueError as error:
            raise InputError("the list of paths is not valid UTF-16; write it as UTF-8") from error
    data = data.removeprefix(_UTF8_MARK)
    parts = data.split(b"\0") if b"\0" in data else (line.removesuffix(b"\r") for line in data.split(b"\n"))
    return (Path(os.fsdecode(part)) for part in parts if part)
