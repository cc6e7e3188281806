"""Writes a merged run into a folder: the files of all shards, and one manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..compact import NameSet
from ..errors import InputError, OutputError
from ..files.names import is_safe, leads_out
from ..files.sinks import FolderSink
from ..runs.manifest import MANIFEST, RedactedRecord, is_manifest, manifest_parts
from ..text import printable
from .shards import Merged, MergedRecord

__all__ = ["check_apart", "write_merged"]


def check_apart(merged: Merged, output: Path) -> None:
    """Refuses an output folder that is, contains or is in one of the merged folders.

    Raises:
        OutputError: the folders overlap.
    """
    real = output.resolve()
    for run in merged.folders:
        other = run.folder.resolve()
        if real == other or other in real.parents or real in other.parents:
            raise OutputError(f"{output} and {run} overlap; choose another output folder")


def write_merged(
    merged: Merged, sink: FolderSink, *, link: bool = False, on_done: Callable[[], None] = lambda: None
) -> None:
    """Copies the files of all shards into one folder, and writes the manifest last.

    Every file is compared with its record on the way. An interrupted merge continues where it stopped.

    Args:
        merged: checked shards.
        sink: writes into the output folder.
        link: as `FolderSink.adopt`.
        on_done: called for every record.

    Raises:
        InputError: a file is missing or was altered, or a manifest is damaged.
        OutputError: the folder contains other files, or cannot be written to.
    """
    with sink.locked():
        sink.sweep()
        _check_free(merged, sink)
        for each in merged.records():
            if isinstance(each.record, RedactedRecord):
                _take(each, each.record, sink, link=link)
            on_done()
        lines = (each.record.model_dump_json(exclude_none=True).encode() for each in merged.records())
        sink.replace(MANIFEST, manifest_parts(merged.head, lines))


def _check_free(merged: Merged, sink: FolderSink) -> None:
    """Refuses a folder that contains anything except files of this merge."""
    if next(sink.files(), None) is None:
        return
    expected = NameSet()
    for each in merged.records():
        if isinstance(each.record, RedactedRecord):
            expected.update(*each.record.files)
    for name in sink.files():
        if name not in expected and name != MANIFEST:
            raise OutputError(
                f"{sink.folder} contains {printable(name)}, which is not an output of these shards; choose "
                "an empty folder"
            )


def _take(each: MergedRecord, record: RedactedRecord, sink: FolderSink, *, link: bool) -> None:
    for name, sha256 in _digests(record):
        path = each.folder / name
        if leads_out(name) or not is_safe(name) or is_manifest(name):
            raise InputError(f"a manifest in {each.folder} names {printable(name)}, a name that no run uses")
        if path.is_symlink() or not path.is_file():
            raise InputError(f"{path} is missing; run its shard again to restore it")
        sink.adopt(name, path, sha256, link=link)


def _digests(record: RedactedRecord) -> Iterator[tuple[str, str]]:
    yield record.output, record.sha256
    if record.preview and record.preview_sha256:
        yield record.preview, record.preview_sha256
