"""Opt-out lists: people whom a publisher's image covers, whatever a job's buyer asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..config import AnonymizeConfig, Only
from ..errors import ConfigError
from ..models.cards import EmbedderCard, embedder_card
from .references import References

__all__ = ["OPTOUT", "OptOut", "read_optout"]

OPTOUT = Path(__file__).parent.parent / "optout" / "people.json"
"""Where an image stores its publisher's list."""


class OptOut(BaseModel):
    """People, as vectors, who are covered while others are not.

    A vector is enough to recognize its person elsewhere: everyone who can pull the image has it.

    Attributes:
        embedder: name of the embedder.
        sha256: of its weights.
        least_cosine: similarity from which a face counts as one of these people's.
        people: for each person the vectors of their photos.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    embedder: str
    sha256: str
    least_cosine: float = Field(gt=0, lt=1)
    people: tuple[tuple[tuple[float, ...], ...], ...] = Field(min_length=1)

    @classmethod
    def of(cls, references: References, card: EmbedderCard, least_cosine: float) -> OptOut:
        """The list for people whose photos were read."""
        people = tuple(
            tuple(
                tuple(round(float(x), 5) for x in row) for row in references.vectors[references.person == n]
            )
            for n in range(references.people)
        )
        return cls(embedder=card.name, sha256=card.sha256, least_cosine=least_cosine, people=people)

    def references(self) -> References:
        """The people as vectors.

        Raises:
            ConfigError: they are not vectors of length 1, or belong to other weights.
        """
        if embedder_card(self.embedder).sha256 != self.sha256:
            raise ConfigError(
                f"the opt-out list was made with other weights of {self.embedder!r}; make it again"
            )
        try:
            people = [[np.asarray(row, np.float32) for row in photos] for photos in self.people]
            return References.of(people, self.sha256)
        except ValueError as error:
            raise ConfigError(f"the opt-out list is damaged: {error}") from error

    def applied(self, config: AnonymizeConfig) -> AnonymizeConfig:
        """The settings with this list: just these people are covered, and what is too small to judge.

        Their faces are covered whatever else the settings cover.
        """
        only = Only(match="cosine", match_threshold=self.least_cosine, only_strict="yes")
        cover = config.cover if config.covers_people else ("face", *config.cover)
        return config.model_copy(update={"selection": only, "embedder": self.embedder, "cover": cover})


def read_optout(path: Path = OPTOUT) -> OptOut | None:
    """The list in an image; None if it has none.

    Raises:
        ConfigError: the list cannot be used.
    """
    try:
        return OptOut.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ConfigError(f"the opt-out list {path.name} cannot be used: {error}") from error
