"""The protocols of networks and of detectors: one array of pixels, seen at the resolution it is given in."""

from __future__ import annotations

from typing import Protocol

from ..detections import Detections, RgbImage
from ..models.cards import DetectorCard

__all__ = ["Detector", "Network"]


class Network(Protocol):
    """One loaded network; `Supported` makes a detector of it.

    Attributes:
        card: the weights it uses, with its name and its threshold.
        fixed_wh: the only size it takes, smaller pictures being padded; None where it takes any.
    """

    @property
    def card(self) -> DetectorCard: ...  # noqa: D102

    @property
    def fixed_wh(self) -> tuple[int, int] | None: ...  # noqa: D102

    def candidates(self, image: RgbImage, least: float) -> Detections:
        """All boxes of a certain score, with those that overlap, in any order.

        Args:
            image: `(H, W, 3)` uint8, red first.
            least: least score, in (0, 1).

        Returns:
            Candidates in pixels of `image`, with the network's own scores.

        Raises:
            ModelError: the model failed.
        """
        ...


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

    def __call__(self, image: RgbImage, threshold: float, *, mirror: bool = False) -> Detections:
        """Finds faces, overlapping boxes already suppressed.

        Args:
            image: `(H, W, 3)` uint8, red first.
            threshold: least score, in (0, 1).
            mirror: whether to look at the mirrored picture too, in twice the time.

        Returns:
            Faces in pixels of `image`, best first.

        Raises:
            ModelError: the model failed.
        """
        ...
