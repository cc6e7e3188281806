"""Which visible faces a run may have left on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..detections import BoolArray, FloatArray

__all__ = ["Exempt", "size_may_stay"]

_SIZES_DIFFER = 1.25
"""Factor by which two detectors' boxes of one face differ in size, in most photos."""


@dataclass(frozen=True)
class Exempt:
    """The settings by which a run leaves faces visible.

    Attributes:
        least_px: as `AnonymizeConfig.min_face`.
        most_px: as `AnonymizeConfig.max_face`.
        is_by_person: whether known people decide.
    """

    least_px: float | None = None
    most_px: float | None = None
    is_by_person: bool = False

    @classmethod
    def of(cls, configuration: Mapping[str, str]) -> Exempt:
        """The settings in a manifest; those of early versions are missing there."""
        least, most = (configuration.get(name) for name in ("min_face", "max_face"))
        by_person = configuration.get("select", "every") != "every"
        return cls(float(least) if least else None, float(most) if most else None, by_person)

    def may_stay(self, xyxy: FloatArray, is_found: BoolArray, kept: int) -> BoolArray:
        """Whether each visible face may have been left on purpose.

        A manifest does not state which people's faces were kept. If the run's detectors find more than it
        kept, none of them is excused.

        Args:
            xyxy: `(N, 4)` boxes of visible faces in pixels.
            is_found: `(N,)` whether the run's own detectors find each of them; it keeps no other.
            kept: largest number of faces that the run left visible.

        Returns:
            `(N,)`.
        """
        by_size = size_may_stay(xyxy, self.least_px, self.most_px)
        others = is_found & ~by_size
        return by_size | (others & (self.is_by_person and int(others.sum()) <= kept))


def size_may_stay(xyxy: FloatArray, least_px: float | None, most_px: float | None) -> BoolArray:
    """`(N,)`: faces that may be visible because of their size; detectors differ in the sizes of boxes.

    Args:
        xyxy: `(N, 4)` in pixels.
        least_px: as `AnonymizeConfig.min_face`.
        most_px: as `AnonymizeConfig.max_face`.
    """
    sides = xyxy[:, 2:] - xyxy[:, :2]
    small = sides < (least_px or 0) * _SIZES_DIFFER
    large = sides > (most_px or np.inf) / _SIZES_DIFFER
    return np.asarray(small.all(axis=1) | large.all(axis=1), bool)
