"""Counts the records of a run and writes its manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ..config import AnonymizeConfig
from ..detections import KindCounts
from ..given import BoxesMode
from .records import configuration_of, inference_record, model_records
from .schema import Counts, ManifestHead, Record, RecordLine, RejectedRecord, ShardHead, ShardRecord
from .spool import Spool

__all__ = ["ManifestBuilder", "Tally", "manifest_parts"]


class Tally:
    """Counts records.

    Args:
        method: of the redaction; faces covered by another could not be compared.
        keeps: whether faces may be left visible.
    """

    def __init__(self, method: str, *, keeps: bool) -> None:
        self._method = method
        self._keeps = keeps
        self._numbers: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """Counts a record."""
        self._numbers["inputs"] += 1
        if isinstance(record, RejectedRecord):
            self._rejected[record.reason] += 1
            return
        self._numbers["kept"] += record.kept or 0
        if record.faces:
            counts = KindCounts.of(face.detected for face in record.faces)
            self._numbers["redacted"] += 1
            self._numbers["faces"] += counts.faces
            self._numbers["texts"] += counts.texts + counts.plates
            self._numbers["not_compared"] += sum(
                face.is_person and face.method != self._method for face in record.faces
            )
        else:
            self._numbers["without_face"] += 1

    def skip(self) -> None:
        """Counts a file that is not an input."""
        self._numbers["skipped"] += 1

    @staticmethod
    def total(parts: Sequence[Counts]) -> Counts:
        """The totals of a run from those of its parts."""
        tally = Tally("", keeps=any(part.kept is not None for part in parts))
        for part in parts:
            tally._numbers.update(part.model_dump(exclude={"rejected"}, exclude_none=True))
            tally._rejected.update(part.rejected)
        return tally.counts

    @property
    def counts(self) -> Counts:
        """Totals so far."""
        numbers = self._numbers
        return Counts(
            inputs=numbers["inputs"],
            redacted=numbers["redacted"],
            without_face=numbers["without_face"],
            rejected=dict(sorted(self._rejected.items())),
            faces=numbers["faces"],
            texts=numbers["texts"] or None,
            kept=numbers["kept"] if self._keeps else None,
            not_compared=numbers["not_compared"] or None,
            skipped=numbers["skipped"] or None,
        )


class ManifestBuilder:
    """Takes records as they come and writes the manifest at the end.

    Records wait in a temporary file: a million of them take 8 MB of memory, or 40 MB in a shard.

    Args:
        config: settings of the run.
        boxes: whether boxes were given, and whether they replaced the detector.
        shard: the part of a run that is written; None for a whole run.

    Raises:
        ConfigError: the overlay's picture cannot be read.
        ModelError: the file of a `yolo:FILE.onnx` does not exist, or the engine is not installed.
    """

    def __init__(
        self, config: AnonymizeConfig, boxes: BoxesMode | None = None, shard: ShardRecord | None = None
    ) -> None:
        self._configuration = configuration_of(config) | ({"boxes": boxes} if boxes else {})
        self._looks_only = config.redaction.looks_only
        self._models = () if boxes == "instead" else model_records(config)
        self._inference = inference_record(config)
        self._tally = Tally(config.redaction.method, keeps=not config.covers_everyone)
        self._shard = shard
        self._lines = Spool()
        self._keys = bytearray()

    def add(self, record: Record) -> None:
        """Adds the next input's record.

        Raises:
            OutputError: the disk of temporary files is full.
        """
        self._tally.add(record)
        if self._shard:
            if record.input_key is None:
                raise ValueError("a record of a shard has no key")
            self._keys += bytes.fromhex(record.input_key)
        self._lines.add(record.model_dump_json(exclude_none=True).encode())

    def skip(self) -> None:
        """Counts a file that is not an input."""
        self._tally.skip()

    @property
    def counts(self) -> Counts:
        """Totals so far."""
        return self._tally.counts

    @property
    def head(self) -> ManifestHead:
        """The part about all inputs."""
        return ManifestHead(
            models=self._models,
            inference=self._inference,
            configuration=self._configuration,
            looks_only=self._looks_only or None,
            counts=self.counts,
        )

    def records(self) -> Iterator[Record]:
        """The records so far, in the order of the inputs or, in a shard, of their keys."""
        lines = self._lines.sorted_by(self._keys) if self._shard else iter(self._lines)
        for number, line in enumerate(lines, 1):
            record = RecordLine.validate_json(line)
            yield record.model_copy(update={"input": number}) if self._shard else record

    def parts(self) -> Iterator[bytes]:
        """The manifest in pieces, to be written in order: JSON, or JSON lines for a shard."""
        if self._shard is None:
            yield from manifest_parts(self.head, iter(self._lines))
            return
        head = ShardHead(shard=self._shard, **dict(self.head))
        yield head.model_dump_json(exclude_none=True).encode() + b"\n"
        for record in self.records():
            yield record.model_dump_json(exclude_none=True).encode() + b"\n"

    def to_bytes(self) -> bytes:
        """The manifest as JSON, with one item per line."""
        return b"".join(self.parts())


def manifest_parts(head: ManifestHead, lines: Iterable[bytes]) -> Iterator[bytes]:
    """A manifest as JSON, with one item per line, in pieces to be written in order.

    Args:
        head: the part about all inputs.
        lines: the items as JSON.
    """
    text = head.model_dump_json(indent=1, exclude_none=True)
    yield f'{text[:-2]},\n "items": ['.encode()
    for number, line in enumerate(lines):
        yield (b",\n  " if number else b"\n  ") + line
    yield b"\n ]\n}\n"
