"""The work of verifying: examines one output, and reports every false claim in a sentence."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ..config import AnonymizeConfig, Fill, KSame
from ..content import Content
from ..detections import BoolArray, Detections, FloatArray
from ..engines.base import Report
from ..errors import ImageError, cannot_be_read
from ..formats import ImageFormat
from ..models.cards import ModelCard
from ..models.store import find
from ..runs.schema import FaceRecord, RedactedRecord, VideoRecord, detections_of
from .drawn import Drawn, drawn_over
from .examine_video import ExamineVideo
from .finding import Finding
from .residual import UNDER_COVER, Residual, box_text, overlaps_any

if TYPE_CHECKING:  # only workers load codecs and models
    from ..detect import Detector
    from ..images import Frame, Picture
    from ..images.exif import Metadata

__all__ = ["Examine", "ExamineTask", "faceless"]

_SURROGATE = "ksame"
"""The method that replaces faces by one that several people share."""

_FAINT = 0.5
"""Share of a detector's default threshold at which a drawn face counts as one."""


@dataclass(frozen=True)
class ExamineTask:
    """One output.

    Attributes:
        content: its bytes.
        record: its record in the manifest.
        is_preview: whether it is the record's preview, not its output.
        needed_bytes: as `engines.base.Task.needed_bytes`.
    """

    content: Content
    record: RedactedRecord
    is_preview: bool = False
    needed_bytes: int = 0
    held_bytes: int = field(default=0, init=False)

    @property
    def sha256(self) -> str | None:
        """Digest of the content, as the manifest says."""
        return self.record.preview_sha256 if self.is_preview else self.record.sha256


@dataclass(frozen=True)
class Examine:
    """Examines outputs.

    Attributes:
        config: the settings that the manifest claims.
        detectors: names of two detectors that look for residual faces; empty if faces were not covered.
        covers_everyone: whether the run covered every face; if not, an uncovered face is not an error.
    """

    config: AnonymizeConfig
    detectors: tuple[str, ...]
    covers_everyone: bool = True

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """As `Work.cards`."""
        return AnonymizeConfig(detector=self.detectors).cards if self.detectors else ()

    def check(self) -> None:
        """As `Work.check`."""
        for card in self.cards:
            find(card)

    def start(self, threads: int) -> Callable[[ExamineTask], tuple[Finding, ...]]:
        """As `Work.start`."""
        return self.start_reporting(threads, lambda _: None)

    def start_reporting(self, threads: int, report: Report) -> Callable[[ExamineTask], tuple[Finding, ...]]:
        """As `Reporting.start_reporting`."""
        import cv2

        from ..detect import load_detector

        cv2.setNumThreads(threads)
        return _Worker(self, [load_detector(name, threads) for name in self.detectors], report)


