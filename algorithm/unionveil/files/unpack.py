"""Unpacks a tar or zip from an untrusted machine.

Nothing in it can be written outside the folder, become a link or a device, or fill the disk.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ..errors import OutputError, ResultsError
from ..text import printable
from .names import is_safe, leads_out, same_file_key
from .zips import directory_bytes

__all__ = ["Limits", "unpack"]

_CHUNK_BYTES = 1 << 20
_MOST_DIRECTORY_BYTES = 64 << 20
_ENCRYPTED = 1
"""Flag bit of an encrypted entry (APPNOTE.TXT, 4.4.4)."""

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")

_DAMAGED = "the archive is cut off or damaged; fetch the results again"

_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    ValueError,
    NotImplementedError,  # a compression that this Python lacks
    RecursionError,  # headers that announce each other
)
"""Raised for archives that are damaged or not what they claim to be."""


@dataclass(frozen=True)
class Limits:
    """Limits on what comes out of an archive.

    Attributes:
        total_bytes: of all files together.
        files: number of files and folders.
        depth: of folders.
    """

    total_bytes: int = 64 << 30
    files: int = 1_000_000
    depth: int = 8


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> tuple[str, ...]:
    """Unpacks the archive of a job's outputs, all of it or nothing.

    The node archives the folder `outputs`; that level is removed.

    Args:
        archive: tar, compressed tar, or zip.
        folder: created; must not exist.
        limits: on the unpacked data; by default `Limits()`.

    Returns:
        Names of the files with `/`, sorted.

    Raises:
        ResultsError: the archive is damaged or too large, or contains something other than plain files and
            folders, or a name that leads out of the folder. Nothing is left then.
        OutputError: the folder already exists or cannot be written.
    """
    if os.path.lexists(folder):
        raise OutputError(f"{folder} already exists; choose another folder for the results")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unionveil-") as place:
            whole = Path(place) / "results"
            names = _unpack_into(archive, whole, limits or Limits())
            whole.replace(folder)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise OutputError(f"the results cannot be unpacked into {folder}: {why}") from error
    return names


@dataclass(frozen=True)
class _Member:
    """One entry of an archive.

    Attributes:
        name: as the archive has it.
        is_folder, is_file: neither is a link or a device.
        size_bytes: of a file, according to the archive.
        open: returns its content.
    """

    name: str
    is_folder: bool
    is_file: bool
    size_bytes: int
    open: Callable[[], IO[bytes] | None]


@dataclass
class _Unpacking:
    """A folder that is being filled.

    Attributes:
        folder: receives the files.
        limits: on the unpacked data.
        on_chunk: called before each read of a file's content.
        names: of the files so far, by a key that is equal for names of the same file on any system.
        written_bytes: of all files so far.
        members: number of entries so far.
    """

    folder: Path
    limits: Limits
    on_chunk: Callable[[], None] = lambda: None
    names: dict[str, str] = field(default_factory=dict)
    written_bytes: int = 0
    members: int = 0

    def take(self, member: _Member) -> None:
        """Writes one member.

        Raises:
            ResultsError: it is not allowed, or damaged.
        """
        self.members += 1
        if self.members > self.limits.files:
            raise ResultsError([f"the archive contains more than {self.limits.files} files"])
        path = _safe_path(member, self.limits.depth)
        if path is None:
            return
        if member.is_folder:
            (self.folder / path).mkdir(parents=True, exist_ok=True)
            return
        self._claim(path.as_posix())
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        source = member.open()
        if source is None:
            raise ResultsError([f"{printable(member.name)} in the archive cannot be read"])
        with source:
            self._copy(source, target)
        if target.stat().st_size != member.size_bytes:
            raise ResultsError([_DAMAGED])

    def _claim(self, name: str) -> None:
        key = same_file_key(name)
        if key in self.names:
            raise ResultsError(
                [f"the archive contains {printable(name)} and {printable(self.names[key])}, which clash"]
            )
        self.names[key] = name

    def _copy(self, source: IO[bytes], target: Path) -> None:
        with target.open("xb") as out:
            while True:
                self.on_chunk()
                chunk = source.read(_CHUNK_BYTES)
                if not chunk:
                    return
                self.written_bytes += len(chunk)
                if self.written_bytes > self.limits.total_bytes:
                    raise ResultsError([f"the archive unpacks to more than {self.limits.total_bytes} bytes"])
                out.write(chunk)


def _unpack_into(archive: Path, folder: Path, limits: Limits) -> tuple[str, ...]:
    folder.mkdir()
    with archive.open("rb") as file:
        start = file.read(6)
    try:
        if start[:4] in _ZIP:
            names = _unzip(archive, folder, limits)
        else:
            names = _untar(archive, start, folder, limits)
    except _BROKEN as error:
        raise ResultsError([_DAMAGED]) from error
    return tuple(sorted(names.values()))


# -- tar -------------------------------------------------------------------------------------------------


class _Metered:
    """A stream that delivers a limited number of bytes until it is refilled.

    Headers of a tar can have any length (pax, GNU's long names and sparse maps), and `tarfile` keeps
    them in memory.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.refill()

    def refill(self) -> None:
        """Allows the full number of bytes again."""
        self._left = 2 * _CHUNK_BYTES

    def read(self, size: int) -> bytes:
        """At most `size` bytes.

        Raises:
            ResultsError: more was read since the last refill than a header needs.
        """
        self._left -= size
        if self._left < 0:
            raise ResultsError(["a header in the archive is too long; jobs of UnionVeil make none like it"])
        try:
            return self._stream.read(size)
        except OSError as error:  # bz2's error for damaged data
            raise tarfile.ReadError from error


def _untar(archive: Path, start: bytes, folder: Path, limits: Limits) -> dict[str, str]:
    with _plain(archive, start) as stream:
        metered = _Metered(stream)
        unpacking = _Unpacking(folder, limits, metered.refill)
        with tarfile.open(fileobj=metered, mode="r|") as tar:  # type: ignore[call-overload]
            for member in tar:
                metered.refill()
                opened = partial(tar.extractfile, member)
                unpacking.take(_Member(member.name, member.isdir(), member.isreg(), member.size, opened))
                tar.members = []  # it would keep all of them
    return unpacking.names


def _plain(archive: Path, start: bytes) -> IO[bytes]:
    if start[:2] == b"\x1f\x8b":
        return cast("IO[bytes]", gzip.open(archive))
    if start[:3] == b"BZh":
        return bz2.open(archive)
    if start == b"\xfd7zXZ\x00":
        return lzma.open(archive)
    return archive.open("rb")


# -- zip -------------------------------------------------------------------------------------------------


def _unzip(archive: Path, folder: Path, limits: Limits) -> dict[str, str]:
    with archive.open("rb") as file:
        listed_bytes = directory_bytes(file)
    if listed_bytes > _MOST_DIRECTORY_BYTES:
        raise ResultsError([f"the archive lists more than {_MOST_DIRECTORY_BYTES >> 20} MiB of names"])
    unpacking = _Unpacking(folder, limits)
    with zipfile.ZipFile(archive) as whole:
        for info in whole.infolist():
            if info.flag_bits & _ENCRYPTED:
                raise ResultsError([f"{printable(info.orig_filename)} in the archive needs a password"])
            mode = info.external_attr >> 16
            is_plain = stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR)
            unpacking.take(
                _Member(
                    # `filename` ends at a zero byte and uses the system's separators.
                    info.orig_filename,
                    is_plain and info.is_dir(),
                    is_plain and not info.is_dir(),
                    info.file_size,
                    partial(whole.open, info),
                )
            )
    return unpacking.names


# -- names -----------------------------------------------------------------------------------------------


def _safe_path(member: _Member, depth: int) -> PurePosixPath | None:
    """The path of a member below the folder; None for the folder `outputs` itself."""
    shown = printable(member.name)
    if not (member.is_file or member.is_folder):
        raise ResultsError([f"{shown} in the archive is a link or a device; jobs of UnionVeil make none"])
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if leads_out(member.name) or not is_safe("/".join(parts) or "_"):
        raise ResultsError([f"the name {shown} in the archive is not allowed"])
    if len(parts) > depth:
        raise ResultsError([f"{shown} in the archive is nested too deeply"])
    if parts[:1] == ["outputs"]:
        parts = parts[1:]
    return PurePosixPath(*parts) if parts else None
