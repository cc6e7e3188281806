"""Compares outputs with the manifest beside them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from .compact import NameSet
from .errors import InputError, ResultsError
from .files.digests import sha256_of
from .files.outputs import LocalOutputs
from .files.paths import files_below, unreadable
from .runs.manifest import Tally
from .runs.reading import ManifestFile, read_manifest
from .runs.schema import MANIFEST, Counts, RedactedRecord, is_manifest
from .text import printable

__all__ = ["manifest_of", "verify"]


def verify(folder: Path) -> ManifestFile:
    """Compares every file below a folder with the manifest in it; records are read one at a time.

    Args:
        folder: the outputs and their `manifest.json`, or the manifest of a shard.

    Returns:
        The manifest; the folder contains exactly its outputs, each with its SHA-256 and size.

    Raises:
        ResultsError: lists every mismatch.
    """
    try:
        manifest = read_manifest(LocalOutputs(folder), manifest_of(folder))
        issues = list(_issues(folder, manifest))
    except FileNotFoundError as error:
        raise ResultsError([f"there is no {MANIFEST}: the run did not finish"]) from error
    except OSError as error:
        raise ResultsError([str(unreadable(error.filename, error))]) from error
    except InputError as error:
        raise ResultsError([str(error)]) from error
    if issues:
        raise ResultsError(issues)
    return manifest


def manifest_of(folder: Path) -> str:
    """The name of the manifest in a folder of outputs: of a whole run, or of a shard.

    Raises:
        FileNotFoundError: the folder has no manifest.
        OSError: the folder cannot be read.
        InputError: there are several.
    """
    found = sorted(path.name for path in folder.iterdir() if is_manifest(path.name))
    if not found:
        raise FileNotFoundError(MANIFEST)
    if len(found) > 1:
        raise InputError(f"there are {len(found)} manifests: {', '.join(found)}")
    return found[0]


def _issues(folder: Path, manifest: ManifestFile) -> Iterator[str]:
    named, tally = NameSet(), Tally("", keeps=False)
    for record in manifest.records():
        tally.add(record)
        if isinstance(record, RedactedRecord):
            yield from (
                f"{printable(name)} is named twice in {MANIFEST}" for name in record.files if name in named
            )
            named.update(*record.files)
            yield from _differences(folder, record.output, record.sha256, record.size_bytes)
            if record.preview:
                yield from _differences(folder, record.preview, record.preview_sha256, None)
    named.add(manifest.name)
    there = (path.relative_to(folder).as_posix() for path in files_below(folder))
    for name in sorted(name for name in there if name not in named):
        yield f"{printable(name)} is in the folder but not in {MANIFEST}"
    if _totals(tally.counts) != _totals(manifest.head.counts):
        yield f"the totals in {MANIFEST} are not those of its items"


def _differences(folder: Path, name: str, sha256: str | None, size_bytes: int | None) -> Iterator[str]:
    shown = printable(name)
    path = folder / name
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        yield f"{shown} in {MANIFEST} leads out of the folder"
        return
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            yield f"{shown} is missing"
        elif size_bytes is not None and status.st_size != size_bytes:
            yield f"{shown} has {status.st_size} bytes, {MANIFEST} says {size_bytes}"
        elif sha256_of(path) != sha256:
            yield f"{shown} was altered: its SHA-256 is not the one in {MANIFEST}"
    except (FileNotFoundError, NotADirectoryError):
        yield f"{shown} is missing"
    except (OSError, ValueError) as error:  # the latter for a NUL in the name
        yield str(unreadable(shown, error))


def _totals(counts: Counts) -> tuple[int, ...]:
    return (counts.inputs, counts.redacted, counts.without_face, counts.faces, counts.texts or 0)