class _Worker:
    """The work with its models loaded."""

    def __init__(self, work: Examine, detectors: Sequence[Detector], report: Report) -> None:
        self._config, self._detectors, self._report = work.config, detectors, report
        self._residual = Residual(detectors, work.config, covers_everyone=work.covers_everyone)

    def __call__(self, task: ExamineTask) -> tuple[Finding, ...]:
        from ..images import decode
        from ..images.exif import Metadata
        from ..images.kept import read_metadata

        if task.record.video is not None and not task.is_preview:
            return self._video(task, task.record.video)
        try:
            data = task.content.read()
            picture = decode(data, self._config.max_megapixels * 1e6)
        except (ImageError, OSError) as error:
            return (Finding("picture", f"it cannot be decoded: {error}"),)
        if hashlib.sha256(data).hexdigest() != task.sha256:
            return (Finding("files", "it changed while it was examined"),)
        if task.is_preview:
            return (*_metadata(data, picture, Metadata()), *self._preview(picture, task.record))
        shown = tuple(_picture(picture, task.record))
        if shown:
            return shown
        kept = read_metadata(data, picture.format)
        return (
            *_kept(kept, self._config, task.record),
            *_metadata(data, picture, kept),
            *self._frames(picture, task.record),
        )

    def _video(self, task: ExamineTask, video: VideoRecord) -> tuple[Finding, ...]:
        try:
            examine = ExamineVideo(self._config, self._residual, self._report)
            return tuple(examine(task.content, task.record, video))
        except OSError as error:
            return (Finding("picture", cannot_be_read(error, "it")),)
        except (ValueError, IndexError, struct.error):
            return (Finding("metadata", "its contents cannot be read"),)

    def _preview(self, picture: Picture, record: RedactedRecord) -> Iterator[Finding]:
        """A preview is the first frame, smaller, with lines drawn on its covers."""
        frame = picture.frames[0]
        scale = np.tile(np.array(frame.size_wh) / record.size_wh, 2).astype(np.float32)
        found = detections_of(face for face in record.faces if face.frame == 0)
        covered = replace(found, xyxy=found.xyxy * scale)
        yield from self._residual(frame, frame.rendering or picture.rendering, covered)

    def _frames(self, picture: Picture, record: RedactedRecord) -> Iterator[Finding]:
        for number, frame in enumerate(picture.frames):
            faces = [face for face in record.faces if face.frame == number]
            yield from self._methods(picture, frame, faces)
            yield from self._residual(frame, frame.rendering or picture.rendering, detections_of(faces))

    def _methods(self, picture: Picture, frame: Frame, found: Sequence[FaceRecord]) -> Iterator[Finding]:
        people = [face for face in found if face.is_person]
        texts = [face for face in found if not face.is_person]
        drawn = yield from self._method(picture, frame, people)
        above = [face for face in people if face.method != _SURROGATE]
        yield from _not_applied(frame, texts, self._config.for_text, picture.format, above, drawn)

    def _method(
        self, picture: Picture, frame: Frame, faces: Sequence[FaceRecord]
    ) -> Generator[Finding, None, BoolArray | None]:
        """Yields false claims about covers; returns the pixels on which faces may have been drawn."""
        config, drawn = self._config, None
        if config.redaction.method == _SURROGATE:
            boxes = detections_of(faces).xyxy
            shared = np.array([face.method == _SURROGATE for face in faces], bool)
            found, there = self._drawn(picture, frame, boxes[shared])
            yield from faceless(boxes[shared], found, there.hidden)
            drawn = there.mask
            # Faces that could not be compared with others are filled.
            faces = [face for face in faces if face.method != _SURROGATE]
            config = config.model_copy(update={"redaction": Fill()})
        yield from _not_applied(frame, faces, config, picture.format, (), drawn)
        return drawn

    def _drawn(self, picture: Picture, frame: Frame, boxes: FloatArray) -> tuple[FloatArray, Drawn]:
        """The faces found in a frame, and the places where k-same drew the faces of its boxes."""
        from ..images import rgb_views

        view = next(iter(rgb_views(frame, frame.rendering or picture.rendering)))
        found = Detections.concat(
            [self._residual.look(view, detector, _FAINT) for detector in self._detectors]
        )
        redaction = self._config.redaction
        with_head = isinstance(redaction, KSame) and redaction.surround == "fill"
        return found.xyxy, drawn_over(boxes, found, frame.size_wh, with_head=with_head)


