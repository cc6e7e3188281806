"""What is done to each input of a run: read, anonymize, write, record. All of it in a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..config import AnonymizeConfig
from ..content import BytesContent, Content
from ..files.sinks import FolderSink
from ..formats import ImageFormat
from ..models.cards import ModelCard
from ..models.store import find
from ..outcomes import Anonymized, Rejected
from ..redact import load_redactor
from .journal import Known, keyed_digest
from .manifest import Record, RedactedRecord, redacted_record, rejected_record, salted_digest

__all__ = ["Anonymize", "Done", "Task"]


@dataclass(frozen=True)
class Task:
    """One input.

    Attributes:
        number: of the input, from 1.
        name: of the input; recorded only where names are kept.
        content: its bytes, or why there are none.
        output: format and reserved name of the output; None if the input is not a picture.
        known: what an earlier run recorded of this input, if it did.
    """

    number: int
    name: str
    content: Content | Rejected
    output: tuple[ImageFormat, str] | None
    known: Known | None

    @property
    def held_bytes(self) -> int:
        """As `engines.base.Task.held_bytes`."""
        return 0 if isinstance(self.content, Rejected) else self.content.held_bytes


@dataclass(frozen=True)
class Done:
    """What became of an input.

    Attributes:
        record: for the manifest.
        digest: keyed digest of the input, for the journal; None if it could not be read.
        is_known: whether an earlier run had done it.
    """

    record: Record
    digest: str | None = None
    is_known: bool = False


@dataclass(frozen=True)
class Anonymize:
    """The work of a run.

    Attributes:
        config: all settings.
        sink: where outputs go; None writes nothing.
        previews: where previews go, if any are wanted.
        secret: the journal's key; None without a journal.
    """

    config: AnonymizeConfig
    sink: FolderSink | None = None
    previews: FolderSink | None = None
    secret: bytes | None = None

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """As `Work.cards`."""
        return self.config.cards

    def check(self) -> None:
        """As `Work.check`."""
        for card in self.cards:
            if card.kind != "yolo":  # a user's own file has no digest to be compared with
                find(card)
        load_redactor(self.config)

    def start(self, threads: int) -> Callable[[Task], Done]:
        """As `Work.start`."""
        import cv2

        from ..pipeline import load

        cv2.setNumThreads(threads)
        return _Worker(self, load(self.config, threads=threads))


class _Worker:
    """The work with its models loaded."""

    def __init__(self, work: Anonymize, anonymize: Callable[[Content], Anonymized | Rejected]) -> None:
        self._work = work
        self._anonymize = anonymize

    def __call__(self, task: Task) -> Done:
        if isinstance(task.content, Rejected):
            return Done(self._rejected(task, task.content, None))
        try:
            data = task.content.read()
        except OSError as error:
            why = error.strerror or type(error).__name__
            return Done(self._rejected(task, Rejected("unreadable", f"the file cannot be read: {why}"), None))
        digest = self._digest(task, data)
        done = self._known(task, digest)
        if done is None:
            outcome = self._anonymize(BytesContent(data))
            done = Done(self._record(task, data, outcome), digest)
        return done

    def _digest(self, task: Task, data: bytes) -> str | None:
        if self._work.secret is None:
            return None
        # Where names are kept a renamed input is another input.
        return keyed_digest(self._work.secret, task.name if self._work.config.names == "keep" else "", data)

    def _known(self, task: Task, digest: str | None) -> Done | None:
        """What an earlier run made of the same input, if its output is still in place."""
        sink, known = self._work.sink, task.known
        if sink is None or known is None or known.digest != digest:
            return None
        if task.output is None or task.output[1] != known.record.output:
            return None
        if not sink.holds(known.record.output, known.record.sha256):
            return None
        self._preview(known.record, None)
        return Done(known.record, digest, is_known=True)

    def _record(self, task: Task, data: bytes, outcome: Anonymized | Rejected) -> Record:
        if isinstance(outcome, Rejected):
            return self._rejected(task, outcome, data)
        if task.output is None or task.output[0] is not outcome.format:
            return self._rejected(task, Rejected("changed", "the file changed while it was read"), data)
        record = redacted_record(task.number, task.output[1], outcome, self._work.config, self._salted(data))
        if self._work.sink:
            self._work.sink.write(record.output, outcome.data)
        self._preview(record, outcome.data)
        return record

    def _rejected(self, task: Task, outcome: Rejected, data: bytes | None) -> Record:
        return rejected_record(task.number, task.name, outcome, self._work.config, self._salted(data))

    def _salted(self, data: bytes | None) -> str | None:
        salt = self._work.config.digest_salt
        return salted_digest(data, salt.get_secret_value()) if salt and data is not None else None

    def _preview(self, record: RedactedRecord, data: bytes | None) -> None:
        """Writes the preview of an output, which is read again if it was made by an earlier run."""
        if self._work.previews is None or self._work.sink is None:
            return
        from ..preview import draw_preview

        data = data if data is not None else self._work.sink.read(record.output)
        self._work.previews.write(f"{record.output}.jpg", draw_preview(data, record))
