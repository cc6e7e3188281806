"""Boxes as numpy arrays: overlap, suppression, margins, and the only function that rounds coordinates.

Every box is `xyxy`: left, top, right, bottom, in pixels, where pixel `i` covers `[i, i + 1)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .detections import BoolArray, Detections, FloatArray, Kind, Landmark

__all__ = [
    "area",
    "as_heads",
    "cover_boxes",
    "cover_pixels",
    "covered",
    "drop_fragments",
    "expand",
    "expand_evenly",
    "iou",
    "iou_of_pairs",
    "near_pairs",
    "nms",
    "overlapping",
    "shorter_sides",
    "unite",
    "unite_faces",
]


_SAME_FACE_IOU = 0.4
"""Boxes of two detectors, or of two views, that overlap by more than this are one face, covered by both
boxes."""

_NMS_ROWS = 128
"""Boxes whose overlaps are computed together. More would include many that a better box has dropped."""

_HIGHER = 1 / 3
"""Share of the lower margin that is moved to the upper one. Any more would uncover chins."""


def area(xyxy: FloatArray) -> FloatArray:
    """Areas of `(N, 4)` boxes, `(N,)`; inverted boxes have area 0."""
    wh = np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None)
    return wh[:, 0] * wh[:, 1]


def shorter_sides(xyxy: FloatArray) -> FloatArray:
    """The smaller of width and height of `(N, 4)` boxes, `(N,)`."""
    return (xyxy[:, 2:] - xyxy[:, :2]).min(axis=1)


def _intersection(a: FloatArray, b: FloatArray) -> FloatArray:
    lt = np.maximum(a[:, None, :2], b[None, :, :2])
    rb = np.minimum(a[:, None, 2:], b[None, :, 2:])
    wh = np.clip(rb - lt, 0, None)
    return wh[..., 0] * wh[..., 1]


def iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of every pair of `(N, 4)` and `(M, 4)` boxes, `(N, M)` in [0, 1]."""
    return _over_union(_intersection(a, b), area(a)[:, None], area(b)[None, :])


