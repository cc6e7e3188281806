"""The work on each input of a run: read, anonymize, write, record. All of it happens in a worker."""

from __future__ import annotations

import hashlib
import hmac
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from ..config import AnonymizeConfig, Overlay
from ..content import Content
from ..engines.base import Report
from ..errors import cannot_be_read
from ..files.digests import hmac_of
from ..files.paths import real
from ..files.sinks import Sink
from ..files.stores import StoreContent
from ..formats import ImageFormat, VideoFormat
from ..given import BoxesMode, GivenBoxes, find_nothing, lay
from ..identity.references import References
from ..models.cards import ModelCard
from ..models.store import find
from ..outcomes import Anonymized, Outcome, Rejected
from .journal import Known, keyed_digest, keyed_digest_of
from .names import preview_name
from .plan import PlannedPicture, misfit
from .records import redacted_record, rejected_record, salted_digest, video_record
from .schema import Record, RedactedRecord
from .videos import VideoWorker, nowhere, opened, state_name

if TYPE_CHECKING:
    from ..pipeline import Anonymizer

__all__ = ["Anonymize", "Done", "Task"]


@dataclass(frozen=True)
class Task:
    """One input.

    Attributes:
        number: of the input, from 1.
        name: of the input; recorded only where names are kept.
        content: its bytes, or why they cannot be read.
        output: format and reserved name of the output; None if the input is neither picture nor video.
        video: container of an input that is a video.
        known: an earlier run's record of this input, if there is one.
        given: boxes from a file or a review; None leaves the picture to the detector.
        needed_bytes: as `engines.base.Task.needed_bytes`.
        planned: its plan in a k-same run; None for all other methods.
        key: keyed digest of its name, in shards.
    """

    number: int
    name: str
    content: Content | Rejected
    output: tuple[ImageFormat | VideoFormat, str] | None
    known: Known | None
    needed_bytes: int = 0
    given: GivenBoxes | None = None
    planned: PlannedPicture | Rejected | None = None
    key: str | None = None
    video: VideoFormat | None = None

    @property
    def held_bytes(self) -> int:
        """As `engines.base.Task.held_bytes`."""
        planned = self.planned.held_bytes if isinstance(self.planned, PlannedPicture) else 0
        return planned + (0 if isinstance(self.content, Rejected) else self.content.held_bytes)


@dataclass(frozen=True)
class Done:
    """The result of an input.

    Attributes:
        record: the record for the manifest.
        digest: keyed digest of the input, for the journal; None if it could not be read.
        is_known: whether an earlier run did it.
    """

    record: Record
    digest: str | None = None
    is_known: bool = False


@dataclass(frozen=True)
class Anonymize:
    """The work of a run.

    Attributes:
        config: all settings.
        sink: the destination of outputs; None writes nothing.
        previews: whether previews are written beside the outputs.
        secret: the journal's key; None without a journal.
        boxes: how the tasks' boxes relate to the detector's; with "instead" no detector is loaded.
        photo_secret: key of `GivenBoxes.photo`.
        references: the known people of `keep` and `only`; None without them.
        videos: whether videos are inputs.
        state: folder for the state of unfinished videos; None stores nothing.
    """

    config: AnonymizeConfig
    sink: Sink | None = None
    previews: bool = False
    secret: bytes | None = None
    boxes: BoxesMode | None = None
    photo_secret: bytes = b""
    references: References | None = None
    videos: bool = False
    state: Path | None = None

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """As `Work.cards`."""
        return () if self.boxes == "instead" else self.config.cards

    def check(self) -> None:
        """As `Work.check`."""
        for card in self.cards:
            if card.kind not in ("yolo", "onnx"):  # a user's own file has no digest to compare with
                find(card)
        if isinstance(self.config.redaction, Overlay):
            from ..redact.overlay import load_picture  # the only file of a redaction; loads the codecs

            load_picture(self.config.redaction.picture)
        if self.config.redaction.needs_whole_set:
            from .ksame import Survey

            Survey(self.config).check()

    def start(self, threads: int) -> Callable[[Task], Done]:
        """As `Work.start`."""
        return self.start_reporting(threads, lambda _: None)

    def start_reporting(self, threads: int, report: Report) -> Callable[[Task], Done]:
        """As `Reporting.start_reporting`."""
        import cv2

        cv2.setNumThreads(threads)
        video = VideoWorker(self.config, threads, self.references, report)
        return _Worker(self, self._act(threads), video)

    def _act(self, threads: int) -> _Act:
        if self.config.redaction.needs_whole_set:
            from .ksame import redact_planned

            redact = redact_planned(self.config, threads)
            return lambda task, content: redact(task.planned, content)
        anonymizer = self.anonymizer(threads)
        return lambda task, content: _found_or_given(anonymizer, task, content)

    def anonymizer(self, threads: int) -> Anonymizer:
        """The loaded models that do the work."""
        from ..pipeline import load

        finder = find_nothing if self.boxes == "instead" else None
        return load(self.config, threads=threads, references=self.references, finder=finder)


