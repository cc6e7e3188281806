"""Writes pictures with and without a cover, and checks each output with another decoder."""

from __future__ import annotations

import numpy as np

from unionveil.images import Frame, Patch, decode
from unionveil.images.check import check_output


def patch(frame: Frame, value: int) -> Patch:
    """A cover of one value over three rows and four columns."""
    channels = frame.colour.channels - frame.colour.has_alpha
    return Patch(slice(1, 4), slice(2, 6), np.full((1, 1, channels), value, frame.pixels.dtype))


def check_covers(data: bytes) -> None:
    picture = decode(data, 1e7)
    for patches in (
        [()] * len(picture.frames),
        [(patch(frame, 0),) for frame in picture.frames],
        [(patch(frame, 3),) for frame in picture.frames],
    ):
        check_output(picture.write(patches).data, picture, patches)
