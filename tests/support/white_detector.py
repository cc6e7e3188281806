"""A detector that needs no weights: a face is whatever is white."""

from __future__ import annotations

import numpy as np

from unionveil.detect.detector import Detail
from unionveil.detections import Detections, RgbImage
from unionveil.models.cards import CARDS, DetectorCard


class WhiteDetector:
    """Finds the bounding box of the white pixels in a picture.

    Its score is 0.9 if the box is at least `least_px` wide and high, otherwise 0.2.

    Attributes:
        card: of some detector.
        fixed_wh: None: it accepts any size.
        glimpses: as our own detector's.
        sizes_wh: width and height of every picture so far.
        mirrored: whether each of them was to be searched mirrored too.
    """

    fixed_wh: tuple[int, int] | None = None
    glimpses: tuple[Detail, ...] = ("standard", "crowd")

    def __init__(self, card: str = "retinaface", *, least_px: int = 10) -> None:
        self.card: DetectorCard = CARDS[card]
        self.sizes_wh: list[tuple[int, int]] = []
        self.mirrored: list[bool] = []
        self._least_px = least_px

    def __call__(self, image: RgbImage, threshold: float, *, mirror: bool = False) -> Detections:
        """As `Detector.__call__`; the mirrored picture shows nothing new."""
        self.sizes_wh.append((image.shape[1], image.shape[0]))
        self.mirrored.append(mirror)
        rows, columns = np.nonzero(image[..., 0] > 128)
        if not len(rows):
            return Detections.empty()
        is_large = min(np.ptp(rows), np.ptp(columns)) + 1 >= self._least_px
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        found = Detections.of([box], [0.9 if is_large else 0.2])
        return found[found.score >= threshold]
