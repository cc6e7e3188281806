"""The work of verifying: examines one output, and reports every false claim in a sentence."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ..boxes import iou, unite_faces
from ..config import AnonymizeConfig, Fill, KSame
from ..content import Content
from ..detections import BoolArray, Detections, FloatArray, RgbImage
from ..errors import ImageError
from ..formats import ImageFormat
from ..models.cards import ModelCard
from ..models.store import find
from ..runs.manifest import FaceRecord, RedactedRecord, VideoRecord, detections_of
from .drawn import SAME_FACE_IOU, Drawn, drawn_over
from .examine_video import examine_video
from .finding import Finding

if TYPE_CHECKING:  # only workers load codecs and models
    from ..detect import Detector
    from ..images import Frame, Picture
    from ..images.exif import Metadata

__all__ = ["Examine", "ExamineTask", "faceless", "faces_left"]

_SURE_SCORE = 0.92
"""From this score on, a single network is believed; a Haar cascade never is. In correct outputs of 110
photos, RetinaFace's highest false positive beside a cover scored .91, and 10 photos had one above .85; 62 %
of the faces that were covered there score more, and 87 % of those in portraits."""

_SURROGATE = "ksame"
"""The method that replaces faces by one that several people share."""

_FAINT = 0.5
"""Share of a detector's default threshold at which a drawn face counts as one."""

_SIZES_DIFFER = 1.25
"""Factor by which two detectors' boxes of one face differ in size, in most photos."""

_UNDER_COVER = 0.5
"""A face is not residual if at least this share of it lies under a cover."""


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
        import cv2

        from ..detect import load_detector

        cv2.setNumThreads(threads)
        return _Worker(self, [load_detector(name, threads) for name in self.detectors])


class _Worker:
    """The work with its models loaded."""

    def __init__(self, work: Examine, detectors: Sequence[Detector]) -> None:
        self._config, self._covers_everyone, self._detectors = work.config, work.covers_everyone, detectors

    def __call__(self, task: ExamineTask) -> tuple[Finding, ...]:
        from ..images import decode, read_metadata
        from ..images.exif import Metadata

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
            return tuple(examine_video(task.content, task.record, video))
        except OSError as error:
            return (Finding("picture", f"it cannot be read: {error.strerror or type(error).__name__}"),)
        except (ValueError, IndexError, struct.error):
            return (Finding("metadata", "its contents cannot be read"),)

    def _preview(self, picture: Picture, record: RedactedRecord) -> Iterator[Finding]:
        """A preview is the first frame, smaller, with lines drawn on its covers."""
        frame = picture.frames[0]
        scale = np.tile(np.array(frame.size_wh) / record.size_wh, 2).astype(np.float32)
        found = detections_of(face for face in record.faces if face.frame == 0)
        yield from self._residual(picture, frame, replace(found, xyxy=found.xyxy * scale))

    def _frames(self, picture: Picture, record: RedactedRecord) -> Iterator[Finding]:
        for number, frame in enumerate(picture.frames):
            faces = [face for face in record.faces if face.frame == number]
            yield from self._methods(picture, frame, faces)
            yield from self._residual(picture, frame, detections_of(faces))

    def _methods(self, picture: Picture, frame: Frame, found: Sequence[FaceRecord]) -> Iterator[Finding]:
        people = [face for face in found if face.is_person]
        texts = [face for face in found if not face.is_person]
        drawn = yield from self._method(picture, frame, people)
        text = self._config.text_redaction
        config = self._config.model_copy(update={"redaction": text, "text_method": "same"})
        above = [face for face in people if face.method != _SURROGATE]
        yield from _not_applied(frame, texts, config, picture.format, above, drawn)

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
        found = Detections.concat([self._look(view, detector, _FAINT) for detector in self._detectors])
        redaction = self._config.redaction
        with_head = isinstance(redaction, KSame) and redaction.surround == "fill"
        return found.xyxy, drawn_over(boxes, found, frame.size_wh, with_head=with_head)

    def _residual(self, picture: Picture, frame: Frame, covered: Detections) -> Iterator[Finding]:
        if not self._config.covers_people:
            return
        from ..images import rgb_views
        from .metrics import coverage
        from .trial import cover_mask

        mask = cover_mask(covered, frame.size_wh, self._config)
        views = list(rgb_views(frame, frame.rendering or picture.rendering))
        left: list[Detections] = []
        sure = [2.0 if detector.card.kind == "haar" else _SURE_SCORE for detector in self._detectors]
        for detector in self._detectors:
            faces = unite_faces([self._look(view, detector) for view in views])
            shares = coverage(faces.xyxy, mask)
            left.append(faces[np.nan_to_num(shares, nan=1.0) < _UNDER_COVER])
        kept = [self._may_stay(faces) for faces in left]
        of_size = [faces[~stays] for faces, stays in zip(left, kept, strict=True)]
        others = [faces[stays] for faces, stays in zip(left, kept, strict=True)]
        for finding in faces_left(of_size, sure):
            yield finding if self._covers_everyone else replace(finding, is_sure=False)
        for finding in faces_left(others, sure):
            yield replace(finding, is_sure=False)

    def _may_stay(self, faces: Detections) -> BoolArray:
        """`(N,)`: faces that may be visible because of their size; detectors differ in the sizes of boxes."""
        sides = faces.xyxy[:, 2:] - faces.xyxy[:, :2]
        least, most = self._config.min_face or 0, self._config.max_face or np.inf
        small, large = sides < least * _SIZES_DIFFER, sides > most / _SIZES_DIFFER
        return np.asarray(small.all(axis=1) | large.all(axis=1), bool)

    def _look(self, view: RgbImage, detector: Detector, share: float = 1.0) -> Detections:
        """Faces at a share of the detector's default threshold."""
        from ..detect.tiles import find_faces

        mirror = self._config.mirror == "auto"
        return find_faces(view, detector, share * detector.card.threshold, self._config.detail, mirror=mirror)


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
    answers = applied(frame, found, config, form, above=detections_of(above), drawn=drawn)
    for place, answer in enumerate(answers):
        shown = _shown(found.xyxy[place])
        if answer == "no":
            yield Finding("method", f"the box {shown} is not covered by {method} as the manifest states")
        elif answer == "unknown":
            yield Finding("method", f"the box {shown} has {why}", False)


