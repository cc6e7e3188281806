"""Whose faces are covered, with the settings of each choice."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ..errors import ConfigError
from ..models.cards import EmbedderCard
from .base import Setting, measured_if_left_out

__all__ = ["EveryFace", "Keep", "Only", "Selection", "cosine_of", "distance_of"]


def cosine_of(distance: float) -> float:
    """Cosine similarity of two unit vectors at a Euclidean distance: 1 - d ** 2 / 2."""
    return 1 - distance**2 / 2


def distance_of(cosine: float) -> float:
    """Euclidean distance of two unit vectors with a cosine similarity: sqrt(2 - 2 cos)."""
    return math.sqrt(max(0.0, 2 - 2 * cosine))


class EveryFace(Setting):
    """Every face is covered."""

    select: Literal["every"] = "every"


class _KnownPeople(Setting):
    match: Literal["cosine", "euclidean"] = Field(
        "cosine", description="How faces are compared with known people: by similarity or by distance."
    )
    match_threshold: float | None = Field(
        None,
        gt=0,
        lt=math.sqrt(2),
        description="Least cosine similarity (0 to 1), or largest Euclidean distance (0 to 1.41), of a face "
        "that counts as a known person's. Default: the value measured for the embedder.",
    )

    _default_threshold = field_validator("match_threshold", mode="before")(measured_if_left_out)

    @model_validator(mode="after")
    def _in_range(self) -> _KnownPeople:
        if self.match == "cosine" and self.match_threshold is not None and self.match_threshold >= 1:
            raise ValueError(f"match_threshold: a cosine is between 0 and 1, got {self.match_threshold:g}")
        return self

    def _least_cosine(self, card: EmbedderCard, measured: float | None) -> float:
        if self.match_threshold is not None:
            is_cosine = self.match == "cosine"
            return self.match_threshold if is_cosine else cosine_of(self.match_threshold)
        if measured is None:
            raise ConfigError(
                f"match_threshold: none was measured for embedder {card.name!r}; give one, or put it on the "
                "card"
            )
        return measured


class Keep(_KnownPeople):
    """Known people stay visible; everybody else is covered."""

    select: Literal["keep"] = "keep"

    def least_cosine(self, card: EmbedderCard) -> float:
        """Least cosine similarity at which a face counts as a known person's.

        Raises:
            ConfigError: no threshold is set, and none was measured for the embedder.
        """
        return self._least_cosine(card, card.keep_cosine)


class Only(_KnownPeople):
    """Known people are covered, and nobody else."""

    select: Literal["only"] = "only"
    only_strict: Literal["no", "yes"] = Field(
        "no", description="yes: faces that are too small to judge are covered too."
    )

    def least_cosine(self, card: EmbedderCard) -> float:
        """As `Keep.least_cosine`."""
        return self._least_cosine(card, card.only_cosine)


Selection = Annotated[EveryFace | Keep | Only, Field(discriminator="select")]
