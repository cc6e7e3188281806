"""Members of tar archives, read as a stream; after a damaged header the next valid one is searched."""

from __future__ import annotations

import tarfile
from collections.abc import Generator, Iterator
from typing import IO, cast

from ..outcomes import Rejected
from .bombs import Budget, is_bomb
from .zips import Part, refusal_of

__all__ = ["is_tar_header", "tar_members", "tar_names"]

_BLOCK_BYTES = 512
_CHUNK_BYTES = 1 << 20
_MOST_HEADER_BYTES = 4 << 20
"""Longest extended header: names and attributes of one member."""

_MAGIC = b"ustar"
_ZEROS = bytes(_BLOCK_BYTES)
_VOLUME_LABEL = b"V"

_DAMAGED = Rejected(
    "archive", "the archive is damaged: a header in it cannot be read, and its member is lost"
)
_CUT_OFF = Rejected("archive", "the archive is cut off: it has no end, so members may be missing")
_CUT_MEMBER = Rejected("archive", "the archive is damaged or cut off within this member")
_FOLDER = Rejected("archive", "a folder of the archive holds data like a file, which is not read")


def is_tar_header(block: bytes, *, magic: bool) -> bool:
    """Whether a block of 512 bytes is a member's header with the right checksum.

    Args:
        block: the bytes.
        magic: whether to require the magic of POSIX and GNU, which the oldest tars lack.
    """
    if magic and block[257:262] != _MAGIC:
        return False
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").size >= 0
    except (tarfile.TarError, ValueError):
        return False


def tar_names(stream: IO[bytes], budget: Budget, *, counted: bool) -> Iterator[str]:
    """Names of all files; arguments and errors as those of `tar_members`."""
    return (name for name, _ in tar_members(stream, budget, counted=counted, contents=False) if name)


def tar_members(stream: IO[bytes], budget: Budget, *, counted: bool, contents: bool = True) -> Iterator[Part]:
    """Files of a tar archive, or of several concatenated ones.

    Damage loses the member whose header or content it hit and is reported once; reading continues after it.

    Args:
        stream: at its start; only read forward.
        budget: counts the bytes that come out.
        counted: whether the stream is a decompressor's, so that every byte read from it counts.
        contents: whether to read contents; otherwise all are empty.

    Raises:
        Bomb: too much came out.
        Exception: any that a decompressor raises for damage.
    """
    tape = _Tape(stream, budget if counted else None)
    is_first, in_gap, has_end = True, False, False
    while block := tape.block():
        if block == _ZEROS:
            has_end = True
        elif is_tar_header(block, magic=not is_first):
            start = tape.tell()
            tape.unread(block)
            is_whole = yield from _segment(tape, budget, contents)
            in_gap, has_end = not is_whole, False
            if tape.tell() < start:  # the header itself was unusable
                tape.seek(start)
                in_gap = True
                yield "", _DAMAGED
        elif not in_gap:
            in_gap = True
            yield "", _DAMAGED
        is_first = False
    if not (has_end or in_gap):
        yield "", _CUT_OFF


def _segment(tape: _Tape, budget: Budget, contents: bool) -> Generator[Part, None, bool]:
    """Members up to the archive's end or the next damage.

    Returns:
        False if the last member was reported as damaged.
    """
    try:
        archive = tarfile.TarFile(fileobj=cast("IO[bytes]", tape), mode="r", errors="surrogateescape")
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # it would keep all of them
            if info.type == _VOLUME_LABEL or (info.isdir() and not _has_content(tape, archive, info)):
                continue
            if not contents:
                yield info.name, b""
                continue
            refused = _refusal(info, budget)
            content = _content(archive, info) if refused is None else refused
            yield info.name, content
            if content is _CUT_MEMBER:
                tape.align()
                return False
    except tarfile.TarError:
        pass
    tape.unread(tape.last)
    tape.align()
    return True


def _refusal(info: tarfile.TarInfo, budget: Budget) -> Rejected | None:
    if info.isdir():
        return _FOLDER
    if info.issym() or info.islnk():
        return Rejected("link", "links in archives are not followed")
    if not info.isfile():
        return Rejected("special", "devices and pipes in archives are not read")
    if info.sparse is not None:
        stored = sum(size for _, size in cast("list[tuple[int, int]]", info.sparse))
        if is_bomb(info.size, stored):
            return Rejected("bomb", "the archive's member unpacks to far more than its size")
        budget.take(max(0, info.size - stored))
    return refusal_of(info.name, info.size, budget)


def _has_content(tape: _Tape, archive: tarfile.TarFile, folder: tarfile.TarInfo) -> bool:
    """Whether data follow a folder's header; they are then skipped."""
    if not folder.size:
        return False
    block = tape.block()
    tape.unread(block)
    if block in (b"", _ZEROS) or is_tar_header(block, magic=True):
        return False  # POSIX gives folders a size without data
    archive.offset += -(-folder.size // _BLOCK_BYTES) * _BLOCK_BYTES
    return True


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes | Rejected:
    parts: list[bytes] = []
    try:
        source = archive.extractfile(info)
        while source is not None and (chunk := source.read(_CHUNK_BYTES)):
            parts.append(chunk)
    except tarfile.TarError:
        return _CUT_MEMBER
    content = b"".join(parts)
    return content if len(content) == info.size else _CUT_MEMBER


class _Tape:
    """A forward-only stream that can take the last block back.

    Args:
        stream: bytes.
        budget: counts all bytes read; None if they need no counting.
    """

    def __init__(self, stream: IO[bytes], budget: Budget | None) -> None:
        self._stream = stream
        self._budget = budget
        self._back = b""
        self._place = 0
        self.last = b""

    def tell(self) -> int:
        return self._place

    def read(self, size: int) -> bytes:
        """Reads `size` bytes, fewer at the end.

        Raises:
            tarfile.ReadError: more than any header or part of a member needs.
            Bomb: too much came out.
        """
        if not 0 <= size <= _MOST_HEADER_BYTES:
            raise tarfile.ReadError("a header claims too long an extension")
        data, self._back = self._back[:size], self._back[size:]
        while len(data) < size and (more := self._stream.read(size - len(data))):
            data += more
            if self._budget:
                self._budget.take(len(more))
        self._place += len(data)
        self.last = data
        return data

    def block(self) -> bytes:
        """The next 512 bytes, fewer at the end."""
        return self.read(_BLOCK_BYTES)

    def unread(self, data: bytes) -> None:
        """Takes back the last read."""
        self._back = data + self._back
        self._place -= len(data)
        self.last = b""

    def seek(self, place: int, whence: int = 0) -> int:
        """Moves forward.

        Raises:
            tarfile.ReadError: the position is behind the current one.
        """
        if whence or place < self._place:
            raise tarfile.ReadError("a member's data come before its header")
        while self._place < place and self.read(min(_CHUNK_BYTES, place - self._place)):
            pass
        return self._place

    def align(self) -> None:
        """Moves to the next block."""
        self.seek(-(-self._place // _BLOCK_BYTES) * _BLOCK_BYTES)

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """Leaves the stream open."""
