"""The protocol of detectors: faces in one array of pixels, at the resolution at which it is given."""

from __future__ import annotations

from typing import Protocol

from ..detections import Detections, RgbImage
from ..models.cards import DetectorCard

__all__ = ["Detector"]


class Detector(Protocol):
    """One model, loaded.

    Attributes:
        card: the weights it uses, with its name and its threshold.
        fixed_wh: the only size it takes, smaller pictures being padded; None where it takes any.
    """

    @property
    def card(self) -> DetectorCard: ...  # noqa: D102

    @property
    def fixed_wh(self) -> tuple[int, int] | None: ...  # noqa: D102

    def __call__(self, image: RgbImage, threshold: float) -> Detections:
        """Finds faces, overlapping boxes already suppressed.

        Args:
            image: `(H, W, 3)` uint8, red first.
            threshold: least score, in (0, 1).

        Returns:
            Faces in pixels of `image`, best first.

        Raises:
            ModelError: the model failed.
        """
        ...
