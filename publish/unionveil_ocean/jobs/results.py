"""What a job left, unpacked and held against its manifest.

The archive comes from a machine that is not ours and is treated so: nothing in it can be written outside the
folder, become a link or a device, or fill the disk.
"""

from __future__ import annotations

import hashlib
import struct
import tarfile
import tempfile
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import ValidationError

from unionveil.batch import MANIFEST
from unionveil.errors import OutputError
from unionveil.manifest import Manifest, RedactedRecord

from ..errors import ResultsError

__all__ = ["Limits", "log_text", "unpack", "verify"]

_CHUNK_BYTES = 1 << 20

_FRAME = struct.Struct(">BxxxL")
"""Header of a frame in a Docker log: stream (0 stdin, 1 stdout, 2 stderr), three zero bytes, length
(Docker Engine API, "Attach to a container", stream format)."""

_LEFT = frozenset({MANIFEST})


@dataclass(frozen=True)
class Limits:
    """How much may come out of an archive.

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
        ResultsError: the archive is damaged, holds something that is no plain file or folder, a name that
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


def _unpack_into(archive: Path, folder: Path, limits: Limits) -> tuple[str, ...]:
    folder.mkdir()
    names: set[str] = set()
    seen: dict[str, str] = {}
    total = count = 0
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member in tar:
                count += 1
                if count > limits.files:
                    raise ResultsError([f"the archive holds more than {limits.files} files"])
                path = _safe_path(member, limits.depth)
                if path is None:
                    continue
                if member.isdir():
                    (folder / path).mkdir(parents=True, exist_ok=True)
                    continue
                source = tar.extractfile(member)
                if source is None:
                    raise ResultsError([f"{_shown(member.name)} in the archive cannot be read"])
                name = path.as_posix()
                # Two names may be one file on systems that fold case or compose accents.
                key = unicodedata.normalize("NFC", name).casefold()
                if key in seen:
                    raise ResultsError(
                        [f"the archive holds {_shown(name)} and {_shown(seen[key])}, which clash"]
                    )
                seen[key] = name
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                total = _copy(source, folder / path, total, limits.total_bytes)
                if (folder / path).stat().st_size != member.size:
                    raise ResultsError(["the archive is cut off or damaged; fetch the results again"])
                names.add(name)
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise ResultsError(["the archive is cut off or damaged; fetch the results again"]) from error
    return tuple(sorted(names))


def _safe_path(member: tarfile.TarInfo, depth: int) -> PurePosixPath | None:
    """Where a member goes below the folder; None for the folder `outputs` itself."""
    shown = _shown(member.name)
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


def _copy(source: IO[bytes], target: Path, total: int, most: int) -> int:
    with target.open("xb") as out:
        while chunk := source.read(_CHUNK_BYTES):
            total += len(chunk)
            if total > most:
                raise ResultsError([f"the archive unpacks to more than {most} bytes"])
            out.write(chunk)
    return total


def verify(folder: Path) -> Manifest:
    """Holds every file below a folder against the manifest in it.

    Args:
        folder: of the outputs, with `manifest.json`.

    Returns:
        The manifest; every output it names is there with its SHA-256 and size, and nothing else is.

    Raises:
        ResultsError: what does not fit, every item by name.
    """
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise ResultsError([f"there is no {MANIFEST}: the job did not finish"]) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ResultsError([f"{MANIFEST} is none of UnionVeil's: {where}: {first['msg']}"]) from error
    issues: list[str] = []
    named: set[str] = set()
    for item in manifest.items:
        if isinstance(item, RedactedRecord):
            if item.output in named:
                issues.append(f"{_shown(item.output)} is named twice in {MANIFEST}")
            named.add(item.output)
            issues += _differences(folder, item)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    issues += [f"{_shown(name)} is there but not in {MANIFEST}" for name in sorted(there - named - _LEFT)]
    issues += _miscounted(manifest)
    if issues:
        raise ResultsError(issues)
    return manifest


def _differences(folder: Path, item: RedactedRecord) -> Iterator[str]:
    shown = _shown(item.output)
    path = folder / item.output
    if PurePosixPath(item.output).is_absolute() or ".." in PurePosixPath(item.output).parts:
        yield f"{shown} in {MANIFEST} leads out of the folder"
    elif path.is_symlink() or not path.is_file():
        yield f"{shown} is missing"
    elif path.stat().st_size != item.size_bytes:
        yield f"{shown} has {path.stat().st_size} bytes, {MANIFEST} says {item.size_bytes}"
    elif _sha256(path) != item.sha256:
        yield f"{shown} was altered: its SHA-256 is not the one in {MANIFEST}"


def _miscounted(manifest: Manifest) -> Iterator[str]:
    outputs = [item for item in manifest.items if isinstance(item, RedactedRecord)]
    counts = manifest.counts
    said = (counts.inputs, counts.redacted, counts.without_face, counts.faces)
    with_faces = sum(1 for item in outputs if item.faces)
    found = (
        len(manifest.items),
        with_faces,
        len(outputs) - with_faces,
        sum(len(item.faces) for item in outputs),
    )
    if said != found:
        yield f"the totals in {MANIFEST} are not those of its items"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def log_text(data: bytes) -> str:
    """A job's log as text, without the headers of Docker's frames, safe to print on a terminal.

    Args:
        data: the log as the node serves it; one without frames is taken as it is, and so is the rest after a
            frame that was cut off.
    """
    parts, place = [], 0
    while place + _FRAME.size <= len(data):
        stream, length = _FRAME.unpack_from(data, place)
        if stream > 2 or data[place + 1 : place + 4] != b"\0\0\0":
            break
        parts.append(data[place + _FRAME.size : place + _FRAME.size + length])
        place += _FRAME.size + length
    text = (b"".join(parts) + data[place:]).decode("utf-8", "replace")
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char)[0] != "C")


def _shown(name: str) -> str:
    """A name from elsewhere, safe to print."""
    return repr(name[:100])
