"""PyAV, which the extra `video` brings."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import MissingExtra

__all__ = ["MISSING", "has_video"]

MISSING = MissingExtra("a video", "av", "video")
"""What a video is refused with where PyAV is not installed."""


def has_video() -> bool:
    """Whether PyAV is installed; it is not loaded."""
    return find_spec("av") is not None
