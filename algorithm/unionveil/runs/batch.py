"""A whole run: turns items into files and a manifest; can be interrupted and resumed at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from ..compact import NameSet
from ..config import AnonymizeConfig
from ..content import Content
from ..engines.base import Engine
from ..files.digests import hmac_of
from ..files.sources import Skipped, SourceItem
from ..formats import ImageFormat, VideoFormat
from ..given import BoxPlan
from ..outcomes import Rejected
from ..video.codecs import container_of
from .folder import OutputFolder
from .journal import Journal
from .manifest import ManifestBuilder
from .names import Namer, preview_name
from .needs import finding_bytes, look_at
from .plan import Plan
from .records import rejected_record
from .schema import MANIFEST, Record, RedactedRecord, ShardRecord, shard_manifest
from .shards import Keys, ShardOfRun
from .videos import look_at_video, refusal
from .work import Anonymize, Done, Task

__all__ = ["run_batch", "stopped"]

_Key: TypeAlias = tuple[SourceItem, Task]


def run_batch(
    items: Iterable[SourceItem],
    work: Anonymize,
    engine: Engine,
    *,
    journal: Journal | None = None,
    flat: bool = False,
    prune: bool = False,
    plan: Plan | None = None,
    boxes: BoxPlan = lambda *_: None,
    shard: ShardOfRun | None = None,
    on_done: Callable[[SourceItem, Record], None] = lambda *_: None,
) -> ManifestBuilder:
    """Anonymizes every item; writes outputs as they are done and the manifest last.

    Args:
        items: inputs, in the order of their numbers; read twice if the output folder is not empty.
        work: settings and the destination of outputs.
        engine: does the work.
        journal: what an earlier run has finished; None starts from the beginning.
        flat: whether kept names are stripped of their folders.
        prune: whether outputs of inputs that no longer exist are removed instead of refused.
        plan: the plan of a k-same run; None for all other methods.
        boxes: returns an input's boxes from a file, or withholds the input.
        shard: the part of a run that the items belong to; None for a whole run.
        on_done: called for every finished input, in order.

    Returns:
        The manifest, which is already written.

    Raises:
        OutputError: an output cannot be written, or the folder contains, at the start or at the end, files
            that the manifest does not list.
        ModelError: a model failed.
        ConfigError: the overlay's picture cannot be read.
        WorkerError: no worker can be started.
    """
    run = _Run(items, work, engine, journal, flat, plan, boxes, shard, on_done)
    sink = work.sink
    if sink is None:
        return run.finish()
    with sink.locked():
        overwrite = sink.overwrite and not prune
        manifest_name = shard_manifest(shard.shard) if shard else MANIFEST
        folder = OutputFolder(sink, journal, manifest_name, overwrite=overwrite, prune=prune)
        folder.prepare(run.expected)
        manifest = run.finish()
        folder.settle(run.files, lambda: _files_of(manifest))
        if journal:
            journal.reserve(manifest_name)  # so that a run with only rejected inputs can be continued
        sink.replace(manifest_name, manifest.parts())
    return manifest


@dataclass
class _Run:
    """The inputs of a run on their way through an engine.

    Attributes:
        files: names of all files of the records so far.
    """

    items: Iterable[SourceItem]
    work: Anonymize
    engine: Engine
    journal: Journal | None
    flat: bool
    plan: Plan | None
    boxes: BoxPlan
    shard: ShardOfRun | None
    on_done: Callable[[SourceItem, Record], None]
    files: NameSet = field(default_factory=NameSet)

    def expected(self) -> NameSet:
        """The names of all files that the run may write."""
        names = NameSet()
        for _, task in self._tasks(lambda: None, reckon=False):
            if task.output:
                names.update(task.output[1], preview_name(task.output[1]))
        return names

    def finish(self) -> ManifestBuilder:
        """Does the work and collects the records."""
        manifest = ManifestBuilder(self.work.config, self.work.boxes, _record_of(self.shard))
        for (item, task), done in self.engine.map(self.work, self._reserved(manifest.skip)):
            if isinstance(done, Rejected):
                done = Done(stopped(task, done, self.work.config))
            if isinstance(done.record, RedactedRecord):
                self._keep(done, done.record)
            manifest.add(done.record)
            self.on_done(item, done.record)
        return manifest

    def _keep(self, done: Done, record: RedactedRecord) -> None:
        if self.work.sink:
            self.files.update(*record.files)
        if self.journal and done.digest and not done.is_known:
            self.journal.add(done.digest, record)

    def _reserved(self, skip: Callable[[], None]) -> Iterator[tuple[_Key, Task]]:
        """The tasks; the names of their outputs are written to the journal before work on them starts."""
        for key, task in self._tasks(skip, reckon=True):
            if self.journal and task.output:
                name = task.output[1]
                self.journal.reserve(*([name, preview_name(name)] if self.work.previews else [name]))
            yield key, task

    def _tasks(self, skip: Callable[[], None], *, reckon: bool) -> Iterator[tuple[_Key, Task]]:
        """Numbers the inputs and reserves the names of their outputs.

        Args:
            skip: called for each file that is not an input.
            reckon: whether to estimate the memory that each needs, which reads more of it.
        """
        namer = Namer(self.work.config, flat=self.flat)
        keys = Keys(self.shard.salt) if self.shard else None
        number = 0
        for item in self.items:
            if isinstance(item.content, Skipped):
                skip()
                continue
            number += 1
            key = keys.key(item.name) if keys else None
            form, needed, video = self._look_at(item.content, reckon=reckon)
            output = (form, namer.name(number, item.name, form, key)) if form else None
            content, given = item.content, self.boxes(number, item.name)
            if video:
                has_boxes = given is not None or self.work.boxes == "instead"
                content, given = refusal(self.work.config, has_boxes=has_boxes) or content, None
            if isinstance(given, Rejected):
                # The work rejects a file that is not a picture. Its name stays reserved, so that others keep
                # theirs.
                content, output, given = (given if output else content), None, None
            known = self.journal.find(output[1]) if self.journal and output else None
            planned = self.plan.of(number) if self.plan else None
            needed += finding_bytes(self.work.config)
            task = Task(number, item.name, content, output, known, needed, given, planned, key, video)
            yield (item, task), task

    def _look_at(
        self, content: Content | Rejected, *, reckon: bool
    ) -> tuple[ImageFormat | VideoFormat | None, int, VideoFormat | None]:
        """The format of an output, the memory that its input will need, and the container of a video."""
        image_format, needed = look_at(content, self.work.config.outputs, reckon=reckon)
        video = look_at_video(content) if self.work.videos and image_format is None else None
        if video is None:
            return image_format, needed, None
        form, needed = video
        return container_of(form, self.work.config.codec), needed, form


def stopped(task: Task, outcome: Rejected, config: AnonymizeConfig) -> Record:
    """The record of an input that stopped its worker, or took too long."""
    digest = None
    if config.salt and not isinstance(task.content, Rejected):
        with suppress(OSError), task.content.open() as file:
            digest = hmac_of(config.salt, b"", file)
    return rejected_record(task.number, task.name, outcome, config, digest, task.key)


def _files_of(manifest: ManifestBuilder) -> Iterator[str]:
    for record in manifest.records():
        if isinstance(record, RedactedRecord):
            yield from record.files


def _record_of(shard: ShardOfRun | None) -> ShardRecord | None:
    return ShardRecord(index=shard.shard.index, count=shard.shard.count, run=shard.run) if shard else None
