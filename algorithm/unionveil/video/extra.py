"""PyAV, which the extra `video` installs."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import MissingExtra

__all__ = ["MISSING", "has_video"]

MISSING = MissingExtra("a video", "av", "video")
"""The reason for refusing a video if PyAV is not installed."""


def has_video() -> bool:
    """Whether PyAV is installed; does not load it."""
    return find_spec("av") is not None
