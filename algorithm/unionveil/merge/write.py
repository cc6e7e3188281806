"""Writes a merged run into a folder, here or in an object store: all shards' files, and one manifest."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from ..compact import NameSet
from ..errors import InputError, OutputError
from ..files.names import is_safe, leads_out
from ..files.outputs import LocalOutputs, Outputs, StoredOutputs
from ..files.paths import real, unreadable
from ..files.sinks import FolderSink, Place
from ..files.store_sink import StoreSink
from ..files.stores import StoreUrl
from ..runs.manifest import manifest_parts
from ..runs.schema import MANIFEST, RedactedRecord, is_manifest
from ..text import printable
from .shards import Merged, MergedRecord

__all__ = ["check_apart", "write_merged"]

_AT_ONCE = 16
"""Files that are handed over at once from or to a store. Each takes some requests, one after the other."""


def check_apart(merged: Merged, output: Place) -> None:
    """Refuses an output folder that is, contains or is in one of the merged folders.

    Raises:
        OutputError: the folders overlap.
    """
    for run in merged.folders:
        if _overlap(output, run.outputs.place):
            raise OutputError(f"{output} and {run} overlap; choose another output folder")


def _overlap(one: Place, other: Place) -> bool:
    if isinstance(one, StoreUrl) or isinstance(other, StoreUrl):
        both = isinstance(one, StoreUrl) and isinstance(other, StoreUrl)
        return both and (one.holds(other) or other.holds(one))  # type: ignore[union-attr,arg-type]
    a, b = real(one), real(other)
    return a == b or b in a.parents or a in b.parents


def write_merged(
    merged: Merged,
    sink: FolderSink | StoreSink,
    *,
    link: bool = False,
    on_done: Callable[[], None] = lambda: None,
) -> None:
    """Copies the files of all shards into one folder, and writes the manifest last.

    Every file is compared with its record on the way. An interrupted merge continues where it stopped.

    Args:
        merged: checked shards.
        sink: writes into the output folder.
        link: as `FolderSink.adopt`; only between folders on this machine.
        on_done: called for every record.

    Raises:
        InputError: a file is missing or was altered, or a manifest is damaged.
        OutputError: the folder contains other files, or cannot be written to.
    """
    with sink.locked():
        sink.sweep()
        _check_free(merged, sink)
        take = partial(_take, sink=sink, link=link)
        places = (sink.folder, *(run.outputs.place for run in merged.folders))
        at_once = _AT_ONCE if any(isinstance(place, StoreUrl) for place in places) else 1
        for _ in _mapped(take, merged.records(), at_once):
            on_done()
        lines = (each.record.model_dump_json(exclude_none=True).encode() for each in merged.records())
        sink.replace(MANIFEST, manifest_parts(merged.head, lines))


def _check_free(merged: Merged, sink: FolderSink | StoreSink) -> None:
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


def _mapped(
    take: Callable[[MergedRecord], None], records: Iterable[MergedRecord], at_once: int
) -> Iterator[None]:
    """As `map`, for some records at once; never holds more than twice as many."""
    with ThreadPoolExecutor(at_once) as pool:
        waiting: deque[Future[None]] = deque()
        for each in records:
            waiting.append(pool.submit(take, each))
            if len(waiting) == 2 * at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _take(each: MergedRecord, *, sink: FolderSink | StoreSink, link: bool) -> None:
    if not isinstance(each.record, RedactedRecord):
        return
    for name, sha256 in _digests(each.record):
        if leads_out(name) or not is_safe(name) or is_manifest(name):
            raise InputError(f"a manifest in {each.outputs} names {printable(name)}, a name that no run uses")
        try:
            _hand_over(each.outputs, name, sha256, sink, link=link)
        except FileNotFoundError:
            raise InputError(
                f"{each.outputs}/{printable(name, quoted=False)} is missing; run its shard again to restore "
                "it"
            ) from None
        except OSError as error:
            raise unreadable(f"{each.outputs}/{printable(name, quoted=False)}", error) from error


def _hand_over(outputs: Outputs, name: str, sha256: str, sink: FolderSink | StoreSink, *, link: bool) -> None:
    """Copies a file, in the way that moves the fewest bytes.

    Raises:
        FileNotFoundError: it does not exist.
    """
    match outputs, sink:
        case LocalOutputs(), FolderSink():
            sink.adopt(name, outputs.path(name), sha256, link=link)
        case StoredOutputs(store=store), StoreSink() if sink.reaches(store):
            sink.adopt(name, store, sha256)
        case _:
            data = outputs.read(name)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise InputError(
                    f"{outputs}/{printable(name, quoted=False)} was altered: its SHA-256 is not the one in "
                    "its manifest; make it again"
                )
            sink.write(name, data)


def _digests(record: RedactedRecord) -> Iterator[tuple[str, str]]:
    yield record.output, record.sha256
    if record.preview and record.preview_sha256:
        yield record.preview, record.preview_sha256
