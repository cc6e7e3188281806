"""The order in which photos are shown: those that need a person most come first."""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

from .model import Sighting

__all__ = ["Place", "Rank", "place"]


class Rank(IntEnum):
    """Why a photo stands where it stands, first to last."""

    REJECTED = 0
    CANDIDATE = 1
    FACES = 2
    NO_FACE = 3
    WAITING = 4


Place: TypeAlias = tuple[int, float, int]
"""Sorts photos: rank, then what is least sure, then the number of the input."""


def place(number: int, sighting: Sighting | None) -> Place:
    """Where a photo stands in the review.

    It follows from what the detector saw, not from what the person does, so that no photo moves while it is
    being reviewed.

    Args:
        number: of the input, from 1.
        sighting: what the detector saw; None where it has not looked yet.
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