def faceless(boxes: FloatArray, faces: FloatArray, hidden: FloatArray) -> Iterator[Finding]:
    """Boxes that should show a face shared by several people, but show none.

    Args:
        boxes: `(N, 4)` boxes of replaced faces.
        faces: `(M, 4)` faces found in the output.
        hidden: `(N,)` share of each box that may lie under other faces; from `_UNDER_COVER` on, a missing
            face is not reported.
    """
    missing = ~_overlap_any(boxes, faces)
    for box, share in zip(boxes[missing], hidden[missing].tolist(), strict=True):
        sentence = f"there is no face in the box {_shown(box)}, where {_SURROGATE} draws one"
        yield Finding("method", sentence, share < _UNDER_COVER)


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
    from ..images import is_our_own, with_metadata
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


def faces_left(left: Sequence[Detections], sure: Sequence[float]) -> Iterator[Finding]:
    """Reports uncovered faces: as sure if two detectors agree or one is certain, otherwise as unsure.

    Args:
        left: uncovered faces of each detector.
        sure: least score at which each detector is believed alone.
    """
    reported = np.zeros((0, 4), np.float32)
    for first, faces in enumerate(left):
        others = Detections.concat([*left[:first], *left[first + 1 :]])
        agreed, known = _overlap_any(faces.xyxy, others.xyxy), _overlap_any(faces.xyxy, reported)
        for place in np.flatnonzero(~known).tolist():
            score = float(faces.score[place])
            by = "two detectors find" if agreed[place] else "one detector finds"
            sentence = f"{by} a face outside all boxes at {_shown(faces.xyxy[place])}, score {score:.2f}"
            yield Finding("residual", sentence, bool(agreed[place] or score >= sure[first]))
        reported = np.concatenate([reported, faces.xyxy])


def _overlap_any(a: FloatArray, b: FloatArray) -> BoolArray:
    """`(N,)`: whether each box of `(N, 4)` is the same face as any of `(M, 4)`."""
    return np.asarray((iou(a, b) >= SAME_FACE_IOU).any(axis=1), bool)


def _shown(box: FloatArray) -> str:
    return "(" + ", ".join(f"{value:.0f}" for value in box.tolist()) + ")"
