"""What a new result of the detector adds to a photo that was edited by hand."""

from __future__ import annotations

import hashlib

import numpy as np

from ..boxes import iou
from .model import Box, PhotoState, Sighting

__all__ = ["SAME_IOU", "news"]

SAME_IOU = 0.5
"""Boxes of one kind that overlap at least this much are the same find, as in PASCAL VOC."""


def news(state: PhotoState, before: Sighting, after: Sighting) -> tuple[Box, ...]:
    """The boxes of a new result that a person has not decided about.

    A box where the earlier result had a cover, or where the person removed, moved or turned one, is decided.

    Args:
        state: the edited photo.
        before: the earlier result.
        after: the new result; its ids may be those of other boxes in `state`.

    Returns:
        New covers and candidates, and candidates of `state` that are covered now, which keep their ids.
    """
    there = {box.id: box for box in state.boxes}
    open_ones = [box for box in state.boxes if not box.covered]
    earlier = [box for box in before.boxes if box.covered or box.id not in there]
    decided = [*earlier, *(box for box in state.boxes if box.covered)]
    found: dict[str, Box] = {}
    for box in after.boxes:
        if _same(box, decided) is not None:
            continue
        candidate = _same(box, open_ones)
        if candidate is None:
            new = box.model_copy(update={"id": _name(box)})
            if new.id not in there:
                found[new.id] = new
        elif box.covered:
            found[candidate.id] = candidate.model_copy(update={"covered": True, "score": box.score})
    return tuple(found.values())


def _same(box: Box, others: list[Box]) -> Box | None:
    """The box that overlaps a box most, of those that are the same find."""
    alike = [other for other in others if (other.frame, other.kind) == (box.frame, box.kind)]
    if not alike:
        return None
    overlap = iou(np.array([box.xyxy], np.float32), np.array([other.xyxy for other in alike], np.float32))[0]
    best = int(overlap.argmax())
    return alike[best] if overlap[best] >= SAME_IOU else None


def _name(box: Box) -> str:
    """An id that another result's box has only if it is the same box."""
    where = repr((box.frame, box.xyxy, box.kind))
    return f"r{hashlib.sha256(where.encode()).hexdigest()[:16]}"
