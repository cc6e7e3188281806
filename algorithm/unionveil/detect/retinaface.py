"""RetinaFace (arXiv:1905.00641): priors at three strides, each with a score, a box and five landmarks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..detections import Detections, FloatArray, RgbImage
from ..models.cards import DetectorCard
from ..models.session import Opener
from ..models.store import find
from .blob import to_blob

__all__ = ["RetinaFace", "decode", "make_priors"]


@lru_cache(maxsize=8)
def make_priors(
    size_wh: tuple[int, int], strides: tuple[int, ...], sides_px: tuple[tuple[float, ...], ...]
) -> FloatArray:
    """Square priors, level by level, row by row, all sides of a cell together.

    Args:
        size_wh: width and height of the network's input.
        strides: pixels of input for each cell, one per level.
        sides_px: sides of the priors at each cell, one tuple per level.

    Returns:
        `(P, 3)` float32: centre x, centre y, side, in pixels of the network's input.
    """
    levels = []
    for stride, sides in zip(strides, sides_px, strict=True):
        columns, rows = -(-size_wh[0] // stride), -(-size_wh[1] // stride)
        y, x, side = np.meshgrid(np.arange(rows), np.arange(columns), np.asarray(sides), indexing="ij")
        levels.append(np.stack([(x + 0.5) * stride, (y + 0.5) * stride, side], axis=-1).reshape(-1, 3))
    priors = np.concatenate(levels).astype(np.float32)
    priors.flags.writeable = False
    return priors


def decode(
    priors: FloatArray, loc: FloatArray, landms: FloatArray, variances: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Turns regressions into pixels, the inverse of SSD's encoding (arXiv:1512.02325, section 2.2).

    centre = prior centre + loc[:2] * variance[0] * side; size = side * exp(loc[2:] * variance[1]);
    landmark = prior centre + landms * variance[0] * side.

    Args:
        priors: `(N, 3)` from `make_priors`.
        loc: `(N, 4)` box regressions.
        landms: `(N, 10)` landmark regressions, x and y alternating.
        variances: of centre and of size.

    Returns:
        Boxes `(N, 4)` xyxy and landmarks `(N, 5, 2)`, in the priors' frame.
    """
    centre, side = priors[:, :2], priors[:, 2:]
    middle = centre + loc[:, :2] * variances[0] * side
    # exp of anything above 88 overflows float32; no face is 20 times its prior.
    half = side * np.exp(np.clip(loc[:, 2:] * variances[1], -20, 3)) / 2
    points = centre[:, None] + landms.reshape(-1, 5, 2) * variances[0] * side[:, None]
    return np.concatenate([middle - half, middle + half], axis=1), points


class RetinaFace:
    """RetinaFace on ONNX Runtime; the card names the weights.

    Args:
        card: model card with outputs loc, conf (probability of face in the last column) and landms.
        open_session: loads the graph on the chosen engine.

    Raises:
        ModelError: the weights are missing, altered or cannot be loaded.
    """

    def __init__(self, card: DetectorCard, open_session: Opener) -> None:
        self.card = card
        self.fixed_wh = card.input_wh
        self._session = open_session(find(card))

    def candidates(self, image: RgbImage, least: float) -> Detections:
        """As `Network.candidates`."""
        card = self.card
        blob = to_blob(
            image,
            channels="bgr",
            multiple_px=self._session.multiple_px,
            mean=card.mean_bgr,
            fixed_wh=card.input_wh,
        )
        loc, conf, landms = (output[0] for output in self._session.run(blob, card.outputs))
        score = conf[:, -1]
        kept = np.flatnonzero(score >= least)
        priors = make_priors((blob.shape[3], blob.shape[2]), card.strides, card.priors_px)
        xyxy, points = decode(priors[kept], loc[kept], landms[kept], card.variances)
        return Detections.of(xyxy, score[kept], points)
