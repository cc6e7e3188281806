"""Lines of text by differentiable binarization (Liao et al., arXiv:1911.08947): a map of probabilities."""

from __future__ import annotations

import cv2
import numpy as np

from ..detections import Detections, FloatArray, Kind, RgbImage
from ..models.cards import DetectorCard
from ..models.session import Opener
from ..models.store import find
from .blob import to_blob

__all__ = ["Dbnet", "lines"]

_SCALE = 1 / 127.5
"""Pixels become -1 to 1, as PP-OCR's models read them."""

_CORE = 0.3
"""Probability from which a pixel belongs to the core of a line; PP-OCR's own."""

_UNCLIP = 1.8
"""The network learns lines that are shrunk by (1 - .4 ** 2) * area / perimeter (Liao et al., section 3.4).
Here they grow by so many times the area / perimeter of their core. PP-OCR takes 1.5, which cuts letters."""

_LEAST_CORE_PX = 2
"""Shorter side of the smallest core that is taken: single pixels are noise."""


class Dbnet:
    """A detector of text, as `Detector`. Mirrored letters mean nothing to it, so it never looks twice.

    Args:
        card: model card with one output, the map of probabilities `(1, 1, H, W)`.
        open_session: loads the graph on the engine that was chosen.

    Raises:
        ModelError: the weights are missing, altered or cannot be loaded.
    """

    fixed_wh = None

    def __init__(self, card: DetectorCard, open_session: Opener) -> None:
        self.card = card
        self._session = open_session(find(card))

    def __call__(self, image: RgbImage, threshold: float, *, mirror: bool = False) -> Detections:  # noqa: ARG002
        """As `Detector.__call__`: lines of text, upright boxes around the turned ones, best first."""
        blob = to_blob(
            image,
            channels="bgr",
            mean=self.card.mean_bgr,
            scale=_SCALE,
            multiple_px=self._session.multiple_px,
        )
        (output,) = self._session.run(blob, self.card.outputs)
        return lines(output[0, 0, : image.shape[0], : image.shape[1]], threshold)


def lines(probability: FloatArray, threshold: float) -> Detections:
    """Lines of text in a map of probabilities.

    A line is the smallest turned rectangle around a connected core, grown in every direction by `_UNCLIP` *
    area / perimeter of the core. Its box is upright and holds the whole rectangle. Its score is the mean
    probability inside the core's outline.

    Args:
        probability: `(H, W)` float32 in [0, 1].
        threshold: least score.

    Returns:
        Boxes in pixels of the map, best first; they may reach beyond it.
    """
    core = (probability > _CORE).astype(np.uint8)
    contours, _ = cv2.findContours(core, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = [
        box for contour in contours for box in _line(probability, np.asarray(contour, np.int32), threshold)
    ]
    found.sort(key=lambda line: -line[1])
    return Detections.of([xyxy for xyxy, _ in found], [score for _, score in found], kind=Kind.TEXT)


def _line(
    probability: FloatArray, contour: np.ndarray[tuple[int, ...], np.dtype[np.int32]], threshold: float
) -> list[tuple[FloatArray, float]]:
    """Box and score of the line around one contour `(K, 1, 2)`; none if it is too small or too unsure."""
    centre, (width, height), angle = cv2.minAreaRect(contour)
    width, height = width + 1, height + 1  # from the centres of pixels to their edges
    if min(width, height) < _LEAST_CORE_PX:
        return []
    score = _mean_inside(probability, contour)
    if score < threshold:
        return []
    # The outline runs through the centres of pixels; the core ends at their edges.
    length = float(cv2.arcLength(contour, closed=True))
    area = float(cv2.contourArea(contour)) + length / 2 + 1
    by = 2 * _UNCLIP * area / (length + 4)
    corners = cv2.boxPoints(((centre[0] + 0.5, centre[1] + 0.5), (width + by, height + by), angle))
    return [(np.concatenate([corners.min(axis=0), corners.max(axis=0)]).astype(np.float32), score)]


def _mean_inside(probability: FloatArray, contour: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> float:
    left, top, width, height = cv2.boundingRect(contour)
    mask = np.zeros((height, width), np.uint8)
    cv2.drawContours(mask, [contour - np.array([left, top], np.int32)], 0, 1, cv2.FILLED)
    return min(1.0, float(probability[top : top + height, left : left + width][mask > 0].mean()))
