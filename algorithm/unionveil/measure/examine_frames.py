"""Verifies the frames of a video: covers in the boxes of its tracks, and faces outside of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from ..boxes import iou
from ..config import AnonymizeConfig
from ..detections import Detections, FloatArray, Kind
from ..engines.base import Report, Step
from ..errors import ImageError
from ..images import Frame, Rendering
from ..runs.schema import RedactedRecord, TrackRecord, VideoRecord
from ..video.planes import seen
from ..video.reader import reading
from ..video.summary import BOXES_PER_SECOND
from .covers import Applied, applied
from .finding import Finding
from .residual import Residual, box_text, overlaps_any

__all__ = ["examine_frames"]

_SECONDS_TOLERANCE = 0.01
"""Manifests round the length of a video to a thousandth of a second."""

_MOST_FINDINGS = 50
"""Uncovered faces that are named in one video."""


def examine_frames(
    file: BinaryIO,
    record: RedactedRecord,
    video: VideoRecord,
    config: AnonymizeConfig,
    residual: Residual,
    report: Report,
) -> Iterator[Finding]:
    """Decodes a video and compares its frames with its record; holds a few frames at a time.

    Covers are checked wherever the record has boxes: twice per second, and in the first and last frame of
    each track. Faces outside of the boxes are looked for twice per second.

    Args:
        file: seekable.
        record: its record in the manifest.
        video: the part of the record about the video.
        config: the settings that the manifest claims.
        residual: finds uncovered faces.
        report: called with the finished seconds.
    """
    frames = _Frames(record, video, config, residual)
    count, start, second = 0, 0.0, 0.0
    try:
        with reading(file, config.max_megapixels * 1e6) as reader:
            for frame in reader.frames():
                second = (frame.pts or 0) * float(reader.shape.time_base)
                start = second if count == 0 else start
                if frames.is_due(count, second):
                    yield from frames.look(count, second, *seen(frame, reader.shape.colours))
                report(Step("verifying", second - start, video.seconds))
                count += 1
    except ImageError as error:
        yield Finding("picture", f"it cannot be decoded: {error}")
        return
    if count != record.frames:
        yield Finding("picture", f"it has {count} frames, the manifest says {record.frames}")
    if abs(second - start - video.seconds) > _SECONDS_TOLERANCE:
        yield Finding("picture", f"it lasts {second - start:.2f} s, the manifest says {video.seconds:.2f} s")
    yield from frames.rest()


class _Path:
    """The recorded boxes of a track.

    Attributes:
        kind: of what it covers.
        boxes: by frame, those of the record.
    """

    def __init__(self, track: TrackRecord, kind: Kind, most_gap: int) -> None:
        self.kind = kind
        self.boxes: dict[int, list[FloatArray]] = defaultdict(list)
        for frame, *box in track.boxes:
            self.boxes[frame].append(np.asarray(box, np.float32))
        self._frames = np.array(sorted(self.boxes))
        self._most_gap = most_gap

    def at(self, frame: int) -> list[FloatArray]:
        """The boxes `(4,)` of a frame, or of its neighbours: time stamps at a half-second may be rounded."""
        return next((self.boxes[near] for near in (frame, frame - 1, frame + 1) if near in self.boxes), [])

    def between(self, frame: int) -> list[FloatArray]:
        """The boxes in a frame on the lines between recorded ones that are not far from each other.

        A track may have several boxes in a frame. Each lies on the line to the one that it overlaps most in
        the other recorded frame, or stays where it is if it overlaps none there.
        """
        after = int(np.searchsorted(self._frames, frame))
        if not 0 < after < len(self._frames):
            return []
        first, last = self._frames[after - 1 : after + 1].tolist()
        if last - first > self._most_gap:
            return []
        passed = (frame - first) / (last - first)
        earlier, later = np.stack(self.boxes[first]), np.stack(self.boxes[last])
        return [*_moved(earlier, later, passed), *_moved(later, earlier, 1 - passed)]


def _moved(boxes: FloatArray, others: FloatArray, part: float) -> FloatArray:
    """`(N, 4)` boxes, each moved part of the way to the one of `(M, 4)` that it overlaps most, if any."""
    overlap = iou(boxes, others)
    goal = np.where(overlap.max(axis=1, keepdims=True) > 0, others[overlap.argmax(axis=1)], boxes)
    return np.asarray(boxes + (goal - boxes) * np.float32(part), np.float32)


@dataclass
class _Bare:
    """Uncovered boxes of a track.

    Attributes:
        second: of the first.
        xyxy: the first.
        count: how many there are.
    """

    second: float
    xyxy: FloatArray
    count: int = 0


class _Frames:
    """Looks at the frames of one video."""

    def __init__(
        self, record: RedactedRecord, video: VideoRecord, config: AnonymizeConfig, residual: Residual
    ) -> None:
        self._config = config
        self._residual = residual
        # Recorded boxes of a track without gaps are less than a second apart.
        rate = math.ceil(record.frames / video.seconds) if video.seconds else 1
        self._paths = [
            _Path(track, face.detected, rate)
            for track, face in zip(video.tracks, record.faces, strict=False)  # reported if they differ
            if track.boxes
        ]
        self._recorded = {frame for path in self._paths for frame in path.boxes}
        self._bare: dict[int, _Bare] = {}
        self._has_unknown = False
        self._hidden = self._shown = 0
        self._step = -1
        self._faces = np.zeros((0, 4), np.float32)

    def is_due(self, number: int, second: float) -> bool:
        """Whether boxes are recorded in a frame, or it is time to look for faces."""
        return number in self._recorded or int(second * BOXES_PER_SECOND) != self._step

    def look(self, number: int, second: float, frame: Frame, rendering: Rendering) -> Iterator[Finding]:
        """Findings about uncovered faces in one frame; uncovered boxes are counted."""
        if number in self._recorded:
            self._check_covers(number, second, frame)
        step = int(second * BOXES_PER_SECOND)
        if step != self._step:
            self._step = step
            yield from self._new_faces(number, second, frame, rendering)

    def rest(self) -> Iterator[Finding]:
        """What can be said after the last frame."""
        for number, bare in sorted(self._bare.items()):
            method = self._config.method_of(self._paths[number].kind)
            what = f"the box {box_text(bare.xyxy)} of track {number + 1}"
            more = f", nor are {bare.count - 1} more of its boxes" if bare.count > 1 else ""
            yield Finding(
                "method",
                f"at {bare.second:.2f} s {what} is not covered by {method} as the manifest states{more}",
            )
        if self._has_unknown:
            yield Finding("method", "its boxes have an overlay whose picture is not here", is_sure=False)
        if self._hidden:
            yield Finding("residual", f"{self._hidden} more faces outside all boxes")

    def _check_covers(self, number: int, second: float, frame: Frame) -> None:
        # Covers of other tracks may lie on these; where exactly is not recorded for this frame.
        others = _detections(
            (path.kind, path.between(number)) for path in self._paths if number not in path.boxes
        )
        recorded = [(path.kind, path.boxes.get(number, [])) for path in self._paths]
        here = _detections(recorded)
        place = np.repeat(np.arange(len(recorded)), [len(boxes) for _, boxes in recorded])
        is_person, above = here.is_person, others.is_person
        # Faces lie on top of text.
        for chosen, config, over in (
            (is_person, self._config, others[above]),
            (~is_person, self._config.for_text, Detections.concat([others, here[is_person]])),
        ):
            boxes = here[chosen]
            answers = applied(frame, boxes, config, coding="video", above=over)
            for track, xyxy, answer in zip(place[chosen].tolist(), boxes.xyxy, answers, strict=True):
                self._note(track, second, xyxy, answer)

    def _note(self, place: int, second: float, xyxy: FloatArray, answer: Applied) -> None:
        """Counts a box of a track that is not covered, or whose cover cannot be judged."""
        if answer == "unknown":
            self._has_unknown = True
        elif answer == "no":
            self._bare.setdefault(place, _Bare(second, xyxy)).count += 1

    def _new_faces(self, number: int, second: float, frame: Frame, rendering: Rendering) -> Iterator[Finding]:
        """Uncovered faces that were not reported half a second before."""
        covered = _detections((path.kind, path.at(number)) for path in self._paths)
        found = list(self._residual(frame, rendering, covered))
        boxes = np.array([finding.xyxy for finding in found], np.float32).reshape(-1, 4)
        is_known = overlaps_any(boxes, self._faces)
        self._faces = boxes
        for finding, known in zip(found, is_known.tolist(), strict=True):
            if known:
                continue
            if self._shown == _MOST_FINDINGS:
                self._hidden += finding.is_sure
                continue
            self._shown += 1
            yield replace(finding, detail=f"at {second:.2f} s {finding.detail}")


def _detections(boxes: Iterable[tuple[Kind, Sequence[FloatArray]]]) -> Detections:
    """Boxes `(4,)` of each kind, in order."""
    rows = [(kind, xyxy) for kind, some in boxes for xyxy in some]
    return Detections.of(
        np.array([xyxy for _, xyxy in rows], np.float32).reshape(-1, 4),
        np.ones(len(rows)),
        kind=np.array([kind for kind, _ in rows], np.uint8),
    )
