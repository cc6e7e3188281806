"""A file being written, whose errors are its own: nobody takes them for those of an input read meanwhile."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from ..errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["output_file", "writing"]


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turns the block's errors of the system into `OutputError`; nothing else may be read or written in it.

    Args:
        what: the output, as the subject of a sentence.
    """
    try:
        yield
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise OutputError(f"{what} cannot be written: {why}; nothing of it was kept") from error


def output_file(descriptor: int, what: str, *, closes: bool = True) -> BinaryIO:
    """A buffered file for writing, reading and seeking.

    Args:
        descriptor: of an open file.
        what: as `writing`.
        closes: whether the descriptor is closed with the file.

    Returns:
        A file whose methods raise `OutputError` when the system refuses.
    """
    return cast(BinaryIO, io.BufferedRandom(_Raw(descriptor, what, closes=closes)))


class _Raw(io.FileIO):
    def __init__(self, descriptor: int, what: str, *, closes: bool) -> None:
        super().__init__(descriptor, "w+b", closefd=closes)
        self._what = what

    def write(self, data: ReadableBuffer, /) -> int:
        with writing(self._what):
            return super().write(data)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with writing(self._what):
            return super().readinto(buffer)
