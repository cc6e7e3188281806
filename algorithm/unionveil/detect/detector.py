"""The protocols of networks and of detectors, which see one array of pixels at its own resolution."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Protocol, TypeAlias

from ..detections import Detections, RgbImage
from ..models.cards import DetectorCard

__all__ = ["Detail", "Detector", "Network"]

Detail: TypeAlias = Literal["fast", "standard", "crowd"]
"""How thoroughly a picture is searched; see `AnonymizeConfig.detail`."""


class Network(Protocol):
    """A loaded network; `Supported` turns it into a detector.

    Attributes:
        card: the weights it uses, with its name and its threshold.
        fixed_wh: the only input size, to which smaller pictures are padded; None if it accepts any.
    """

    @property
    def card(self) -> DetectorCard: ...  # noqa: D102

    @property
    def fixed_wh(self) -> tuple[int, int] | None: ...  # noqa: D102

    def candidates(self, image: RgbImage, least: float) -> Detections:
        """All boxes that reach a score, overlapping ones included, in any order.

        Args:
            image: `(H, W, 3)` uint8, RGB.
            least: least score, in (0, 1).

        Returns:
            Candidates in pixels of `image`, with the network's own scores.

        Raises:
            ModelError: the model failed.
        """
        ...


class Detector(Protocol):
    """A loaded model.

    Attributes:
        card: the weights it uses, with its name and its threshold.
        fixed_wh: the only input size, to which smaller pictures are padded; None if it accepts any.
        glimpses: the levels of detail at which it searches the largest size only around what it saw, however
            faintly, at half of it (`plan.is_glimpsed`).
    """

    @property
    def card(self) -> DetectorCard: ...  # noqa: D102

    @property
    def fixed_wh(self) -> tuple[int, int] | None: ...  # noqa: D102

    @property
    def glimpses(self) -> Collection[Detail]: ...  # noqa: D102

    def __call__(self, image: RgbImage, threshold: float, *, mirror: bool = False) -> Detections:
        """Finds faces, with overlapping boxes already suppressed.

        Args:
            image: `(H, W, 3)` uint8, RGB.
            threshold: least score, in (0, 1).
            mirror: whether to run on the mirrored picture too, which doubles the time.

        Returns:
            Faces in pixels of `image`, best first.

        Raises:
            ModelError: the model failed.
        """
        ...
