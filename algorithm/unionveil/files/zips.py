"""Members of zip archives."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from typing import IO, TypeAlias

from ..outcomes import Rejected
from .bombs import Budget, is_bomb
from .names import leads_out

__all__ = ["Part", "directory_bytes", "refusal_of", "too_large", "zip_members", "zip_names"]

Part: TypeAlias = tuple[str, "bytes | Rejected"]
"""Path inside the archive with `/`, empty for the archive itself, and its content or why it is refused."""

_MOST_DIRECTORY_BYTES = 64 << 20
"""Longest central directory: half a million members. It takes five times as much memory, so it is also
limited to a quarter of the largest member."""

_MOST_END_BYTES = (1 << 16) + 22 + 20
"""The end record with the longest possible comment after it and the zip64 locator before it."""

_ENCRYPTED = 1
_METHODS = {9: "Deflate64", 93: "Zstandard", 95: "XZ", 96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES"}
"""Compression methods that Python lacks (APPNOTE.TXT 6.3.10, 4.4.5)."""


def zip_members(file: IO[bytes], budget: Budget) -> Iterator[Part]:
    """Files of a zip archive in the order of its central directory.

    Args:
        file: at its start and seekable.
        budget: counts the bytes that come out.

    Raises:
        Bomb: too much came out.
        Exception: any that `zipfile` raises for damage.
    """
    if not _can_be_listed(file, budget):
        yield "", Rejected("too-large", "the archive lists too many members; pack it as several archives")
        return
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            name = _name(info)
            if info.is_dir() and not info.file_size:
                continue
            refused = _refusal(info, name, budget)
            if refused is None:
                budget.take(info.file_size)
                yield name, _content(archive, info)
            else:
                yield name, refused


def zip_names(file: IO[bytes], budget: Budget) -> Iterator[str]:
    """Names of all members; arguments and errors as those of `zip_members`."""
    if _can_be_listed(file, budget):
        with zipfile.ZipFile(file) as archive:
            yield from map(_name, archive.infolist())


def _can_be_listed(file: IO[bytes], budget: Budget) -> bool:
    return directory_bytes(file) <= min(_MOST_DIRECTORY_BYTES, budget.most_bytes // 4)


def refusal_of(name: str, size_bytes: int, budget: Budget) -> Rejected | None:
    """Why a member with this name and size is refused, whatever the archive's kind."""
    if leads_out(name):
        return Rejected("name", "the name of the archive's member leads out of the archive")
    return too_large(budget) if size_bytes > budget.most_bytes else None


def too_large(budget: Budget) -> Rejected:
    """The refusal of a member that is too large to hold in memory."""
    most = f"{budget.most_bytes >> 20} MiB"
    return Rejected(
        "too-large",
        f"the archive's member is larger than {most}, the most that is held in memory here; unpack the "
        "archive first",
    )


def _name(info: zipfile.ZipInfo) -> str:
    # Windows programs write backslashes between folders.
    return info.filename.replace("\\", "/")


def _refusal(info: zipfile.ZipInfo, name: str, budget: Budget) -> Rejected | None:
    if info.is_dir():
        return Rejected("archive", "a folder of the archive holds data like a file, which is not read")
    if stat.S_ISLNK(info.external_attr >> 16):
        return Rejected("link", "links in archives are not followed")
    if info.flag_bits & _ENCRYPTED:
        return Rejected("encrypted", "the archive's member is encrypted; unpack it with its password first")
    if info.compress_type in _METHODS:
        method = _METHODS[info.compress_type]
        return Rejected(
            "unsupported",
            f"the archive's member is compressed with {method}, which is not handled; unpack the archive",
        )
    if is_bomb(info.file_size, info.compress_size):
        return Rejected("bomb", "the archive's member unpacks to far more than its size")
    return refusal_of(name, info.file_size, budget)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | Rejected:
    try:
        return archive.read(info)
    except MemoryError:
        return Rejected("memory", "there was not enough memory for the archive's member")
    except Exception:
        # Decompressors meet hostile bytes: whatever they raise, the member is refused and the rest continues.
        return Rejected("archive", "the archive's member is damaged or cannot be unpacked")


def directory_bytes(file: IO[bytes]) -> int:
    """Length of the central directory, which `zipfile` reads as a whole.

    Source: APPNOTE.TXT 6.3.10, 4.3.14 to 4.3.16 (end of central directory, also of zip64).

    Args:
        file: seekable; at its start afterwards.

    Raises:
        zipfile.BadZipFile: there is no central directory.
    """
    end = file.seek(0, 2)
    file.seek(max(end - _MOST_END_BYTES, 0))
    tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < 22:
        raise zipfile.BadZipFile
    size = int.from_bytes(tail[place + 12 : place + 16], "little")
    locator = tail[place - 20 : place] if place >= 20 else b""
    if locator.startswith(b"PK\x06\x07"):
        file.seek(int.from_bytes(locator[8:16], "little"))
        size = max(int.from_bytes(file.read(56)[40:48], "little"), size if size != 0xFFFFFFFF else 0)
    file.seek(0)
    return size
