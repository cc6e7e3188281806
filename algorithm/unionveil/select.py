"""Selects the detections to cover. In doubt, they are covered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .boxes import shorter_sides
from .detections import BoolArray, Detections, FloatArray, Kind, RgbImage
from .identity.embeddings import Embedder
from .identity.references import References

__all__ = ["AllBut", "JustThese", "OfSize", "Selector", "every_face"]

Selector: TypeAlias = Callable[[RgbImage, Detections], BoolArray]
"""Returns `(N,)` bool, True for each detection to cover. The pixels are 8-bit RGB, upright."""


def every_face(image: RgbImage, faces: Detections) -> BoolArray:  # noqa: ARG001  the protocol gives it
    """All detections: the default."""
    return np.ones(len(faces), bool)


@dataclass(frozen=True, eq=False)
class AllBut:
    """Covers everybody but known people; per person and picture, at most the closest face stays visible.

    Everything that cannot be judged is covered: faces that are too small or have no landmarks, and detections
    that are not faces.

    Attributes:
        embed: turns faces into vectors.
        references: the known people, by the same embedder.
        least_cosine: similarity at which a face counts as a known person's.
    """

    embed: Embedder
    references: References
    least_cosine: float

    def __call__(self, image: RgbImage, faces: Detections) -> BoolArray:
        """As `Selector`."""
        covered = np.ones(len(faces), bool)
        if not len(faces):
            return covered
        cosine = _similarity(self.embed, self.references, image, faces)
        cosine[cosine < self.least_cosine] = -np.inf
        closest = cosine.argmax(axis=1)
        for person in range(self.references.people):
            theirs = np.where(closest == person, cosine[:, person], -np.inf)
            best = int(theirs.argmax())
            covered[best] &= not np.isfinite(theirs[best])
        return covered


@dataclass(frozen=True, eq=False)
class JustThese:
    """Covers only known people.

    Faces without landmarks and detections that are not faces are covered as well.

    Attributes:
        embed: turns faces into vectors.
        references: the known people, by the same embedder.
        least_cosine: similarity at which a face counts as a known person's.
        is_strict: whether to cover faces that are too small to judge, too.
    """

    embed: Embedder
    references: References
    least_cosine: float
    is_strict: bool

    def __call__(self, image: RgbImage, faces: Detections) -> BoolArray:
        """As `Selector`."""
        if not len(faces):
            return np.ones(0, bool)
        cosine = _similarity(self.embed, self.references, image, faces)
        is_judged = np.isfinite(cosine).all(axis=1)
        is_small = shorter_sides(faces.xyxy) < self.embed.card.least_face_px
        is_small &= faces.kind == Kind.FACE
        in_doubt = ~is_judged & (~is_small | self.is_strict)
        return in_doubt | (cosine >= self.least_cosine).any(axis=1)


@dataclass(frozen=True, eq=False)
class OfSize:
    """Covers what another selector covers, except faces that are too small or too large.

    In doubt a face is covered: it is enough if one side is in the range.

    Attributes:
        select: the other selector.
        least_px: a face of which both sides are shorter stays visible.
        most_px: a face of which both sides are longer stays visible.
    """

    select: Selector
    least_px: float
    most_px: float

    def __call__(self, image: RgbImage, faces: Detections) -> BoolArray:
        """As `Selector`."""
        sides = faces.xyxy[:, 2:] - faces.xyxy[:, :2]
        left_out = (sides < self.least_px).all(axis=1) | (sides > self.most_px).all(axis=1)
        return self.select(image, faces) & ~(left_out & (faces.kind == Kind.FACE))


def _similarity(embed: Embedder, references: References, image: RgbImage, faces: Detections) -> FloatArray:
    """`(N, P)` cosine similarity to known people; -inf in the rows of faces that cannot be judged."""
    found = embed(image, faces)
    is_judged = found.usable & (faces.kind == Kind.FACE)
    return np.where(is_judged[:, None], references.similarity(found.vectors), np.float32(-np.inf))
