"""A whole run: items in, files and a manifest out, interrupted and resumed at will."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from ..config import AnonymizeConfig
from ..engines.base import Engine
from ..errors import ImageError, OutputError
from ..files.sources import SourceItem
from ..formats import ImageFormat, sniff
from ..outcomes import Rejected
from .journal import Journal
from .manifest import MANIFEST, ManifestBuilder, Record, RedactedRecord, rejected_record, salted_digest
from .names import Namer
from .work import Anonymize, Done, Task

__all__ = ["run_batch"]

_HEAD_BYTES = 512
"""As much of a file as its format can be told from."""


def run_batch(
    items: Iterable[SourceItem],
    work: Anonymize,
    engine: Engine,
    *,
    journal: Journal | None = None,
    flat: bool = False,
    on_done: Callable[[SourceItem, Record], None] = lambda *_: None,
) -> ManifestBuilder:
    """Anonymizes every item, writes outputs as they come and the manifest last.

    Args:
        items: inputs, in the order that numbers them.
        work: settings, and where outputs go.
        engine: does the work.
        journal: what an earlier run had finished; None starts from nothing.
        flat: whether kept names lose their folders.
        on_done: called for every finished input, in order.

    Returns:
        The manifest, already written.

    Raises:
        OutputError: an output cannot be written, or another run's outputs are there.
        ModelError: a model failed.
        ConfigError: the overlay's picture cannot be read.
        WorkerError: no worker can be started.
    """
    sink = work.sink
    if sink and sink.has(MANIFEST) and not (journal and journal.knows_run) and not sink.overwrite:
        raise OutputError(
            f"{sink.folder} already holds the outputs of another run; choose an empty folder or --overwrite"
        )
    manifest = ManifestBuilder(work.config)
    tasks = _tasks(items, Namer(work.config, flat=flat), journal)
    for (item, task), done in engine.map(work, tasks):
        if isinstance(done, Rejected):
            done = Done(_stopped(task, done, work.config))
        if journal and done.digest and not done.is_known and isinstance(done.record, RedactedRecord):
            journal.add(task.number, done.digest, done.record)
        manifest.add(done.record)
        on_done(item, done.record)
    if sink:
        sink.replace(MANIFEST, manifest.parts())
    return manifest


def _tasks(
    items: Iterable[SourceItem], namer: Namer, journal: Journal | None
) -> Iterator[tuple[tuple[SourceItem, Task], Task]]:
    """Numbers the inputs and reserves the names of their outputs."""
    for number, item in enumerate(items, 1):
        image_format = _format_of(item)
        output = (image_format, namer.name(number, item.name, image_format)) if image_format else None
        known = journal.find(number) if journal else None
        task = Task(number, item.name, item.content, output, known)
        yield (item, task), task


def _format_of(item: SourceItem) -> ImageFormat | None:
    """The format of an input; None where it has none, which the work then finds out and explains."""
    if isinstance(item.content, Rejected):
        return None
    with suppress(OSError, ImageError), item.content.open() as file:
        return sniff(file.read(_HEAD_BYTES))
    return None


def _stopped(task: Task, outcome: Rejected, config: AnonymizeConfig) -> Record:
    """The record of an input that stopped its worker, or took too long."""
    digest = None
    if config.digest_salt and not isinstance(task.content, Rejected):
        with suppress(OSError):
            digest = salted_digest(task.content.read(), config.digest_salt.get_secret_value())
    return rejected_record(task.number, task.name, outcome, config, digest)
