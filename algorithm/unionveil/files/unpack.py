"""Unpacks an archive that comes from a machine that is not ours.

Nothing in it can be written outside the folder, become a link or a device, or fill the disk.
"""

from __future__ import annotations

import tarfile
import tempfile
import unicodedata
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import OutputError, ResultsError
from ..text import printable

__all__ = ["Limits", "unpack"]

_CHUNK_BYTES = 1 << 20


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

    The node archives the folder `outputs`; that level is taken off.

    Args:
        archive: tar, or compressed tar.
        folder: made; must not exist.
        limits: how much may come out; by default `Limits()`.

    Returns:
        Names of the files with `/`, sorted.

    Raises:
        ResultsError: the archive is damaged, holds something that is not a plain file or folder, a name that
            leads out, or too much. Nothing is left then.
        OutputError: the folder is there already or cannot be written.
    """
    if folder.exists() or folder.is_symlink():
        raise OutputError(f"{folder} is there already; choose another folder for the results")
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


@dataclass
class _Unpacking:
    """A folder that is being filled.

    Attributes:
        folder: gets the files.
        limits: how much may come out.
        names: of the files so far, by the name under which any system takes them for the same file.
        written_bytes: of all files so far.
    """

    folder: Path
    limits: Limits
    names: dict[str, str] = field(default_factory=dict)
    written_bytes: int = 0

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Writes one member.

        Raises:
            ResultsError: it is not allowed, or damaged.
        """
        path = _safe_path(member, self.limits.depth)
        if path is None:
            return
        if member.isdir():
            (self.folder / path).mkdir(parents=True, exist_ok=True)
            return
        source = tar.extractfile(member)
        if source is None:
            raise ResultsError([f"{printable(member.name)} in the archive cannot be read"])
        self._claim(path.as_posix())
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        self._copy(source, target)
        if target.stat().st_size != member.size:
            raise ResultsError(["the archive is cut off or damaged; fetch the results again"])

    def _claim(self, name: str) -> None:
        # Two names may be one file on systems that fold case or compose accents.
        key = unicodedata.normalize("NFC", name).casefold()
        if key in self.names:
            raise ResultsError(
                [f"the archive holds {printable(name)} and {printable(self.names[key])}, which clash"]
            )
        self.names[key] = name

    def _copy(self, source: IO[bytes], target: Path) -> None:
        with target.open("xb") as out:
            while chunk := source.read(_CHUNK_BYTES):
                self.written_bytes += len(chunk)
                if self.written_bytes > self.limits.total_bytes:
                    raise ResultsError([f"the archive unpacks to more than {self.limits.total_bytes} bytes"])
                out.write(chunk)


def _unpack_into(archive: Path, folder: Path, limits: Limits) -> tuple[str, ...]:
    folder.mkdir()
    unpacking = _Unpacking(folder, limits)
    try:
        with tarfile.open(archive, "r|*") as tar:
            for count, member in enumerate(tar, 1):
                if count > limits.files:
                    raise ResultsError([f"the archive holds more than {limits.files} files"])
                unpacking.take(tar, member)
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise ResultsError(["the archive is cut off or damaged; fetch the results again"]) from error
    return tuple(sorted(unpacking.names.values()))


def _safe_path(member: tarfile.TarInfo, depth: int) -> PurePosixPath | None:
    """Where a member goes below the folder; None for the folder `outputs` itself."""
    shown = printable(member.name)
    if not (member.isreg() or member.isdir()):
        raise ResultsError([f"{shown} in the archive is a link or a device; jobs of UnionVeil make none"])
    path = PurePosixPath(member.name)
    parts = [part for part in path.parts if part != "."]
    is_bad = (
        path.is_absolute()
        or ".." in parts
        or any(char in member.name for char in "\\:\x00")
        or any(unicodedata.category(char) in ("Cc", "Cs") for char in member.name)
        or any(len(part.encode("utf-8", "replace")) > 255 or part.rstrip(". ") != part for part in parts)
    )
    if is_bad:
        raise ResultsError([f"the name {shown} in the archive is not allowed"])
    if len(parts) > depth:
        raise ResultsError([f"{shown} in the archive lies too deep"])
    if parts[:1] == ["outputs"]:
        parts = parts[1:]
    return PurePosixPath(*parts) if parts else None