def iou_of_pairs(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of each of `(N, 4)` boxes with the box in the same row of another, `(N,)`."""
    return _over_union(_shared(a, b), area(a), area(b))


def _shared(a: FloatArray, b: FloatArray) -> FloatArray:
    """`(N,)`: intersection of each box with the box in the same row of another `(N, 4)`."""
    wh = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None)
    return wh[:, 0] * wh[:, 1]


def _over_union(inter: FloatArray, area_a: FloatArray, area_b: FloatArray) -> FloatArray:
    union = area_a + area_b - inter
    return np.where(union > 0, inter / np.maximum(union, 1e-9), 0).astype(np.float32)


def covered(a: FloatArray, b: FloatArray, share: float) -> BoolArray:
    """`(N, M)`: whether box b of `(M, 4)` covers at least `share` of box a of `(N, 4)`."""
    return _intersection(a, b) >= share * np.maximum(area(a), 1e-9)[:, None]


def nms(
    xyxy: FloatArray,
    score: FloatArray,
    iou_threshold: float,
    *,
    group: npt.NDArray[np.intp] | None = None,
) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression.

    Args:
        xyxy: `(N, 4)` boxes.
        score: `(N,)` scores; equal scores keep their order, so the result is the same on every machine.
        iou_threshold: a box that overlaps a better one by more than this is dropped.
        group: `(N,)` labels; boxes of equal labels never drop each other.

    Returns:
        Indices of the kept boxes, best first.
    """
    order = np.argsort(-score, kind="stable")
    boxes = xyxy[order]
    areas = area(boxes)
    alive = np.ones(len(boxes), bool)
    for start in range(0, len(boxes), _NMS_ROWS):
        rest = start + np.flatnonzero(alive[start:])
        rows = rest[: np.searchsorted(rest, start + _NMS_ROWS)]
        row, near = near_pairs(boxes[rows], boxes[rest], iou_threshold)
        row, near = rows[row], rest[near]
        later = near > row
        row, near = row[later], near[later]
        inter = _shared(boxes[row], boxes[near])
        dropped = inter > iou_threshold * (areas[row] + areas[near] - inter)
        if group is not None:
            dropped &= group[order[near]] != group[order[row]]
        row, near = row[dropped], near[dropped]
        ends = np.searchsorted(row, rows, "right")
        for i, first, last in zip(rows, np.searchsorted(row, rows), ends, strict=True):
            if alive[i]:
                alive[near[first:last]] = False
    return order[alive]


def near_pairs(
    a: FloatArray, b: FloatArray, least_iou: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Pairs of `(N, 4)` and `(M, 4)` boxes that can overlap by `least_iou` or more, and some that cannot.

    Boxes of widths `v` and `w` with IoU `t` share a width of at least `t * max(v, w)`, so their centres are
    at most `(v + w) / 2 - t * max(v, w)` apart, and `w` is at most `v / t`. Restricting the search to those,
    by binary search, avoids a quadratic cost for thousands of boxes.

    Args:
        a: `(N, 4)` boxes.
        b: `(M, 4)` boxes.
        least_iou: least overlap, in (0, 1].

    Returns:
        `(P,)` indices in `a`, ascending, and `(P,)` in `b`.
    """
    width, centre = a[:, 2] - a[:, 0], a[:, 0] / 2 + a[:, 2] / 2
    # A hundredth more than the bound, since it is also computed in float32.
    reach = width * (1.01 * max(1 - least_iou, 0.5 + (0.5 - least_iou) / least_iou)) + 1e-3
    there = b[:, 0] / 2 + b[:, 2] / 2
    order = np.argsort(there, kind="stable")
    first = np.searchsorted(there, centre - reach, "left", order)
    count = np.searchsorted(there, centre + reach, "right", order) - first
    place = np.arange(count.sum()) + np.repeat(first + count - np.cumsum(count), count)
    return np.repeat(np.arange(len(a)), count), order[place]


def unite(
    xyxy: FloatArray, score: FloatArray, iou_threshold: float
) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Like `nms`, but a kept box grows to contain the boxes that it replaces, so no pixel is uncovered.

    Args:
        xyxy: `(N, 4)` boxes.
        score: `(N,)` scores.
        iou_threshold: boxes that overlap a better one by more than this are merged into it.

    Returns:
        `(K, 4)` grown boxes and the indices of the boxes that they grew from, best first.
    """
    kept = nms(xyxy, score, iou_threshold)
    grown = xyxy[kept].copy()
    for rows in _blocks(len(xyxy), len(kept)):
        overlap = iou(xyxy[rows], xyxy[kept])
        for box, owner in zip(xyxy[rows], overlap.argmax(axis=1), strict=True):
            grown[owner, :2] = np.minimum(grown[owner, :2], box[:2])
            grown[owner, 2:] = np.maximum(grown[owner, 2:], box[2:])
    return grown, kept


def unite_faces(parts: Sequence[Detections]) -> Detections:
    """Faces and other kinds found in several views of the same picture, each of them once.

    Boxes of different kinds are never merged: a face on a badge is a face, and part of a text.

    Args:
        parts: detections in pixels of the same picture.

    Returns:
        The best box of every face, grown to contain the others, best first; other kinds likewise.
    """
    found = Detections.concat(parts)
    united = [_united(found[found.kind == kind]) for kind in np.flatnonzero(np.bincount(found.kind))]
    if len(united) == 1:
        return united[0]
    together = Detections.concat(united)
    return together[np.argsort(-together.score, kind="stable")]


def _united(found: Detections) -> Detections:
    xyxy, kept = unite(found.xyxy, found.score, _SAME_FACE_IOU)
    return replace(found[kept], xyxy=xyxy)


def overlapping(a: FloatArray, b: FloatArray) -> BoolArray:
    """`(N,)`: whether each of `(N, 4)` boxes is the same face as one of `(M, 4)` boxes."""
    return np.asarray((iou(a, b) > _SAME_FACE_IOU).any(axis=1))


def expand(xyxy: FloatArray, margin: float) -> FloatArray:
    """Grows each box by `margin` times its width and height, by a third more above and a third less below.

    Detectors' boxes end at the eyebrows and include the chin. With the same area as even margins, the cover
    then contains more of foreheads and hair (.52 instead of .40 of foreheads, `training.evaluate.covers`).

    Args:
        xyxy: `(N, 4)` boxes in pixels.
        margin: share of their sides.

    Returns:
        `(N, 4)` boxes, which may leave the picture.
    """
    wh = xyxy[:, 2:] - xyxy[:, :2]
    least = xyxy[:, :2] - wh * margin * np.array([1, 1 + _HIGHER], np.float32)
    most = xyxy[:, 2:] + wh * margin * np.array([1, 1 - _HIGHER], np.float32)
    return np.concatenate([least, most], axis=1)


def expand_evenly(xyxy: FloatArray, margin: float) -> FloatArray:
    """Grows each box by `margin` times its shorter side in every direction.

    For lines of text, whose height is the measure of their letters: a share of the width would cover a street
    beside a long sign.

    Args:
        xyxy: `(N, 4)` boxes in pixels.
        margin: share of their shorter sides.

    Returns:
        `(N, 4)` boxes, which may leave the picture.
    """
    by = margin * shorter_sides(xyxy)[:, None]
    return np.concatenate([xyxy[:, :2] - by, xyxy[:, 2:] + by], axis=1)


def cover_boxes(found: Detections, margin: float, text_margin: float) -> FloatArray:
    """`(N, 4)` boxes with the margins of their kinds.

    Args:
        found: detections.
        margin: of faces and heads, see `expand`.
        text_margin: of everything else, see `expand_evenly`.
    """
    is_person = found.is_person[:, None]
    return np.where(is_person, expand(found.xyxy, margin), expand_evenly(found.xyxy, text_margin))


_HEAD_ABOVE, _HEAD_BELOW, _HEAD_ASIDE = 0.5, 0.15, 0.45
"""How far a head extends beyond the box of its face, as shares of the box's height, height and width."""

_HEAD_TURN, _HEAD_LEAST, _HEAD_MOST = 4.0, 0.2, 1.2
"""The back of a turned head lies behind its eyes. The first number is the share of the width to add for each
width by which the nose lies beside the middle of the eyes; the others bound the sum. With these constants and
the default margin, a cover contains .98 of the heads of 312 faces that they were chosen on and of 126 in
other photos (`training.evaluate.covers`)."""


def as_heads(found: Detections) -> Detections:
    """Turns faces into heads with hair, ears and chin, whose places are estimated from the face.

    A face detector does not find hats, long hair and heads seen from behind.
    """
    is_face = found.of_kind(Kind.FACE)
    width, height = (found.xyxy[:, 2:] - found.xyxy[:, :2]).T
    eyes = found.landmarks[:, [Landmark.LEFT_EYE, Landmark.RIGHT_EYE], 0].mean(axis=1)
    beside = (found.landmarks[:, Landmark.NOSE, 0] - eyes) / np.maximum(width, 1e-6)
    turn = _HEAD_TURN * np.where(np.isfinite(beside), beside, 0)
    left, right = (
        np.clip(_HEAD_ASIDE + way * turn, _HEAD_LEAST, _HEAD_MOST) * width * way for way in (1, -1)
    )
    reach = np.stack([-left, -_HEAD_ABOVE * height, -right, _HEAD_BELOW * height], axis=1)
    return replace(
        found,
        xyxy=np.where(is_face[:, None], found.xyxy + reach, found.xyxy).astype(np.float32),
        kind=np.where(is_face, np.uint8(Kind.HEAD), found.kind),
    )


def cover_pixels(xyxy: FloatArray, size_wh: tuple[int, int]) -> npt.NDArray[np.int64]:
    """The whole pixels that boxes touch: the only place where coordinates are rounded.

    The minimum is floored, the maximum ceiled, both clipped to `[0, W] x [0, H]`; the result is half-open,
    so `image[y0:y1, x0:x1]` is exactly what must change. Truncating instead, as other tools do, leaves the
    last row and column of a face visible.

    Args:
        xyxy: `(N, 4)` boxes in source pixels, finite.
        size_wh: width and height of the picture.

    Returns:
        `(N, 4)` int64. A box outside the picture becomes empty (`x0 >= x1` or `y0 >= y1`).
    """
    if not np.isfinite(xyxy).all():
        raise ValueError("cover_pixels needs finite boxes")
    limit = np.asarray([*size_wh, *size_wh], np.float64)
    whole = np.concatenate([np.floor(xyxy[:, :2]), np.ceil(xyxy[:, 2:])], axis=1).astype(np.float64)
    return np.clip(whole, 0, limit).astype(np.int64)


def drop_fragments(faces: Detections, cut: BoolArray, inside: float) -> npt.NDArray[np.intp]:
    """Drops boxes that a larger box covers and that add no information.

    These are parts of faces cut by a tile's edge, and small false faces inside a large one. Their IoU with
    the whole face is small, so `nms` keeps both. A box is dropped only for a larger one that covers it, so no
    more than `1 - inside` of it is uncovered.

    Args:
        faces: boxes with their scores.
        cut: `(N,)` whether the box ends at an inner edge of the tile it was found in; any other box is
            dropped only for a larger one with a better score.
        inside: share of a box that the larger one must cover.

    Returns:
        Indices of the kept boxes, in order.
    """
    areas = area(faces.xyxy)
    dropped = np.zeros(len(faces), bool)
    for rows in _blocks(len(faces), len(faces)):
        within = covered(faces.xyxy[rows], faces.xyxy, inside)
        larger = areas[None, :] > areas[rows, None]
        better = faces.score[None, :] >= faces.score[rows, None]
        dropped[rows] = (within & larger & (better | cut[rows, None])).any(axis=1)
    return np.flatnonzero(~dropped)


def _blocks(count: int, others: int) -> Iterator[slice]:
    """Rows of boxes to compare with all others at a time, so that memory stays below about 100 MB."""
    rows = max(1, min(256, 2_000_000 // max(1, others)))
    return (slice(start, start + rows) for start in range(0, count, rows))
