"""Compares detectors with each other, without labels: which one finds what others miss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from ..boxes import iou
from ..detections import FloatArray
from .compare import band_name
from .metrics import BANDS_PX, Band
from .trial import UNION, Seen

__all__ = ["Agreement", "Place", "agree", "agreement_data"]


@dataclass(frozen=True)
class Place:
    """A place where at least one detector finds a face.

    Attributes:
        seen: index of the frame.
        xyxy: the united box of all of them.
        score: best score of each detector there; NaN where it finds nothing.
    """

    seen: int
    xyxy: FloatArray
    score: dict[str, float]

    @property
    def finders(self) -> frozenset[str]:
        """Detectors that find a face here."""
        return frozenset(name for name, score in self.score.items() if not np.isnan(score))

    def is_in(self, band: Band) -> bool:
        """Whether the box has a height within a range."""
        return bool(band[0] <= self.xyxy[3] - self.xyxy[1] < band[1])


@dataclass(frozen=True)
class Agreement:
    """The detectors' results at their default thresholds.

    Attributes:
        places: all places.
        pictures: number of frames.
        names: of the detectors.
    """

    places: tuple[Place, ...]
    pictures: int
    names: tuple[str, ...]

    def found(self, name: str, band: Band | None = None) -> int:
        """Places where a detector finds a face."""
        return sum(name in place.finders for place in self._within(band))

    def alone(self, name: str, band: Band | None = None) -> int:
        """Places where only this detector finds a face."""
        return sum(place.finders == {name} for place in self._within(band))

    def only_first(self, first: str, second: str) -> int:
        """Places where the first detector finds a face and the second does not."""
        return sum(first in place.finders and second not in place.finders for place in self.places)

    def all_of(self, band: Band | None = None) -> int:
        """Places where any detector finds a face: what the union covers."""
        return len(self._within(band))

    def _within(self, band: Band | None) -> list[Place]:
        return [place for place in self.places if band is None or place.is_in(band)]


def agree(seen: Sequence[Seen], names: Sequence[str]) -> Agreement:
    """Groups the boxes of all detectors into places.

    Args:
        seen: frames.
        names: of the detectors, at least one.
    """
    places: list[Place] = []
    for index, one in enumerate(seen):
        places += _places(index, one, names)
    return Agreement(tuple(places), len(seen), tuple(names))


def _places(index: int, one: Seen, names: Sequence[str]) -> list[Place]:
    # The union's boxes have grown to contain those of the detectors; each of these belongs to the nearest.
    united = one.found[UNION if len(names) > 1 else names[0]].boxes[0]
    scores = {name: _best_scores(one, name, united) for name in names}
    return [
        Place(index, box, {name: float(scores[name][place]) for name in names})
        for place, box in enumerate(united)
    ]


def _best_scores(one: Seen, name: str, united: FloatArray) -> npt.NDArray[np.float64]:
    """Best score of a detector in each box of the union; NaN where it has none."""
    xyxy, score = one.found[name].boxes
    best = np.full(len(united), np.nan)
    if len(united) and len(xyxy):
        owner = iou(xyxy, united).argmax(axis=1)
        for place, value in zip(owner.tolist(), score.tolist(), strict=True):
            best[place] = np.fmax(best[place], value)
    return best


def agreement_data(agreement: Agreement) -> dict[str, Any]:
    """All counts in the form of `report.json`."""
    pictures = max(agreement.pictures, 1)
    return {
        name: {
            "found": agreement.found(name),
            "found_per_picture": agreement.found(name) / pictures,
            "alone": agreement.alone(name),
            "union_gains": agreement.all_of() - agreement.found(name),
            "missed": {
                other: agreement.only_first(other, name)
                for first, other in permutations(agreement.names, 2)
                if first == name
            },
            "bands": {
                band_name(band): {
                    "found": agreement.found(name, band),
                    "alone": agreement.alone(name, band),
                    "union_gains": agreement.all_of(band) - agreement.found(name, band),
                }
                for band in BANDS_PX
            },
        }
        for name in agreement.names
    }
