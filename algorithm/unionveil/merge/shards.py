"""Checks that shards belong together: all shards of one run, each once."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ..errors import InputError
from ..files.outputs import Outputs, outputs_at
from ..files.sinks import Place
from ..runs.manifest import Tally
from ..runs.reading import ManifestFile, read_manifest
from ..runs.schema import MANIFEST, ManifestHead, Record, ShardHead, ShardRecord, is_manifest
from ..text import printable

__all__ = ["Merged", "MergedRecord", "RunFolder", "open_folder", "open_shards"]

_MOST_NAMED = 5


@dataclass(frozen=True)
class RunFolder:
    """A folder of outputs with its manifest.

    Attributes:
        outputs: its files.
        manifest: its manifest, of a whole run or of a shard.
    """

    outputs: Outputs
    manifest: ManifestFile

    @property
    def shard(self) -> ShardRecord | None:
        """The part of a run in this folder; None for a whole run."""
        head = self.manifest.head
        return head.shard if isinstance(head, ShardHead) else None

    def __str__(self) -> str:
        return str(self.outputs)


@dataclass(frozen=True)
class MergedRecord:
    """A record of a merged run.

    Attributes:
        record: the record, with its number in the whole run.
        outputs: the folder of its files.
    """

    record: Record
    outputs: Outputs


@dataclass(frozen=True)
class Merged:
    """One run, read from the folders of its parts.

    Attributes:
        folders: the shards in order, or a single whole run.
        head: the part about all inputs, with the totals of all folders.
    """

    folders: tuple[RunFolder, ...]
    head: ManifestHead

    def records(self) -> Iterator[MergedRecord]:
        """All records in the order of the whole run, one at a time; can be repeated any number of times.

        Raises:
            InputError: a manifest is damaged, or an input is in two shards.
        """
        if self.folders[0].shard is None:
            (whole,) = self.folders
            yield from (MergedRecord(record, whole.outputs) for record in whole.manifest.records())
            return
        before: tuple[str, RunFolder] | None = None
        merged = heapq.merge(*map(_keyed, self.folders), key=lambda keyed: keyed[0])
        for number, (key, folder, record) in enumerate(merged, 1):
            if before and before[0] == key:
                raise InputError(
                    f"{before[1]} and {folder} contain the same input (input_key {key}); they are not shards "
                    "of one run, or the run's inputs were renamed meanwhile"
                )
            before = key, folder
            yield MergedRecord(record.model_copy(update={"input": number}), folder.outputs)


def _keyed(folder: RunFolder) -> Iterator[tuple[str, RunFolder, Record]]:
    last = ""
    for record in folder.manifest.records():
        key = record.input_key
        if key is None or key < last:
            raise InputError(f"{folder.manifest.shown} was altered")
        last = key
        yield key, folder, record


def open_folder(place: Place) -> RunFolder:
    """Opens a folder of outputs; no record is read yet.

    Raises:
        InputError: it contains no manifest, several, or an unreadable one.
        StoreError: the store refuses, or does not answer.
    """
    outputs = outputs_at(place)
    try:
        found = sorted(name for name in outputs.names() if is_manifest(name))
    except OSError as error:
        raise InputError(f"{outputs} cannot be read: {error.strerror or error}") from error
    if not found:
        raise InputError(
            f"{outputs} contains no manifest, so its run has not finished; repeat its command to finish it"
        )
    if len(found) > 1:
        raise InputError(f"{outputs} contains {len(found)} manifests; each shard needs its own folder")
    return RunFolder(outputs, read_manifest(outputs, found[0]))


def open_shards(folders: Sequence[Place]) -> Merged:
    """Opens all shards of a run, in any order, or a single folder of a whole run.

    Args:
        folders: folders of outputs; at least one.

    Raises:
        InputError: a shard is missing, occurs twice, or has another run, tool, model or configuration.
    """
    opened = [open_folder(folder) for folder in folders]
    shards = [folder for folder in opened if folder.shard is not None]
    if len(opened) == 1 and not shards:
        return Merged(tuple(opened), opened[0].manifest.head)
    whole = next((folder for folder in opened if folder.shard is None), None)
    if whole:
        raise InputError(
            f"{whole} contains a whole run ({MANIFEST}), not a shard; only shards of one run can be merged"
        )
    ordered = tuple(sorted(shards, key=lambda folder: folder.shard.index if folder.shard else 0))
    for other in ordered[1:]:
        _check_alike(ordered[0], other)
    _check_complete(ordered)
    return Merged(ordered, _head_of(ordered))


def _check_alike(one: RunFolder, other: RunFolder) -> None:
    """Refuses shards of different runs, and says how they differ."""
    a, b = one.manifest.head, other.manifest.head
    if one.shard is None or other.shard is None:
        raise TypeError("a whole run cannot be compared")
    if one.shard.count != other.shard.count:
        raise InputError(
            f"{one} is one of {one.shard.count} shards and {other} one of {other.shard.count}; run one of "
            "them again with the other's number"
        )
    differences = {
        "tool": a.tool != b.tool,
        "weights": a.models != b.models,
        "engine": a.inference != b.inference,
        "configuration": a.configuration != b.configuration,
    }
    differing = [name for name, differs in differences.items() if differs]
    if differing:
        raise InputError(
            f"{one} and {other} were made with different {' and '.join(differing)}{_how(a, b)}; run one of "
            "them again as the other was run"
        )
    if one.shard.run != other.shard.run:
        raise InputError(
            f"{one} and {other} are shards of different runs: their inputs or their salts differ; run them "
            "on the same inputs, or set the same UNIONVEIL_RUN_SALT"
        )


def _how(a: ManifestHead, b: ManifestHead) -> str:
    if a.tool != b.tool:
        return f" (version {_short(a.tool.version)} and {_short(b.tool.version)})"
    if a.models != b.models:
        return ""
    if a.inference and b.inference and a.inference != b.inference:
        one, other = a.inference, b.inference
        return (
            f" ({_short(one.engine)} {_short(one.version)} {_short(one.precision)} and "
            f"{_short(other.engine)} {_short(other.version)} {_short(other.precision)})"
        )
    names = sorted(a.configuration.keys() | b.configuration.keys())
    differing = [name for name in names if a.configuration.get(name) != b.configuration.get(name)]
    return f" ({', '.join(map(_short, differing[:_MOST_NAMED]))})" if differing else ""


def _short(text: str) -> str:
    return printable(text, quoted=False)


def _check_complete(folders: Sequence[RunFolder]) -> None:
    """Refuses sets in which a shard is missing or occurs twice."""
    first = folders[0].shard
    if first is None:
        raise TypeError("a whole run has no shards")
    by_index: dict[int, RunFolder] = {}
    for folder in folders:
        index = folder.shard.index if folder.shard else 0
        if index in by_index:
            raise InputError(
                f"{by_index[index]} and {folder} both contain shard {index}/{first.count}; name each "
                "shard once"
            )
        by_index[index] = folder
    missing = first.count - len(by_index)
    if missing:
        some = list(islice((str(n) for n in range(first.count) if n not in by_index), _MOST_NAMED))
        more = f" and {missing - len(some)} more" if missing > len(some) else ""
        is_one = "is" if missing == 1 else "are"
        raise InputError(
            f"of {first.count} shards, {', '.join(some)}{more} {is_one} missing; run what is missing "
            f"(--shard {some[0]}/{first.count}) and name its folder, too"
        )


def _head_of(folders: Sequence[RunFolder]) -> ManifestHead:
    head = folders[0].manifest.head
    counts = Tally.total([folder.manifest.head.counts for folder in folders])
    fields = {name: getattr(head, name) for name in ManifestHead.model_fields}
    return ManifestHead(**{**fields, "counts": counts})
