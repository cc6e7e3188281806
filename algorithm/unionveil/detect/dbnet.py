"""Text and plates by differentiable binarization (Liao et al., arXiv:1911.08947): a map of probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..boxes import area as boxes_area
from ..detections import BoolArray, Detections, FloatArray, Kind, RgbImage
from ..models.cards import DetectorCard
from ..models.session import Opener
from ..models.store import find
from .blob import to_blob
from .detector import Detail

__all__ = ["Dbnet", "lines"]

_SCALE = 1 / 127.5
"""Pixels become -1 to 1, as PP-OCR's models and our own read them."""

_LEAST_CORE_PX = 2
"""Shorter side of the smallest core that is taken: single pixels are noise."""

_SAVED = 0.75
"""Several boxes take the place of one if all of them together have less than this share of its area."""

_FULL, _LONG, _DEEPEST = 0.6, 3.0, 7
"""A piece of a core is cut no further if the core fills so much of its box, if its box is no longer than so
many times the core's thickness, or after so many cuts."""


class Dbnet:
    """A detector of text or plates, as `Detector`. It knows no mirrored letters, so it never looks twice.

    Args:
        card: model card with one output, the map of probabilities `(1, 1, H, W)`. Networks learn lines that
            are shrunk by a multiple of area / perimeter (Liao et al., section 3.4): 0.84 of PP-OCR's, which
            takes an `unclip` of 1.5 and then cuts letters, and 0.4 of our own.
        open_session: loads the graph on the engine that was chosen.

    Raises:
        ModelError: the weights are missing, altered or cannot be loaded.
    """

    fixed_wh = None
    glimpses: tuple[Detail, ...] = ("crowd",)

    def __init__(self, card: DetectorCard, open_session: Opener) -> None:
        self.card = card
        self._session = open_session(find(card))

    def __call__(self, image: RgbImage, threshold: float, *, mirror: bool = False) -> Detections:  # noqa: ARG002
        """As `Detector.__call__`: lines of text, several boxes for a steep or bent one, best first."""
        blob = to_blob(
            image,
            channels="bgr",
            mean=self.card.mean_bgr,
            scale=_SCALE,
            multiple_px=self._session.multiple_px,
        )
        (output,) = self._session.run(blob, self.card.outputs)
        return lines(output[0, 0, : image.shape[0], : image.shape[1]], threshold, self.card)


def lines(probability: FloatArray, threshold: float, card: DetectorCard) -> Detections:
    """Lines of text, or plates, in a map of probabilities.

    A line is the smallest turned rectangle around a connected core, grown in every direction by `unclip` *
    area / perimeter of the core. Its box is upright and holds the whole rectangle. Where that would cover
    much more than the core and what it grows by, as for a steep line or a core with branches, the boxes of
    pieces of the core take its place. Its score is the mean probability inside the core's outline.

    Args:
        probability: `(H, W)` float32 in [0, 1].
        threshold: least score.
        card: says what is found, which pixels are cores and by how much they grow.

    Returns:
        Boxes in pixels of the map, best first; they may reach beyond it. Every pixel of a core that scores
        enough is in one of them.
    """
    core = (probability > card.core).astype(np.uint8)
    contours, _ = cv2.findContours(core, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = [
        line
        for contour in contours
        for line in _line(probability, np.asarray(contour, np.int32), threshold, card)
    ]
    found.sort(key=lambda line: -line[1])
    kind = Kind.PLATE if card.task == "plate" else Kind.TEXT
    return Detections.of([xyxy for xyxy, _ in found], [score for _, score in found], kind=kind)


def _line(
    probability: FloatArray,
    contour: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
    threshold: float,
    card: DetectorCard,
) -> list[tuple[FloatArray, float]]:
    """Boxes and score of the line around one contour `(K, 1, 2)`; none if it is too small or too unsure."""
    centre, (width, height), angle = cv2.minAreaRect(contour)
    width, height = width + 1, height + 1  # from the centres of pixels to their edges
    if min(width, height) < _LEAST_CORE_PX or max(width, height) < card.least_px:
        return []
    left, top, *size_wh = cv2.boundingRect(contour)
    part = probability[top : top + size_wh[1], left : left + size_wh[0]]
    inside = _inside(contour - np.array([left, top], np.int32), size_wh)
    score = min(1.0, float(part[inside].mean()))
    if score < threshold:
        return []
    # The outline runs through the centres of pixels; the core ends at their edges.
    length = float(cv2.arcLength(contour, closed=True))
    area = float(cv2.contourArea(contour)) + length / 2 + 1
    by = card.unclip * area / (length + 4)
    corners = cv2.boxPoints(((centre[0] + 0.5, centre[1] + 0.5), (width + 2 * by, height + 2 * by), angle))
    whole = np.concatenate([corners.min(axis=0), corners.max(axis=0)]).astype(np.float32)
    pieces = _pieces(inside & (part > card.core), _LONG * 2 * area / (length + 4))
    grown = (pieces + np.array([left - by, top - by, left + by, top + by])).astype(np.float32)
    boxes = grown if boxes_area(grown).sum() < _SAVED * boxes_area(whole[None])[0] else whole[None]
    return [(box, score) for box in boxes]


def _inside(contour: np.ndarray[tuple[int, ...], np.dtype[np.int32]], size_wh: Sequence[int]) -> BoolArray:
    mask = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    cv2.drawContours(mask, [contour], 0, 1, cv2.FILLED)
    return mask > 0


def _pieces(core: BoolArray, longest: float, cuts: int = 0) -> FloatArray:
    """`(N, 4)` boxes that together hold every pixel of a core, cut in halves until they fit it.

    Args:
        core: `(H, W)`.
        longest: length of a box in pixels from which it is cut, unless the core fills it.
        cuts: number of cuts so far.
    """
    rows, columns = np.flatnonzero(core.any(axis=1)), np.flatnonzero(core.any(axis=0))
    if not len(rows):
        return np.zeros((0, 4), np.float32)
    x0, y0, x1, y1 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    tight = core[y0:y1, x0:x1]
    height, width = tight.shape
    if tight.mean() >= _FULL or max(height, width) <= max(longest, 2) or cuts == _DEEPEST:
        return np.array([[x0, y0, x1, y1]], np.float32)
    if width >= height:
        halves, offsets = (tight[:, : width // 2], tight[:, width // 2 :]), ((0, 0), (width // 2, 0))
    else:
        halves, offsets = (tight[: height // 2], tight[height // 2 :]), ((0, 0), (0, height // 2))
    moved = [
        _pieces(half, longest, cuts + 1) + np.array([x0 + x, y0 + y] * 2, np.float32)
        for half, (x, y) in zip(halves, offsets, strict=True)
    ]
    return np.concatenate(moved).astype(np.float32)
