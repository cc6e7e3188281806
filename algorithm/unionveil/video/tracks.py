"""Chains of boxes: a detection is carried to neighbouring frames until another detection takes over.

A face that is missed in single frames is still covered: optical flow carries its box from earlier and from
later frames, for half a second at most. Boxes grow while they are carried. Only chains with a sure detection
remain.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..boxes import iou
from ..detections import BoolArray, Detections, FloatArray, Kind
from .flow import Field, move
from .rows import ROW, RowList, Rows, complete_at_edges, visible_rows

__all__ = ["HOLD_SECONDS", "Found", "Tracker"]

HOLD_SECONDS = 0.5
"""How long a box is carried without a detection, in either direction."""

_GROWTH = 0.02
"""Growth of a carried box, as a share of its size per frame."""

_MOST_GROWTH = 2.0
"""A carried box grows to at most twice its size, which takes half a second at 60 frames per second."""

_SAME_FACE_IOU = 0.25
"""A carried box and a detection that overlap by more are the same face."""

_MOST_RATIO = 2.0
"""A detection whose centre is in a carried box is the same face if their sides differ by no more."""


@dataclass(frozen=True)
class Found:
    """What was found in a frame.

    Attributes:
        faces: detections, including weak ones.
        covered: `(N,)`, whether each is to be covered.
    """

    faces: Detections
    covered: BoolArray


@dataclass
class _Track:
    """A chain that still grows.

    Attributes:
        number: its own.
        kind: of everything in it.
        box: `(4,)` in the last frame.
        growth: how much the box has grown since a detection.
        seen: frame and second of the last detection.
        found: all boxes so far.
    """

    number: int
    kind: int
    box: FloatArray
    seen: tuple[int, float]
    growth: float = 1.0
    found: RowList = field(default_factory=RowList)

    def add(self, frame: int, xyxy: FloatArray, score: float = 0.0, *, visible: bool = False) -> None:
        """Adds a box; a score of 0 is that of a carried one."""
        self.found.append(frame, self.number, self.kind, xyxy, score, visible)


@dataclass(frozen=True)
class _Frame:
    """A frame that a later one may still reach.

    Attributes:
        number: from 0.
        second: its time.
        faces: detections in it.
        tracks: `(N,)` numbers of their tracks.
        back: flow from it to the previous frame; None at a cut.
    """

    number: int
    second: float
    faces: Detections
    tracks: list[int]
    back: Field | None


class Tracker:
    """Links detections into chains, frame by frame.

    Args:
        sure: least score of a sure detection of each kind.
        size_wh: width and height of the frames; boxes outside are dropped.
        scale: pixels of a flow field per pixel of the frame.
    """

    def __init__(self, sure: Mapping[Kind, float], size_wh: tuple[int, int], scale: float) -> None:
        self._sure = sure
        self._size_wh = size_wh
        self._scale = scale
        self._active: list[_Track] = []
        self._ended: deque[tuple[float, _Track]] = deque()
        self._recent: deque[_Frame] = deque()
        self._parent: list[int] = []
        self._is_sure: set[int] = set()
        self._kept: list[Rows] = []
        self._seconds: list[float] = []

    def add(
        self, number: int, second: float, found: Found | None, fields: tuple[Field, Field] | None
    ) -> None:
        """Adds the next frame.

        Args:
            number: of the frame, from 0.
            second: its time.
            found: what was found in it; None if it was not searched.
            fields: flow from the previous frame to this one, and back; None at the start and at a cut.
        """
        self._forget(second)
        self._seconds.append(second)
        if fields is None:
            self._end(second, self._active)
            self._active = []
            self._recent.clear()
        else:
            self._carry(fields[0])
        chosen = self._match(found) if found else {}
        taken: list[int] = []
        for place in range(len(found.faces) if found else 0):
            track = chosen.get(place)
            taken.append(self._take(track, number, second, found, place, fields))  # type: ignore[arg-type]
        self._hold(number, second)
        faces = found.faces if found else Detections.empty()
        self._recent.append(_Frame(number, second, faces, taken, fields[1] if fields else None))

    def finish(self) -> Rows:
        """The rows of all chains with a sure detection, by frame; `track` numbers whole chains."""
        self._end(0.0, self._active)
        self._active = []
        self._forget(float("inf"))
        rows = np.concatenate([np.zeros(0, ROW), *self._kept])
        self._kept.clear()
        roots = np.array([self._root(number) for number in range(len(self._parent))], np.int32)
        sure = np.isin(roots, list(self._is_sure))
        rows = rows[sure[rows["track"]]]
        rows["track"] = np.unique(roots[rows["track"]], return_inverse=True)[1]
        rows = rows[np.lexsort((rows["score"] == 0, rows["frame"], rows["track"]))]
        rows["visible"] = visible_rows(rows)
        complete_at_edges(rows, np.asarray(self._seconds), self._size_wh, HOLD_SECONDS)
        result: Rows = rows[np.lexsort((-rows["score"], rows["track"], rows["frame"]))]
        return result

    def _carry(self, forward: Field) -> None:
        if not self._active:
            return
        boxes = move(np.stack([track.box for track in self._active]), forward, self._scale)
        for track, box in zip(self._active, boxes, strict=True):
            track.box = box

    def _match(self, found: Found) -> dict[int, _Track]:
        """Maps the numbers of detections that continue a chain to these chains; best overlaps first."""
        if not self._active or not len(found.faces):
            return {}
        carried = np.stack([track.box for track in self._active])
        kinds = np.array([track.kind for track in self._active])
        overlap = _overlap(carried, kinds, found.faces)
        chosen: dict[int, _Track] = {}
        used: set[int] = set()
        for flat in np.argsort(-overlap, axis=None, kind="stable").tolist():
            row, place = divmod(flat, overlap.shape[1])
            if overlap[row, place] < 0:
                break
            if row not in used and place not in chosen:
                used.add(row)
                chosen[place] = self._active[row]
        return chosen

    def _take(
        self,
        track: _Track | None,
        number: int,
        second: float,
        found: Found,
        place: int,
        fields: tuple[Field, Field] | None,
    ) -> int:
        """Lets a detection take over a chain or start one, and carries it back to the last detection."""
        box, score = found.faces.xyxy[place], float(found.faces.score[place])
        kind = int(found.faces.kind[place])
        is_visible = not found.covered[place]
        if track is None:
            track = _Track(len(self._parent), kind, box, (number, second))
            self._parent.append(track.number)
            self._active.append(track)
            since = -1
        else:
            since = track.seen[0]
        if since < number - 1 and fields is not None:
            self._carry_back(track, box, second, since, fields[1])
        track.box, track.growth, track.seen = box.copy(), 1.0, (number, second)
        track.add(number, track.box, max(score, 1e-6), visible=is_visible)
        if score >= self._sure[Kind(kind)]:
            self._is_sure.add(self._root(track.number))
        return track.number

    def _carry_back(self, track: _Track, box: FloatArray, second: float, since: int, back: Field) -> None:
        """Fills the frames before a detection, back to the one in which its chain, or another, was seen."""
        growth, step = 1.0, back
        for frame in reversed(self._recent):
            if frame.number <= since or second - frame.second > HOLD_SECONDS:
                return
            box = move(box[None], step, self._scale)[0]
            growth = min(_MOST_GROWTH, growth * (1 + _GROWTH))
            met = self._met(box, track.kind, frame)
            if met is not None and met != track.number:
                self._join(met, track.number)
                return
            if self._is_outside(box):
                return
            track.add(frame.number, _grown(box, growth))
            if frame.back is None:
                return
            step = frame.back

    def _met(self, box: FloatArray, kind: int, frame: _Frame) -> int | None:
        """The chain whose detection a carried box meets in a frame."""
        if not len(frame.faces):
            return None
        overlap = _overlap(box[None], np.array([kind]), frame.faces)[0]
        best = int(overlap.argmax())
        return frame.tracks[best] if overlap[best] >= 0 else None

    def _hold(self, number: int, second: float) -> None:
        """Carries the chains without a detection on, and ends those without one for too long."""
        over = []
        for track in self._active:
            if track.seen[0] == number:
                continue
            if second - track.seen[1] > HOLD_SECONDS or self._is_outside(track.box):
                over.append(track)
                continue
            track.growth = min(_MOST_GROWTH, track.growth * (1 + _GROWTH))
            track.add(number, _grown(track.box, track.growth))
        self._end(second, over)
        ended = {track.number for track in over}
        self._active = [track for track in self._active if track.number not in ended]

    def _end(self, second: float, tracks: Iterable[_Track]) -> None:
        self._ended.extend((second, track) for track in tracks)

    def _forget(self, second: float) -> None:
        """Drops what later frames cannot reach: frames, and ended chains without a sure detection."""
        while self._recent and second - self._recent[0].second > HOLD_SECONDS:
            self._recent.popleft()
        while self._ended and second - self._ended[0][0] > 2 * HOLD_SECONDS:
            _, track = self._ended.popleft()
            if self._root(track.number) in self._is_sure or self._may_become_sure(track):
                self._kept.append(track.found.rows)

    def _may_become_sure(self, track: _Track) -> bool:
        """Whether a chain joined with this one still grows."""
        root = self._root(track.number)
        return any(self._root(other.number) == root for other in self._active)

    def _is_outside(self, box: FloatArray) -> bool:
        width, height = self._size_wh
        return bool(box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0)

    def _root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def _join(self, first: int, second: int) -> None:
        roots = {self._root(first), self._root(second)}
        keep, drop = min(roots), max(roots)
        self._parent[drop] = keep
        if self._is_sure & roots:
            self._is_sure.add(keep)


def _overlap(carried: FloatArray, kinds: npt.NDArray[np.int_], found: Detections) -> FloatArray:
    """`(N, M)`: the IoU of carried boxes and detections that may be the same thing; -1 for others."""
    overlap = iou(carried, found.xyxy)
    is_same = _alike(carried, found.xyxy) | (overlap >= _SAME_FACE_IOU)
    overlap[~(is_same & (kinds[:, None] == found.kind))] = -1
    return overlap


def _alike(first: FloatArray, second: FloatArray) -> BoolArray:
    """`(N, M)`: whether a box of `(M, 4)` has its centre in one of `(N, 4)` and about the same size."""
    centre = (second[:, :2] + second[:, 2:]) / 2
    inside = (first[:, None, :2] <= centre) & (centre <= first[:, None, 2:])
    ratio = _side(first)[:, None] / np.maximum(_side(second), 1e-6)
    return np.asarray(inside.all(axis=2) & (ratio < _MOST_RATIO) & (ratio > 1 / _MOST_RATIO))


def _side(xyxy: FloatArray) -> FloatArray:
    wh = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1e-6)
    return np.asarray(np.sqrt(wh[:, 0] * wh[:, 1]))


def _grown(box: FloatArray, growth: float) -> FloatArray:
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * growth
    return np.concatenate([centre - half, centre + half]).astype(np.float32)
