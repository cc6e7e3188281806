"""How outputs are written, beyond their pictures: format, quality, and metadata that is kept on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .formats import ImageFormat

__all__ = ["METADATA", "MetadataName", "OutputOptions"]

MetadataName: TypeAlias = Literal["date", "gps", "copyright"]

METADATA: tuple[MetadataName, ...] = ("date", "gps", "copyright")
"""Metadata that may be kept, by name: when and where a photo was taken, and its copyright notice."""


@dataclass(frozen=True)
class OutputOptions:
    """How outputs are written.

    Attributes:
        format: of all outputs; None keeps each input's.
        quality: of JPEG and WebP outputs, 1 to 100; None takes the input's where the format stays.
        keep: names of the metadata that are kept.
        gps_decimals: decimal places of degrees to which positions are rounded; None keeps them as they are.
    """

    format: ImageFormat | None = None
    quality: int | None = None
    keep: tuple[MetadataName, ...] = ()
    gps_decimals: int | None = None

    def format_of(self, image_format: ImageFormat) -> ImageFormat:
        """The format of the output for an input's format."""
        return self.format or image_format

    def converts(self, image_format: ImageFormat) -> bool:
        """Whether an output is encoded in another format or quality than its input."""
        target = self.format_of(image_format)
        return target is not image_format or (self.quality is not None and target in _BY_QUALITY)


_BY_QUALITY = (ImageFormat.JPEG, ImageFormat.WEBP)
