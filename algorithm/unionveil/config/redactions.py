"""Methods that cover a face, each with its settings."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from .base import Setting

__all__ = [
    "EMOJI",
    "Average",
    "Bilateral",
    "Fill",
    "Gaussian",
    "KSame",
    "Median",
    "Overlay",
    "Pixelate",
    "Redaction",
]

EMOJI = ("fist", "smile", "mask", "heart")
"""Pictures drawn by `redact.emoji`."""


_LEAST_STRENGTH = 4.0


class _Redaction(Setting):
    looks_only: ClassVar[bool] = False
    """Whether the best trained attacker identifies more than one in ten of 40 people at the default strength
    (`tests/benchmarks/test_recognition.py`)."""

    needs_whole_set: ClassVar[bool] = False
    """Whether all pictures must be surveyed before the first one is redacted."""


_Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Fill(_Redaction):
    """One opaque colour: nothing of the face remains."""

    method: Literal["fill"] = "fill"
    color: _Color = Field("#000000", description="Colour as #rrggbb.")


class Pixelate(_Redaction):
    """A mosaic of mean colours, for looks only."""

    looks_only: ClassVar[bool] = True
    method: Literal["pixelate"] = "pixelate"
    cells: int = Field(
        6,
        ge=2,
        le=10,
        description="Mosaic cells along the face's longer side. For looks only: even 2 leave enough for a "
        "trained attacker.",
    )


class _Blur(_Redaction):
    strength: float = Field(
        4.0, ge=4.0, le=8.0, description="Blur radius, 4 to 8; a trained attacker sees through weaker blurs."
    )

    @field_validator("strength", mode="before")
    @classmethod
    def _strong_enough(cls, value: Any) -> Any:
        """Explains why settings of earlier versions, from 1 up, are refused."""
        try:
            is_weak = 0 < float(value) < _LEAST_STRENGTH
        except (TypeError, ValueError):
            return value
        if is_weak:
            raise ValueError(
                f"{value} is below the range from 4 to 8: a trained attacker recognizes people behind "
                "weaker blurs; leave it out for 4"
            )
        return value


class Gaussian(_Blur):
    """Gaussian blur whose radius grows with the face."""

    method: Literal["gaussian"] = "gaussian"


class Median(_Blur):
    """Median filter whose window grows with the face."""

    method: Literal["median"] = "median"


class Bilateral(_Blur):
    """Bilateral filter over a strong blur, for looks only: keeps large outlines, no features."""

    looks_only: ClassVar[bool] = True
    method: Literal["bilateral"] = "bilateral"


class Average(_Blur):
    """Box filter whose window grows with the face."""

    method: Literal["average"] = "average"


class Overlay(_Redaction):
    """A picture over the face, with an opaque colour behind it."""

    method: Literal["overlay"] = "overlay"
    picture: str = Field(
        "smile", min_length=1, description=f"Emoji ({', '.join(EMOJI)}) or the path of a PNG file."
    )
    backing: _Color = Field("#000000", description="Opaque colour behind the picture, as #rrggbb.")


class KSame(_Redaction):
    """One face for at least k people: someone who recognizes a face can still only guess among k."""

    needs_whole_set: ClassVar[bool] = True
    method: Literal["ksame"] = "ksame"
    k: int = Field(
        10,
        ge=2,
        le=100,
        description="Least number of people who share a face. Release a data set only once: two releases "
        "of the same people can be intersected.",
    )
    surrogate: str = Field(
        "mean",
        min_length=1,
        description="The face that they share: mean (of theirs), synthetic (a person who does not exist) or "
        "the path of a generator, FILE.onnx with a card in FILE.json.",
    )
    surround: Literal["none", "fill"] = Field(
        "none",
        description="fill: covers the rest of the head with one colour. Hair and clothes identify people "
        "as well behind another face as behind a black box.",
    )

    @field_validator("surrogate")
    @classmethod
    def _known_surrogate(cls, value: str) -> str:
        if value not in ("mean", "synthetic") and not value.endswith(".onnx"):
            raise ValueError(f"surrogate takes mean, synthetic or the path of an ONNX file, got {value!r}")
        return value

    @property
    def is_own_surrogate(self) -> bool:
        """Whether our own generator draws the faces; it also reads codes from people's faces."""
        return self.surrogate in ("mean", "synthetic")


Redaction = Annotated[
    Fill | Pixelate | Gaussian | Median | Bilateral | Average | Overlay | KSame,
    Field(discriminator="method"),
]
