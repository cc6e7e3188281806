"""A watched folder: photos are anonymized as they arrive, and the output folder follows.

The folder is listed repeatedly: file system events miss network mounts, and arrive before a file is complete.
A file is read once its size and time have not changed for two scans. If it changes later, it is anonymized
again. Outputs remain when their inputs are removed, unless they are pruned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from .engines.resources import member_bytes
from .errors import InputError, OutputError
from .files.sinks import FolderSink
from .files.sources import Entry, PathSource, Skipped, SourceItem
from .formats import ImageFormat
from .outcomes import Rejected
from .runs.batch import stopped
from .runs.folder import OutputFolder
from .runs.journal import Journal
from .runs.manifest import ManifestBuilder
from .runs.names import Namer
from .runs.needs import finding_bytes, look_at
from .runs.schema import MANIFEST, Record, RedactedRecord, RejectedRecord
from .runs.work import Anonymize, Done, Task

__all__ = ["Do", "Watch"]

_Signature: TypeAlias = tuple[int, int, int]
"""Size, modification time in nanoseconds, and number of the file."""

_Key: TypeAlias = tuple[Entry, Task]

Do: TypeAlias = Callable[[Iterable[tuple[_Key, Task]]], Iterator[tuple[_Key, "Done | Rejected"]]]
"""Runs tasks, in their order."""


@dataclass
class _Seen:
    """A file that was processed.

    Attributes:
        signature: at the time of reading.
        records: of its pictures; an archive may have several.
        skipped: number of its files that are not pictures.
    """

    signature: _Signature
    records: list[Record] = field(default_factory=list)
    skipped: int = 0

    @property
    def outputs(self) -> set[str]:
        return {record.output for record in self.records if isinstance(record, RedactedRecord)}


class Watch:
    """Anonymizes files as they arrive in a folder; call `round` repeatedly.

    Args:
        folder: the folder to watch.
        work: settings, with names kept, and the output folder.
        sink: the output folder, as in `work`.
        journal: already entered.
        do: does the work of a round.
        prune: whether to remove outputs of removed files.
        report: called with each line for the user.
        reject: called with the name of each rejected input, which is not yet printable, and the reason.

    Raises:
        InputError: the folder does not exist.
        OutputError: the output folder contains something else.
    """

    def __init__(
        self,
        folder: Path,
        work: Anonymize,
        sink: FolderSink,
        journal: Journal,
        do: Do,
        *,
        prune: bool,
        report: Callable[[str], None],
        reject: Callable[[str, str], None],
    ) -> None:
        self._folder = folder
        self._work = work
        self._sink = sink
        self._journal = journal
        self._do = do
        self._prune = prune
        self._report = report
        self._reject = reject
        self._root = _identity(folder)
        self._namer = Namer(work.config, flat=False)
        self._names: dict[tuple[str, int, ImageFormat], str] = {}
        self._last: dict[str, _Signature] = {}
        self._done: dict[str, _Seen] = {}
        self._kept: dict[str, RedactedRecord] = {}
        self._was_quiet = False
        self._is_away = False
        OutputFolder(sink, journal, overwrite=False, prune=False).prepare(lambda: journal.written)

    def round(self) -> bool:
        """Lists the folder once and processes files that have stopped changing.

        Returns:
            Whether all files in the folder have been processed.

        Raises:
            OutputError: an output cannot be written.
            UnionVeilError: the work cannot continue.
        """
        source = self._listed()
        if source is None:
            return False
        entries = [entry for entry in source.entries if not entry.is_skipped]
        now = {entry.name: signature for entry in entries if (signature := _signature(entry))}
        ready = [entry for entry in entries if self._is_ready(entry.name, now)]
        gone = self._done.keys() - now.keys()
        self._last = now
        for name in sorted(gone):
            self._forget(name)
        self._work_on(source, ready, now)
        is_quiet = all(name in self._done and self._done[name].signature == now[name] for name in now)
        begins = is_quiet and not self._was_quiet
        if begins:
            self._was_quiet = True
            self._settle_leftovers()
        if begins or ready or gone:
            self._write_manifest(source)
        return is_quiet

    def _is_ready(self, name: str, now: dict[str, _Signature]) -> bool:
        if name not in now or now[name] != self._last.get(name):
            return False
        return name not in self._done or self._done[name].signature != now[name]

    def _listed(self) -> PathSource | None:
        """The content of the folder; None while it is missing, like a network mount that is gone."""
        try:
            if _identity(self._folder) == self._root:
                self._is_away = False
                left_out = [self._sink.folder]
                return PathSource([self._folder], leave_out=left_out, member_bytes=member_bytes())
            why = "another folder has taken its place"
        except InputError as error:
            why = str(error)
        if not self._is_away:
            self._is_away = True
            self._report(f"waiting for {self._folder}: {why}")
        return None

    def _work_on(self, source: PathSource, ready: list[Entry], now: dict[str, _Signature]) -> None:
        earlier = {entry.name: self._done.pop(entry.name, None) for entry in ready}
        rejected = 0
        for entry in ready:
            self._done[entry.name] = _Seen(now[entry.name])
        for (entry, task), done in self._do(self._tasks(source, ready)):
            record = self._take(entry, task, done)
            if isinstance(record, RejectedRecord):
                rejected += 1
                self._reject(task.name, record.detail)
        for name, seen in earlier.items():
            for output in sorted(seen.outputs - self._done[name].outputs if seen else ()):
                self._sink.remove(output)
        count = sum(len(self._done[entry.name].records) for entry in ready)
        if count:
            self._report(f"{count - rejected} done, {rejected} rejected")

    def _take(self, entry: Entry, task: Task, done: Done | Rejected) -> Record:
        if isinstance(done, Rejected):
            done = Done(stopped(task, done, self._work.config))
        record = done.record
        self._done[entry.name].records.append(record)
        if isinstance(record, RedactedRecord):
            self._kept.pop(record.output, None)
            if done.digest and not done.is_known:
                self._journal.add(done.digest, record)
        return record

    def _tasks(self, source: PathSource, ready: list[Entry]) -> Iterator[tuple[_Key, Task]]:
        for entry in ready:
            counts: dict[str, int] = {}
            for item in source.read(entry):
                if isinstance(item.content, Skipped):
                    self._done[entry.name].skipped += 1
                    continue
                counts[item.name] = counts.get(item.name, 0) + 1
                task = self._task(item, counts[item.name])
                yield (entry, task), task

    def _task(self, item: SourceItem, occurrence: int) -> Task:
        assert not isinstance(item.content, Skipped)  # noqa: S101
        image_format, needed = look_at(item.content, self._work.config.outputs)
        needed += finding_bytes(self._work.config)
        if image_format is None:
            return Task(1, item.name, item.content, None, None, needed)
        name = self._claim(item.name, occurrence, image_format)
        return Task(1, item.name, item.content, (image_format, name), self._journal.find(name), needed)

    def _claim(self, original: str, occurrence: int, image_format: ImageFormat) -> str:
        """The output's name, which stays the same when an input changes, recorded in the journal.

        Raises:
            OutputError: a file that this command did not write has the name.
        """
        key = (original, occurrence, image_format)
        if key not in self._names:
            self._names[key] = self._namer.name(1, original, image_format)
        name = self._names[key]
        if name not in self._journal.written and self._sink.has(name):
            raise OutputError(
                f"{self._sink.folder / name} is not an output of this command and is kept; move it away"
            )
        self._journal.reserve(name)
        return name

    def _forget(self, name: str) -> None:
        """Handles a removed file: its outputs are removed too, or stay listed."""
        for record in self._done.pop(name).records:
            if isinstance(record, RedactedRecord):
                if self._prune:
                    self._sink.remove(record.output)
                else:
                    self._kept[record.output] = record

    def _settle_leftovers(self) -> None:
        """Keeps intact outputs of an earlier run whose inputs are gone listed, and removes the others."""
        claimed = set().union(*(seen.outputs for seen in self._done.values()))
        secret = self._journal.secret
        for name in sorted(self._made() - claimed - {MANIFEST}):
            known = None if self._prune else self._journal.find(name)
            record = known.confirmed(1, secret, self._sink.digest(name)) if known else None
            if record is None:
                self._sink.remove(name)
            else:
                self._kept[name] = record

    def _made(self) -> set[str]:
        """Files in the output folder that this command made."""
        return {name for name in self._sink.files() if name in self._journal.written}

    def _write_manifest(self, source: PathSource) -> None:
        manifest = ManifestBuilder(self._work.config)
        files = [self._done.get(entry.name) for entry in source.entries]
        records = [record for seen in files if seen for record in seen.records]
        for number, record in enumerate([*records, *(self._kept[name] for name in sorted(self._kept))], 1):
            manifest.add(record.model_copy(update={"input": number}))
        skipped = sum(entry.is_skipped for entry in source.entries)
        for _ in range(skipped + sum(seen.skipped for seen in files if seen)):
            manifest.skip()
        self._sink.replace(MANIFEST, manifest.parts())


def _identity(folder: Path) -> tuple[int, int]:
    """The identity of a folder, independent of its name.

    Raises:
        InputError: it does not exist.
    """
    try:
        status = folder.stat()
    except OSError as error:
        raise InputError(f"{folder} does not exist; name a folder") from error
    return status.st_dev, status.st_ino


def _signature(entry: Entry) -> _Signature | None:
    try:
        status = Path(entry.path).stat(follow_symlinks=entry.is_followed)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
