"""Members of zip and tar archives, streamed one at a time; bombs, links and escaping names are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePath, PurePosixPath
from typing import IO, Any, TypeAlias

from ..outcomes import Rejected

__all__ = ["MOST_BYTES", "Member", "is_archive", "is_litter", "members"]

MOST_BYTES = 1 << 30
"""Largest file that is read: a picture of 200 megapixels is 600 MB uncompressed."""

_LITTER = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX"})

_FREE_BYTES = 64 << 20
_MOST_RATIO = 100
"""Photos hardly shrink in an archive. What grows a hundredfold beyond 64 MiB is a bomb, not a photo; flat
drawings that shrink as much stay below that size."""

Member: TypeAlias = tuple[str, "bytes | Rejected"]
"""Path inside the archive with `/`, and the content or why it is refused."""

_OPENERS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}

_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # methods of compression that Python lacks
    MemoryError,
)
"""What the readers raise on damaged or odd archives."""


def is_archive(head: bytes) -> bool:
    """Whether a file's first 512 bytes are those of a zip, a tar or a compressed tar."""
    return (
        head.startswith((b"PK\x03\x04", b"PK\x05\x06"))
        or head[257:262] == b"ustar"
        or any(head.startswith(magic) for magic in _OPENERS)
    )


def is_litter(path: PurePath) -> bool:
    """Whether a file is hidden, or one that operating systems leave beside photos; these are passed over."""
    return any(part in _LITTER or (part.startswith(".") and part.strip(".")) for part in path.parts)


def members(file: IO[bytes], size: int, *, nested: bool = False) -> Iterator[Member]:
    """Files of an archive in its own order, those of archives inside it after their names.

    A damaged archive gives what can be read and then one refusal, so nothing is lost silently.

    Args:
        file: the archive, at its start and seekable.
        size: its length in bytes.
        nested: whether it lies inside another one; then archives in it are refused.
    """
    try:
        for name, content in _zip(file, size) if _is_zip(file) else _tar(file, size):
            if is_litter(PurePosixPath(name)):
                continue
            if isinstance(content, bytes) and is_archive(content[:512]):
                if nested:
                    yield name, Rejected("archive", "an archive in an archive in an archive is not opened")
                    continue
                for inner, part in members(io.BytesIO(content), len(content), nested=True):
                    yield f"{name}/{inner}" if inner else name, part
            else:
                yield name, content
    except _Bomb:
        yield "", Rejected("bomb", "the archive unpacks to far more than its size; the rest of it is refused")
    except _DAMAGE:
        yield "", Rejected("archive", "the archive is damaged; the rest of it cannot be read")


class _Bomb(Exception):
    """More came out of an archive than its size allows."""


def _is_zip(file: IO[bytes]) -> bool:
    magic = file.read(2)
    file.seek(0)
    return magic == b"PK"


def _is_bomb(unpacked: int, packed: int) -> bool:
    return unpacked > _FREE_BYTES and unpacked > _MOST_RATIO * packed


def _refusal(name: str, unpacked: int) -> Rejected | None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\x00" in name:
        return Rejected("name", "the name of the archive's member leads out of the archive")
    if unpacked > MOST_BYTES:
        return Rejected("too-large", f"the file is larger than {MOST_BYTES >> 20} MiB")
    return None


def _zip(file: IO[bytes], size: int) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        total = 0
        for info in archive.infolist():
            if info.is_dir():
                continue
            mode = info.external_attr >> 16
            refused = _refusal(info.filename, info.file_size)
            if stat.S_ISLNK(mode):
                refused = Rejected("link", "links in archives are not followed")
            elif info.flag_bits & 1:
                refused = Rejected("encrypted", "the archive's member is encrypted")
            elif _is_bomb(info.file_size, info.compress_size):
                refused = Rejected("bomb", "the archive's member unpacks to far more than its size")
            if refused:
                yield info.filename, refused
                continue
            total += info.file_size
            if _is_bomb(total, size):
                raise _Bomb
            try:
                yield info.filename, archive.read(info)
            except _DAMAGE:
                yield (
                    info.filename,
                    Rejected("archive", "the archive's member is damaged or cannot be unpacked"),
                )


class _Counted:
    """Counts what comes out of a decompressor and stops it when that is too much."""

    def __init__(self, inner: IO[bytes], packed: int) -> None:
        self._inner = inner
        self._packed = packed
        self._unpacked = 0

    def read(self, size: int) -> bytes:
        data = self._inner.read(size)
        self._unpacked += len(data)
        if _is_bomb(self._unpacked, self._packed):
            raise _Bomb
        return data


def _tar(file: IO[bytes], size: int) -> Iterator[Member]:
    head = file.read(8)
    file.seek(0)
    opener = next((opener for magic, opener in _OPENERS.items() if head.startswith(magic)), None)
    stream: Any = _Counted(opener(file), size) if opener else file
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for info in archive:
            if info.isdir():
                continue
            refused = _refusal(info.name, info.size)
            if info.issym() or info.islnk():
                refused = Rejected("link", "links in archives are not followed")
            elif not info.isfile():
                refused = Rejected("special", "devices and pipes in archives are not read")
            if refused:
                yield info.name, refused
                continue
            content = archive.extractfile(info)
            yield info.name, content.read() if content else b""
