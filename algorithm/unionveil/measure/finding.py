"""What verifying an output finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "Finding"]

Check = Literal["files", "claims", "picture", "metadata", "method", "residual"]
"""What was checked: files against the manifest, the manifest's claims, what a file shows, what else it
contains, whether the method was applied in every box, and faces outside the boxes."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as claimed.

    Attributes:
        check: what found it.
        detail: a sentence without the file's name.
        is_sure: whether it speaks against the output; unsure ones are reported only.
        xyxy: the box that it is about, in pixels; None if it is not about one.
    """

    check: Check
    detail: str
    is_sure: bool = True
    xyxy: tuple[float, float, float, float] | None = None
