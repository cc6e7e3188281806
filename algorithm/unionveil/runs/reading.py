"""Reads manifests one record at a time, however many they contain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import ValidationError

from ..errors import InputError
from ..text import printable
from .manifest import Manifest, ManifestHead, Record, RecordLine, ShardHead

__all__ = ["ManifestFile", "read_manifest"]

Read = TypeVar("Read")

_ITEMS = b' "items": [\n'

_MOST_HEAD_BYTES = 1 << 20
_MOST_LINE_BYTES = 64 << 20
"""A record takes about 150 bytes for each face."""


@dataclass(frozen=True)
class ManifestFile:
    """A manifest on disk.

    Attributes:
        path: its path.
        head: the part about all inputs; a `ShardHead` in the manifest of a shard.
    """

    path: Path
    head: ManifestHead
    _lines: Callable[[], Iterator[bytes]]

    def records(self) -> Iterator[Record]:
        """The records in order.

        Raises:
            InputError: the file is damaged or cut off.
        """
        number = 0
        for line in self._lines():
            number += 1
            yield _valid(self.path, RecordLine.validate_json, line)
        if number != self.head.counts.inputs:
            raise InputError(
                f"{_shown(self.path)} is cut off or was altered: it has {number} of "
                f"{self.head.counts.inputs} records; run its shard again, or fetch it again"
            )


def read_manifest(path: Path) -> ManifestFile:
    """Opens the manifest of a run or of a shard; records are read on demand.

    Args:
        path: of `manifest.json`, or of a shard's `manifest-IIIII-of-NNNNN.jsonl`.

    Raises:
        InputError: it cannot be read, or is not a manifest of version 1.
    """
    try:
        with path.open("rb") as file:
            if path.suffix == ".jsonl":
                line = file.readline(_MOST_HEAD_BYTES)
                head = _valid(path, ShardHead.model_validate_json, line)
                return ManifestFile(path, head, lambda: _lines_behind(path, len(line)))
            first = _head(file)
            if first is not None:
                found = _valid(path, ManifestHead.model_validate_json, first[: -len(_ITEMS) - 2] + b"}")
                return ManifestFile(path, found, lambda: _items_behind(path, len(first)))
            file.seek(0)
            data = file.read()
    except OSError as error:
        raise InputError(f"{_shown(path)} cannot be read: {error.strerror or error}") from error
    # Rewritten by another program: parsed as a whole.
    whole = _valid(path, Manifest.model_validate_json, data)
    return ManifestFile(path, whole, lambda: (item.model_dump_json().encode() for item in whole.items))


def _head(file: BinaryIO) -> bytes | None:
    """The lines up to the first item; None if the items are not written one per line, as we write them."""
    found = b""
    while len(found) < _MOST_HEAD_BYTES:
        line = file.readline(_MOST_HEAD_BYTES)
        found += line
        if line == _ITEMS:
            first = file.readline(_MOST_HEAD_BYTES)
            is_ours = first == b" ]\n" or (first.startswith(b"  {") and first.rstrip(b",\n").endswith(b"}"))
            return found if is_ours and found.endswith(b",\n" + _ITEMS) else None
        if not line.endswith(b"\n"):
            return None
    return None


def _items_behind(path: Path, start: int) -> Iterator[bytes]:
    """The items of a `manifest.json`; nothing may follow them."""
    for line in _lines_behind(path, start):
        if line.startswith(b"  "):
            yield line.strip().removesuffix(b",")
        elif line.strip(b" \n") not in (b"", b"]", b"}"):
            yield line  # not a record: reading it fails


def _lines_behind(path: Path, start: int) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(start)
            while line := file.readline(_MOST_LINE_BYTES):
                yield line
    except OSError as error:
        raise InputError(f"{_shown(path)} cannot be read: {error.strerror or error}") from error


def _valid(path: Path, read: Callable[[bytes], Read], data: bytes) -> Read:
    try:
        return read(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{_shown(path)} is not a manifest that this version reads ({where}: {first['msg']})"
        ) from error


def _shown(path: Path) -> str:
    return printable(str(path), quoted=False, most=None)
