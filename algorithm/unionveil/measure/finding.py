"""The findings of verifying an output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "Finding"]

Check = Literal["files", "claims", "picture", "metadata", "method", "residual"]
"""The checks: files against the manifest, the manifest's claims, a file's picture, its other contents,
whether the method was applied in every box, and faces outside the boxes."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as claimed.

    Attributes:
        check: the check that found it.
        detail: a sentence without the file's name.
        is_sure: whether the output fails because of it; unsure findings are only reported.
        xyxy: the box that it is about, in pixels; None if it is not about one.
    """

    check: Check
    detail: str
    is_sure: bool = True
    xyxy: tuple[float, float, float, float] | None = None
