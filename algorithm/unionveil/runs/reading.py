"""Reads manifests one record at a time, however many they contain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, TypeAlias, TypeVar

from pydantic import ValidationError

from ..errors import InputError
from ..files.outputs import Outputs
from ..text import printable
from .schema import Manifest, ManifestHead, Record, RecordLine, ShardHead

__all__ = ["ManifestFile", "read_manifest", "what_is_wrong"]

Read = TypeVar("Read")
_Opened: TypeAlias = Callable[[], AbstractContextManager[BinaryIO]]

_ITEMS = b' "items": [\n'

_MOST_HEAD_BYTES = 1 << 20
_MOST_LINE_BYTES = 64 << 20
"""A record takes about 150 bytes for each face."""


@dataclass(frozen=True)
class ManifestFile:
    """A manifest that is read on demand.

    Attributes:
        name: of its file.
        shown: its place, for messages.
        head: the part about all inputs; a `ShardHead` in the manifest of a shard.
    """

    name: str
    shown: str
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
            yield _valid(self.shown, RecordLine.validate_json, line)
        if number != self.head.counts.inputs:
            raise InputError(
                f"{self.shown} is cut off or was altered: it has {number} of "
                f"{self.head.counts.inputs} records; run its shard again, or fetch it again"
            )


def read_manifest(outputs: Outputs, name: str) -> ManifestFile:
    """Opens the manifest of a run or of a shard; records are read on demand.

    Args:
        outputs: the folder of the manifest.
        name: `manifest.json`, or a shard's `manifest-IIIII-of-NNNNN.jsonl`.

    Raises:
        InputError: it cannot be read, or is not a manifest of version 1.
        StoreError: the store refuses, or does not answer.
    """
    shown = f"{outputs}/{printable(name, quoted=False, most=None)}"
    opened = partial(_opened, outputs, name, shown)
    with opened() as file:
        if name.endswith(".jsonl"):
            line = file.readline(_MOST_HEAD_BYTES)
            head = _valid(shown, ShardHead.model_validate_json, line)
            return ManifestFile(name, shown, head, lambda: _lines_behind(opened, len(line)))
        first = _head(file)
        if first is not None:
            found = _valid(shown, ManifestHead.model_validate_json, first[: -len(_ITEMS) - 2] + b"}")
            return ManifestFile(name, shown, found, lambda: _items_behind(opened, len(first)))
        file.seek(0)
        data = file.read()
    # Rewritten by another program: parsed as a whole.
    whole = _valid(shown, Manifest.model_validate_json, data)
    return ManifestFile(name, shown, whole, lambda: (item.model_dump_json().encode() for item in whole.items))


@contextmanager
def _opened(outputs: Outputs, name: str, shown: str) -> Iterator[BinaryIO]:
    try:
        with outputs.open(name) as file:
            yield file
    except OSError as error:
        raise InputError(f"{shown} cannot be read: {error.strerror or error}") from error


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


def _items_behind(opened: _Opened, start: int) -> Iterator[bytes]:
    """The items of a `manifest.json`; nothing may follow them."""
    for line in _lines_behind(opened, start):
        if line.startswith(b"  "):
            yield line.strip().removesuffix(b",")
        elif line.strip(b" \n") not in (b"", b"]", b"}"):
            yield line  # not a record: reading it fails


def _lines_behind(opened: _Opened, start: int) -> Iterator[bytes]:
    with opened() as file:
        file.seek(start)
        while line := file.readline(_MOST_LINE_BYTES):
            yield line


def what_is_wrong(error: ValidationError) -> str:
    """The first thing in a document that does not fit, with its place; values in it may be of any length."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "JSON"
    return f"{printable(where, quoted=False)}: {printable(first['msg'], quoted=False)}"


def _valid(shown: str, read: Callable[[bytes], Read], data: bytes) -> Read:
    try:
        return read(data)
    except ValidationError as error:
        raise InputError(
            f"{shown} is not a manifest that this version reads ({what_is_wrong(error)})"
        ) from error
