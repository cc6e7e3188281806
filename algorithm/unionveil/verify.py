"""Compares outputs with the manifest beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from .errors import InputError, ResultsError
from .files.digests import sha256_of
from .runs.manifest import MANIFEST, Manifest, ManifestHead, RedactedRecord, is_manifest
from .runs.reading import read_manifest
from .text import printable

__all__ = ["manifest_of", "verify"]


def verify(folder: Path) -> Manifest:
    """Compares every file below a folder with the manifest in it.

    Args:
        folder: the outputs and their `manifest.json`, or the manifest of a shard.

    Returns:
        The manifest; the folder contains exactly its outputs, each with its SHA-256 and size.

    Raises:
        ResultsError: lists every mismatch.
    """
    try:
        name = manifest_of(folder)
        manifest = _read(folder / name)
    except OSError as error:
        raise ResultsError([f"there is no {MANIFEST}: the run did not finish"]) from error
    except InputError as error:
        raise ResultsError([str(error)]) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ResultsError([f"{MANIFEST} is not a manifest of UnionVeil: {where}: {first['msg']}"]) from error
    issues: list[str] = []
    named: set[str] = set()
    for item in manifest.items:
        if isinstance(item, RedactedRecord):
            issues += [
                f"{printable(name)} is named twice in {MANIFEST}" for name in item.files if name in named
            ]
            named.update(item.files)
            issues += _differences(folder, item.output, item.sha256, item.size_bytes)
            if item.preview:
                issues += _differences(folder, item.preview, item.preview_sha256, None)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    issues += [
        f"{printable(name)} is in the folder but not in {MANIFEST}" for name in sorted(there - named - {name})
    ]
    issues += _miscounted(manifest)
    if issues:
        raise ResultsError(issues)
    return manifest


def manifest_of(folder: Path) -> str:
    """The name of the manifest in a folder of outputs: of a whole run, or of a shard.

    Raises:
        OSError: the folder has no manifest.
        InputError: there are several.
    """
    found = sorted(path.name for path in folder.iterdir() if is_manifest(path.name))
    if not found:
        raise FileNotFoundError(MANIFEST)
    if len(found) > 1:
        raise InputError(f"there are {len(found)} manifests: {', '.join(found)}")
    return found[0]


def _read(path: Path) -> Manifest:
    if path.name == MANIFEST:
        return Manifest.model_validate_json(path.read_bytes())
    shard = read_manifest(path)
    head = {name: getattr(shard.head, name) for name in ManifestHead.model_fields}
    return Manifest(**head, items=tuple(shard.records()))


def _differences(folder: Path, name: str, sha256: str | None, size_bytes: int | None) -> Iterator[str]:
    shown = printable(name)
    path = folder / name
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        yield f"{shown} in {MANIFEST} leads out of the folder"
    elif path.is_symlink() or not path.is_file():
        yield f"{shown} is missing"
    elif size_bytes is not None and path.stat().st_size != size_bytes:
        yield f"{shown} has {path.stat().st_size} bytes, {MANIFEST} says {size_bytes}"
    elif sha256_of(path) != sha256:
        yield f"{shown} was altered: its SHA-256 is not the one in {MANIFEST}"


def _miscounted(manifest: Manifest) -> Iterator[str]:
    outputs = [item for item in manifest.items if isinstance(item, RedactedRecord)]
    counts = manifest.counts
    said = (counts.inputs, counts.redacted, counts.without_face, counts.faces, counts.texts or 0)
    people = sum(face.is_person for item in outputs for face in item.faces)
    with_faces = sum(1 for item in outputs if item.faces)
    found = (
        len(manifest.items),
        with_faces,
        len(outputs) - with_faces,
        people,
        sum(len(item.faces) for item in outputs) - people,
    )
    if said != found:
        yield f"the totals in {MANIFEST} are not those of its items"
