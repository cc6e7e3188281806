"""The display order of photos: those that need attention most come first."""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

from .model import Sighting

__all__ = ["Place", "Rank", "place"]


class Rank(IntEnum):
    """The reason for a photo's place, in display order."""

    REJECTED = 0
    CANDIDATE = 1
    FACES = 2
    NO_FACE = 3
    WAITING = 4


Place: TypeAlias = tuple[int, float, int]
"""Sort key of photos: rank, then the least certain score, then the number of the input."""


def place(number: int, sighting: Sighting | None) -> Place:
    """A photo's place in the review.

    It depends on the detector's result, not on edits, so that no photo moves during its
    review.

    Args:
        number: of the input, from 1.
        sighting: the detector's result; None before it has seen the photo.
    """
    if sighting is None:
        return Rank.WAITING, 0.0, number
    if sighting.rejected:
        return Rank.REJECTED, 0.0, number
    candidates = [box.score or 0.0 for box in sighting.boxes if not box.covered]
    if candidates:
        return Rank.CANDIDATE, round(-max(candidates), 4), number
    if sighting.boxes:
        return (
            Rank.FACES,
            round(min(1.0 if box.score is None else box.score for box in sighting.boxes), 4),
            number,
        )
    return Rank.NO_FACE, 0.0, number
