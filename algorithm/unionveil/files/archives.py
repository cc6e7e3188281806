"""Members of zip and tar archives, streamed one at a time; bombs, links and escaping names are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, TypeAlias

from ..formats import HEAD_BYTES, Kind, file_type
from ..outcomes import Rejected
from .bombs import MOST_BYTES, Bomb, Budget
from .litter import Skipped, is_companion, is_litter, is_note
from .tars import is_tar_header, tar_members, tar_names
from .zips import Part, too_large, zip_members, zip_names

__all__ = ["Member", "is_archive", "members", "single_name"]

Member: TypeAlias = tuple[str, "bytes | Rejected | Skipped"]
"""Path inside the archive with `/`, empty for the archive itself; its content, or why it is refused or
skipped."""

_OPENERS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}

_SUFFIXES = (".gz", ".bz2", ".xz")

_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # compression methods that Python lacks
    MemoryError,
)
"""Exceptions that the readers raise for damaged or unusual archives."""


def is_archive(head: bytes) -> bool:
    """Whether a file's first 512 bytes are those of a zip, a tar, or a compressed file."""
    found = file_type(head)
    return found is not None and found.kind is Kind.PACKED


def single_name(name: str) -> str:
    """The name of a file that was compressed by itself: `a.jpg` for `a.jpg.gz`."""
    suffix = PurePosixPath(name).suffix
    stem = name.removesuffix(suffix)
    return stem if suffix.casefold() in _SUFFIXES and stem.rpartition("/")[2] else name


def members(
    file: IO[bytes],
    size: int,
    *,
    most_bytes: int = MOST_BYTES,
    budget: Budget | None = None,
    nested: bool = False,
    videos: bool = False,
) -> Iterator[Member]:
    """Files of an archive in its own order; members of nested archives follow under their archive's name.

    A damaged archive yields everything that can be read and one refusal, so nothing is lost silently. A
    sidecar is recognized wherever its photo is in the archive.

    Args:
        file: the archive, at its start and seekable.
        size: its length in bytes.
        most_bytes: the largest member to read; it is held in memory.
        budget: of the enclosing archive.
        nested: whether it is inside another archive; archives in it are then refused.
        videos: whether videos are inputs, including those of live photos.
    """
    budget = budget or Budget(size, most_bytes)
    around = _Around(budget, _Neighbours(file, budget), nested, videos)
    try:
        for name, content in _parts(file, budget):
            yield from _member(name, content, around)
    except Bomb:
        yield "", Rejected("bomb", "the archive unpacks to far more than its size; the rest of it is refused")
    except _DAMAGE:
        yield "", Rejected("archive", "the archive is damaged; the rest of it cannot be read")


@dataclass(frozen=True)
class _Around:
    """The arguments of `members` that decide how the parts of an archive are read."""

    budget: Budget
    neighbours: Container[str]
    nested: bool
    videos: bool


def _member(name: str, content: bytes | Rejected, around: _Around) -> Iterator[Member]:
    """The result of one part of an archive: itself, the members of an archive, or a skipped file."""
    if is_litter(PurePosixPath(name)) or is_companion(name, around.neighbours, videos=around.videos):
        yield name, Skipped()
    elif isinstance(content, Rejected):
        yield name, content
    elif is_archive(content[:HEAD_BYTES]):
        if around.nested:
            yield name, Rejected("archive", "archives are opened to two levels only; this is the third")
            return
        file = io.BytesIO(content)
        for inner, part in members(
            file, len(content), budget=around.budget, nested=True, videos=around.videos
        ):
            alone = single_name(name) if isinstance(part, bytes) else name
            yield f"{name}/{inner}" if inner else alone, part
    else:
        yield name, Skipped() if is_note(name, content[:HEAD_BYTES]) else content


class _Neighbours(Container[str]):
    """Names of an archive's members, case-folded; listed on first access.

    Args:
        file: the archive, whose position must be kept for other readers.
        budget: of the archive.
    """

    def __init__(self, file: IO[bytes], budget: Budget) -> None:
        self._file = file
        self._budget = budget
        self._names: set[str] | None = None

    def __contains__(self, name: object) -> bool:
        if self._names is None:
            self._names = set()
            place = self._file.tell()
            self._file.seek(0)
            with suppress(Bomb, *_DAMAGE):  # an archive that cannot be listed cannot be read either
                for each in _names(self._file, self._budget.again()):
                    self._names.add(each.casefold())
            self._file.seek(place)
        return name in self._names


def _names(file: IO[bytes], budget: Budget) -> Iterator[str]:
    head = file.read(8)
    file.seek(0)
    if head.startswith(b"PK"):
        yield from zip_names(file, budget)
    elif (opener := _opener(head)) is None:
        yield from tar_names(file, budget, counted=False)
    else:
        with opener(file) as stream:
            yield from tar_names(stream, budget, counted=True)


def _opener(head: bytes) -> Callable[[Any], Any] | None:
    return next((opener for magic, opener in _OPENERS.items() if head.startswith(magic)), None)


def _parts(file: IO[bytes], budget: Budget) -> Iterator[Part]:
    head = file.read(8)
    file.seek(0)
    if head.startswith(b"PK"):
        yield from zip_members(file, budget)
        return
    opener = _opener(head)
    if opener is None:
        yield from tar_members(file, budget, counted=False)
        return
    with opener(file) as stream:
        is_tar = is_tar_header(stream.read(HEAD_BYTES), magic=False)
    file.seek(0)
    with opener(file) as stream:
        if is_tar:
            yield from tar_members(stream, budget, counted=True)
        else:
            yield "", _alone(stream, budget)


def _alone(stream: IO[bytes], budget: Budget) -> bytes | Rejected:
    """The content of a file that was compressed by itself."""
    content = bytearray()
    while chunk := stream.read(1 << 20):
        budget.take(len(chunk))
        content += chunk
        if len(content) > budget.most_bytes:
            return too_large(budget)
    return bytes(content)
