"""A whole run: items in, files and a manifest out, interrupted and resumed at will."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from .config import AnonymizeConfig
from .engines import Engine
from .errors import OutputError
from .formats import ImageFormat
from .journal import Journal
from .manifest import ManifestBuilder, RedactedRecord, RejectedRecord, redacted_record, salted_digest
from .outcomes import Anonymized, Outcome, Rejected
from .sinks import FolderSink
from .sources import SourceItem

__all__ = ["MANIFEST", "Done", "run_batch"]

MANIFEST = "manifest.json"

_SUFFIXES = {
    ImageFormat.JPEG: (".jpg", ".jpeg", ".jpe", ".jfif"),
    ImageFormat.PNG: (".png", ".apng"),
    ImageFormat.WEBP: (".webp",),
    ImageFormat.TIFF: (".tif", ".tiff"),
    ImageFormat.BMP: (".bmp", ".dib"),
    ImageFormat.GIF: (".gif",),
    ImageFormat.HEIC: (".heic", ".heif", ".hif"),
    ImageFormat.AVIF: (".avif",),
}


@dataclass(frozen=True)
class Done:
    """One input that is finished.

    Attributes:
        item: the input.
        record: what the manifest says of it.
        outcome: the picture; None if an earlier run had finished it.
    """

    item: SourceItem
    record: RedactedRecord | RejectedRecord
    outcome: Outcome | None


@dataclass(frozen=True)
class _Key:
    """What travels with an input through the engine."""

    number: int
    item: SourceItem
    record: RedactedRecord | RejectedRecord | None = None


def run_batch(
    items: Iterable[SourceItem],
    config: AnonymizeConfig,
    engine: Engine,
    *,
    sink: FolderSink | None,
    journal: Journal | None = None,
    flat: bool = False,
    on_done: Callable[[Done], None] = lambda _: None,
) -> ManifestBuilder:
    """Anonymizes every item, writes outputs as they come and the manifest last.

    Args:
        items: inputs, in the order that numbers them.
        config: all settings.
        engine: who does the work.
        sink: where outputs go; None looks at everything and writes nothing.
        journal: what an earlier run had finished; None starts from nothing.
        flat: whether kept names lose their folders.
        on_done: told of every finished input, in order.

    Returns:
        The manifest, already written.

    Raises:
        OutputError: an output cannot be written, or another run's outputs are there.
        ModelError: a model failed.
        ConfigError: the overlay's picture cannot be read.
    """
    if sink and sink.has(MANIFEST) and not (journal and journal.knows_run) and not sink.overwrite:
        raise OutputError(
            f"{sink.folder} already holds the outputs of another run; choose an empty folder or --overwrite"
        )
    manifest = ManifestBuilder(config, engine.cards)
    namer = _Namer(config, flat)
    for key, outcome in engine.run(_feed(items, sink, journal)):
        record = key.record
        if record is None:
            record = _record(key, outcome, namer, config)
            if isinstance(outcome, Anonymized) and isinstance(record, RedactedRecord) and sink:
                sink.write(record.output, outcome.data)
            if journal and isinstance(record, RedactedRecord) and isinstance(key.item.content, bytes):
                journal.add(key.number, key.item.content, record)
        elif isinstance(record, RedactedRecord):
            namer.reserve(record.output)
        manifest.add(record)
        on_done(Done(key.item, record, None if key.record else outcome))
    if sink:
        sink.replace(MANIFEST, manifest.parts())
    return manifest


def _feed(
    items: Iterable[SourceItem], sink: FolderSink | None, journal: Journal | None
) -> Iterator[tuple[_Key, bytes | Outcome]]:
    """Numbers the inputs and passes by what an earlier run had finished."""
    for number, item in enumerate(items, 1):
        record = None
        if journal and sink and isinstance(item.content, bytes):
            record = journal.find(number, item.content)
            if isinstance(record, RedactedRecord) and not sink.holds(record.output, record.sha256):
                record = None
        # The placeholder is never looked at: the record says it all.
        yield _Key(number, item, record), Rejected("done", "") if record else item.content


def _record(
    key: _Key, outcome: Outcome, namer: _Namer, config: AnonymizeConfig
) -> RedactedRecord | RejectedRecord:
    content = key.item.content
    digest = None
    if config.digest_salt and isinstance(content, bytes):
        digest = salted_digest(content, config.digest_salt.get_secret_value())
    if isinstance(outcome, Anonymized):
        output = namer.name(key.number, key.item.name, outcome.format)
        return redacted_record(key.number, output, outcome, config, digest)
    return RejectedRecord(
        input=key.number,
        input_digest=digest,
        name=key.item.name if config.names == "keep" else None,
        reason=outcome.reason,
        detail=outcome.detail,
    )


class _Namer:
    """Names of outputs: numbers, or the inputs' names with a suffix that is true."""

    def __init__(self, config: AnonymizeConfig, flat: bool) -> None:
        self._keep = config.names == "keep"
        self._flat = flat
        self._used: set[str] = set()

    def name(self, number: int, original: str, image_format: ImageFormat) -> str:
        if not self._keep:
            return f"{number:06d}.{image_format.value}"
        path = PurePosixPath("".join(char if char.isprintable() else "_" for char in original))
        if self._flat:
            path = PurePosixPath("_".join(path.parts))
        if path.suffix.lower() not in _SUFFIXES[image_format]:
            path = path.with_name(f"{path.name}.{image_format.value}")
        stem, tries = path.stem, 1
        # Two inputs may share a name, or differ only in case, which some systems do not tell apart.
        while str(path).casefold() in self._used:
            tries += 1
            path = path.with_name(f"{stem}-{tries}{path.suffix}")
        self.reserve(str(path))
        return str(path)

    def reserve(self, name: str) -> None:
        self._used.add(name.casefold())