def _not_applied(
    frame: Frame,
    records: Sequence[FaceRecord],
    config: AnonymizeConfig,
    form: ImageFormat,
    above: Sequence[FaceRecord],
    drawn: BoolArray | None,
) -> Iterator[Finding]:
    """Boxes that are not covered as the manifest says.

    Args:
        frame: of an output, decoded.
        records: its boxes.
        config: settings with the redaction that covers them.
        form: of the output.
        above: boxes of another redaction, whose covers lie on top.
        drawn: `(H, W)` pixels on which k-same may have drawn faces; None for other methods.
    """
    from .covers import applied

    found, method = detections_of(records), config.redaction.method
    for record in records:
        if record.method != method:
            yield Finding("method", f"a box says {record.method}, the settings say {method}")
    why = "an overlay whose picture is not here" if drawn is None else "the face of another box over it"
    answers = applied(
        frame,
        found,
        config,
        coding="exact" if form.is_exact else "lossy",
        above=detections_of(above),
        drawn=drawn,
    )
    for place, answer in enumerate(answers):
        shown = box_text(found.xyxy[place])
        if answer == "no":
            yield Finding("method", f"the box {shown} is not covered by {method} as the manifest states")
        elif answer == "unknown":
            yield Finding("method", f"the box {shown} has {why}", False)


def faceless(boxes: FloatArray, faces: FloatArray, hidden: FloatArray) -> Iterator[Finding]:
    """Boxes that should show a face shared by several people, but show none.

    Args:
        boxes: `(N, 4)` boxes of replaced faces.
        faces: `(M, 4)` faces found in the output.
        hidden: `(N,)` share of each box that may lie under other faces; from `UNDER_COVER` on, a missing
            face is not reported.
    """
    missing = ~overlaps_any(boxes, faces)
    for box, share in zip(boxes[missing], hidden[missing].tolist(), strict=True):
        sentence = f"there is no face in the box {box_text(box)}, where {_SURROGATE} draws one"
        yield Finding("method", sentence, share < UNDER_COVER)


def _picture(picture: Picture, record: RedactedRecord) -> Iterator[Finding]:
    """Compares a picture's format, size and frames with its record."""
    form, size_wh, frames = picture.format.name.lower(), picture.frames[0].size_wh, len(picture.frames)
    if form != record.format:
        yield Finding("picture", f"it is {form}, the manifest says {record.format}")
    if size_wh != record.size_wh:
        has, said = (f"{wh[0]} x {wh[1]}" for wh in (size_wh, record.size_wh))
        yield Finding("picture", f"it has {has} pixels, the manifest says {said}")
    if frames != record.frames or any(face.frame >= frames for face in record.faces):
        yield Finding("picture", f"it has {frames} frames, the manifest says {record.frames}")


def _kept(kept: Metadata, config: AnonymizeConfig, record: RedactedRecord) -> Iterator[Finding]:
    """Compares a file's metadata with the settings and its record."""
    claimed = record.metadata or ()
    beyond = [name for name in kept.names if name not in config.keep_metadata]
    if beyond:
        yield Finding("metadata", f"it contains metadata that the settings do not keep: {', '.join(beyond)}")
    elif kept.names != claimed:
        has, said = (", ".join(names) or "nothing" for names in (kept.names, claimed))
        yield Finding("metadata", f"it keeps {has}, the manifest says {said}")
    elif kept != kept.allowed(config.outputs):
        yield Finding("metadata", f"its position is finer than {config.gps_decimals} decimal places")


def _metadata(data: bytes, picture: Picture, kept: Metadata) -> Iterator[Finding]:
    """Checks that a file contains only its picture and the metadata that it may keep.

    A clean file equals what our writer makes of it, byte for byte. If other versions of the coding libraries
    wrote it, its named parts are compared instead.
    """
    from ..images.kept import is_our_own, with_metadata
    from .parts import extra_parts

    try:
        clean = picture.write([()] * len(picture.frames)).data
        if kept.names:
            clean = with_metadata(clean, picture.format, kept) or clean
            if not is_our_own(data, picture.format):
                yield Finding("metadata", f"its metadata contain more than {', '.join(kept.names)}")
        extra = [] if clean == data else extra_parts(data, clean, picture.format)
    except (ImageError, ValueError, IndexError, OSError) as error:
        yield Finding("metadata", f"its parts beside the picture cannot be read ({type(error).__name__})")
        return
    if extra:
        yield Finding("metadata", f"it contains more than the picture: {', '.join(extra[:5])}")