_Act: TypeAlias = Callable[[Task, Content], Outcome]
"""Takes a task and its input; returns the outcome."""


def _found_or_given(anonymizer: Anonymizer, task: Task, content: Content) -> Outcome:
    """Covers what the detector finds, or the given boxes."""
    if task.given is None:
        return anonymizer(content)
    inspection = anonymizer.inspect(content)
    laid = inspection if isinstance(inspection, Rejected) else lay(task.given, inspection)
    return laid if isinstance(laid, Rejected) else anonymizer.redact(laid)


class _Worker:
    """The work with its models loaded."""

    def __init__(self, work: Anonymize, act: _Act, video: VideoWorker) -> None:
        self._work = work
        self._act = act
        self._video = video

    def __call__(self, task: Task) -> Done:
        if isinstance(task.content, Rejected):
            return Done(self._rejected(task, task.content, None))
        if isinstance(task.content, StoreContent) and task.known:
            # Its version shows that it is unchanged, so neither it nor its output is read.
            unchanged = self._known(task, self._digest(task, task.content, b""))
            if unchanged:
                return unchanged
        if task.video is not None and task.output is not None:
            return self._of_video(task, task.content, (task.video, task.output))
        try:
            data = task.content.read()
        except OSError as error:
            return Done(self._rejected(task, Rejected("unreadable", cannot_be_read(error)), None))
        digest = self._digest(task, task.content, data)
        done = self._known(task, digest)
        if done is None:
            salted = self._salted(data)
            refused = self._refused(task, data)
            content = _Once(data)
            del data
            done = Done(self._record(task, salted, refused or self._act(task, content)), digest)
        return done

    def _of_video(
        self, task: Task, content: Content, forms: tuple[VideoFormat, tuple[ImageFormat | VideoFormat, str]]
    ) -> Done:
        """Anonymizes a video, which is read piece by piece."""
        video, (form, output) = forms
        assert isinstance(form, VideoFormat)  # noqa: S101
        try:
            with opened(content) as file:
                digest = self._digest_of(task, content, file)
                done = self._known(task, digest)
                if done is not None:
                    return done
                salted = self._salted_of(file)
                stem = self._stem(digest, output)
                sink = self._work.sink
                created = sink.added(output) if sink else nowhere()
                outcome = self._video(file, (video, form), stem, created)
        except OSError as error:
            return Done(self._rejected(task, Rejected("unreadable", cannot_be_read(error)), None))
        if isinstance(outcome, Rejected):
            return Done(self._rejected(task, outcome, salted), digest)
        record = video_record(task.number, output, outcome, self._work.config, salted, task.key)
        return Done(record, digest)

    def _digest_of(self, task: Task, content: Content, file: BinaryIO) -> str | None:
        """As `_digest`, for a file that is not in memory."""
        if self._work.secret is None:
            return None
        if isinstance(content, StoreContent):
            return self._digest(task, content, b"")
        name = task.name if self._work.config.names == "keep" else ""
        return keyed_digest_of(self._work.secret, name, file)

    def _salted_of(self, file: BinaryIO) -> str | None:
        salt = self._work.config.salt
        return hmac_of(salt, b"", file) if salt else None

    def _stem(self, digest: str | None, output: str) -> Path | None:
        """The path of a video's state, without a suffix."""
        work = self._work
        if work.state is None or work.sink is None or work.secret is None or digest is None:
            return None
        people = work.references.digest if work.references else ""
        folder = work.sink.folder
        where = real(folder) if isinstance(folder, Path) else folder
        return work.state / state_name(work.secret, digest, f"{where}/{output}", work.config, people)

    def _refused(self, task: Task, data: bytes) -> Rejected | None:
        """Why the plan or the boxes of a task do not fit its picture, or are missing."""
        if self._work.config.redaction.needs_whole_set:
            return misfit(task.planned, data)
        given = task.given
        if given is None:
            if self._work.boxes == "instead" and task.output:  # other files are rejected later
                return Rejected("boxes", "there are no boxes for this picture")
            return None
        if given.photo is not None and given.photo != keyed_digest(self._work.photo_secret, "", data):
            return Rejected("changed", "the file changed since its boxes were reviewed; review it again")
        return None

    def _digest(self, task: Task, content: Content, data: bytes) -> str | None:
        if self._work.secret is None:
            return None
        # Where names are kept, a renamed input is a different input.
        name = task.name if self._work.config.names == "keep" else ""
        if isinstance(content, StoreContent):
            data = b"version\0" + content.version.encode()
        digest = keyed_digest(self._work.secret, name, data)
        if task.given is None:
            return digest
        # The same picture with other boxes is a different input.
        return hmac.new(self._work.secret, digest.encode() + task.given.digest(), hashlib.sha256).hexdigest()

    def _known(self, task: Task, digest: str | None) -> Done | None:
        """An earlier run's result for the same input, if its output is still in place."""
        sink, known, secret = self._work.sink, task.known, self._work.secret
        if sink is None or secret is None or known is None or known.digest != digest:
            return None
        if task.output is None or task.output[1] != known.record.output:
            return None
        record = known.confirmed(task.number, secret, sink.digest(known.record.output))
        if record is None:
            return None
        previewed = self._previewed(record, None)
        return Done(previewed, digest, is_known=previewed == record)

    def _record(self, task: Task, salted: str | None, outcome: Anonymized | Rejected) -> Record:
        if isinstance(outcome, Rejected):
            return self._rejected(task, outcome, salted)
        if task.output is None or task.output[0] is not outcome.format:
            return self._rejected(task, Rejected("changed", "the file changed while it was read"), salted)
        record = redacted_record(task.number, task.output[1], outcome, self._work.config, salted, task.key)
        if self._work.sink:
            self._work.sink.write(record.output, outcome.data)
        return self._previewed(record, outcome.data)

    def _rejected(self, task: Task, outcome: Rejected, salted: str | None) -> Record:
        return rejected_record(task.number, task.name, outcome, self._work.config, salted, task.key)

    def _salted(self, data: bytes) -> str | None:
        salt = self._work.config.salt
        return salted_digest(data, salt) if salt else None

    def _previewed(self, record: RedactedRecord, data: bytes | None) -> RedactedRecord:
        """The record with its preview, if one is wanted or an earlier run's is still in place.

        Args:
            record: the record of an output that is in place.
            data: the output; None reads it again if needed.
        """
        sink = self._work.sink
        if sink is None:
            return record
        if record.preview and sink.digest(record.preview) == record.preview_sha256:
            return record
        if not self._work.previews or record.video:
            return record.model_copy(update={"preview": None, "preview_sha256": None})
        from ..preview import draw_preview

        name = preview_name(record.output)
        preview = draw_preview(data if data is not None else sink.read(record.output), record)
        sink.replace(name, [preview])
        sha256 = hashlib.sha256(preview).hexdigest()
        return record.model_copy(update={"preview": name, "preview_sha256": sha256})


class _Once:
    """Bytes that are released when they are read: most pictures do not need their file once decoded."""

    held_bytes = 0

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size_bytes(self) -> int:
        """As `Content.size_bytes`."""
        return len(self._data)

    def read(self) -> bytes:
        """As `Content.read`, once."""
        data, self._data = self._data, b""
        return data

    def open(self) -> BinaryIO:
        """As `Content.open`; only before `read`."""
        return io.BytesIO(self._data)
