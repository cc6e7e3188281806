"""Outcomes: an anonymized picture, or the reason why an input has no output.

Readers, engines and the manifest need these types but no model, so this module imports neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .detections import Detections
from .formats import Encoding, ImageFormat
from .outputs import MetadataName

__all__ = ["Anonymized", "Outcome", "Rejected"]


@dataclass(frozen=True)
class Anonymized:
    """A picture whose faces are covered; it may have had none.

    Attributes:
        data: the file to write.
        format: its format, the same as the input's unless another was asked for.
        size_wh: width and height of the first frame, upright.
        faces: the covered faces of each frame or page.
        encoding: how the coded samples of the file were produced.
        kept: number of faces found but left visible, in all frames together.
        metadata: names of the input's metadata that the file holds, as `outputs.METADATA`.
    """

    data: bytes
    format: ImageFormat
    size_wh: tuple[int, int]
    faces: tuple[Detections, ...]
    encoding: Encoding = Encoding.PIXELS
    kept: int = 0
    metadata: tuple[MetadataName, ...] = ()


@dataclass(frozen=True)
class Rejected:
    """A picture that could not be anonymized; nothing of it may be written.

    Attributes:
        reason: one word for statistics: unreadable, unsupported, too-large, crashed...
        detail: one sentence without a file name.
    """

    reason: str
    detail: str


Outcome: TypeAlias = Anonymized | Rejected
"""Exactly one of the two."""
