"""What verifying an output finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "Finding"]

Check = Literal["files", "claims", "picture", "metadata", "method", "residual"]
"""What was checked: files against the manifest, the manifest's claims, what a file shows, what else it holds,
whether the method was applied in every box, and faces outside of the boxes."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as claimed.

    Attributes:
        check: what found it.
        detail: a sentence without the file's name.
        is_sure: whether it speaks against the output; unsure ones are reported only.
    """

    check: Check
    detail: str
    is_sure: bool = True
