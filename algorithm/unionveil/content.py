"""Contents instead of bytes: the data of a file, read where the work is done."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias, runtime_checkable

__all__ = ["BytesContent", "Content", "FileContent", "PictureSource", "content_of"]


@runtime_checkable
class Content(Protocol):
    """The bytes of one input, wherever they are stored. Implementations can be pickled."""

    @property
    def size_bytes(self) -> int:
        """Length of the content."""
        ...

    @property
    def held_bytes(self) -> int:
        """Memory that the content uses before it is read."""
        ...

    def read(self) -> bytes:
        """The whole content.

        Raises:
            OSError: it cannot be read.
        """
        ...

    def open(self) -> BinaryIO:
        """The content as a file, at its start and seekable.

        Raises:
            OSError: it cannot be opened.
        """
        ...


@dataclass(frozen=True)
class FileContent:
    """A file on this machine.

    Attributes:
        path: its path.
    """

    path: Path
    held_bytes: int = field(default=0, init=False, repr=False)

    @property
    def size_bytes(self) -> int:
        """As `Content.size_bytes`."""
        return self.path.stat().st_size

    def read(self) -> bytes:
        """As `Content.read`."""
        return self.path.read_bytes()

    def open(self) -> BinaryIO:
        """As `Content.open`."""
        return self.path.open("rb")


@dataclass(frozen=True)
class BytesContent:
    """Bytes in memory.

    Attributes:
        data: the whole content.
    """

    data: bytes

    @property
    def size_bytes(self) -> int:
        """As `Content.size_bytes`."""
        return len(self.data)

    @property
    def held_bytes(self) -> int:
        """As `Content.held_bytes`."""
        return len(self.data)

    def read(self) -> bytes:
        """As `Content.read`."""
        return self.data

    def open(self) -> BinaryIO:
        """As `Content.open`."""
        return io.BytesIO(self.data)


PictureSource: TypeAlias = "Content | bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO"
"""A picture file in any form that the Python API accepts."""


def content_of(source: PictureSource) -> Content:
    """Converts a picture file in any of the forms common in Python.

    Args:
        source: the file's bytes, its path, a file opened for reading bytes, or a `Content`.

    Raises:
        TypeError: any other type, including decoded pixels.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return BytesContent(bytes(source))
    if isinstance(source, str | os.PathLike):
        return FileContent(Path(source))
    if isinstance(source, Content):
        return source
    data = source.read() if hasattr(source, "read") else None
    if isinstance(data, bytes):
        return BytesContent(data)
    what = "a file opened as text" if data is not None else f"an object of type {type(source).__name__}"
    raise TypeError(
        f"pass a picture as the bytes of its file, as a path or as a file opened with 'rb', not as {what}"
    )
