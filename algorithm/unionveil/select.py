"""Which of the detections are covered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from .detections import BoolArray, Detections, RgbImage

__all__ = ["Selector", "every_face"]

Selector: TypeAlias = Callable[[RgbImage, Detections], BoolArray]
"""Gives `(N,)` bool, True for each detection that is to be covered. The pixels are 8-bit RGB, upright."""


def every_face(image: RgbImage, faces: Detections) -> BoolArray:  # noqa: ARG001  the protocol gives it
    """All of them: the default."""
    return np.ones(len(faces), bool)
