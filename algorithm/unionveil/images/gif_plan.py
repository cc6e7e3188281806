"""Plans the regions of an animated GIF.

The screen before each frame is known, so only pixels that differ from it are drawn. This keeps files small,
and keeps the colours exact where every frame has its own palette, because only changed pixels count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from .gif_blocks import CLEAR, KEEP, RESTORE
from .palette import Packed

__all__ = ["Step", "plan"]

_CLEAR_COLOUR = 0
_MOST_COLOURS = 256


@dataclass(frozen=True)
class Step:
    """One region to be drawn.

    Attributes:
        place: rows and columns.
        colours: `(h, w)` packed RGBA of the region.
        drawn: `(h, w)`, the pixels that are drawn; the others stay as they are.
        disposal: what happens to the region afterwards.
    """

    place: tuple[slice, slice]
    colours: Packed
    drawn: npt.NDArray[np.bool_]
    disposal: int


def plan(frames: Sequence[Packed]) -> Iterator[Step]:
    """The regions that draw an animation.

    Args:
        frames: `(H, W)` packed RGBA of each whole image, opaque or 0.
    """
    screen = np.zeros_like(frames[0])
    for frame, following in zip_longest(frames, frames[1:]):
        changed = frame != screen
        vanishing = (frame != _CLEAR_COLOUR) & (following == _CLEAR_COLOUR) if following is not None else None
        outline = changed
        # Decoders fill the screen with a background colour where the first region leaves it blank. A first
        # region that fills the screen keeps those pixels transparent, if its table has room for that.
        if frame is frames[0] and len(np.unique(frame)) <= _MOST_COLOURS:
            outline = np.ones_like(changed)
        place = _box(outline)
        disposal, after = KEEP, frame
        if following is not None and vanishing is not None:
            clear_place = _box(outline | vanishing)
            disposal, after = _dispose(screen, frame, following, clear_place)
            place = clear_place if disposal == CLEAR else place
        yield Step(place, frame[place], changed[place], disposal)
        screen = after


def _dispose(
    screen: Packed, frame: Packed, following: Packed, clear_place: tuple[slice, slice]
) -> tuple[int, Packed]:
    """The disposal that leaves the fewest pixels to draw for the next frame, and the screen after it.

    Only disposal can make a pixel transparent, so the screen must be transparent wherever the next
    frame is. Clearing a box around all pixels that are to vanish always achieves that.
    """
    cleared = frame.copy()
    cleared[clear_place] = _CLEAR_COLOUR
    options = [(KEEP, frame), (RESTORE, screen), (CLEAR, cleared)]
    possible = [
        (disposal, after)
        for disposal, after in options
        if not ((after != _CLEAR_COLOUR) & (following == _CLEAR_COLOUR)).any()
    ]
    return min(possible, key=lambda option: int(np.count_nonzero(option[1] != following)))


def _box(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around all pixels of a mask; one pixel for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
