"""A mosaic: the mean of each cell in place of its pixels."""

from __future__ import annotations

import numpy as np

from ..images import Pixels

__all__ = ["pixelate"]

_LEAST_CELL_PX = 2
"""A cell of one pixel would change nothing."""


def pixelate(patch: Pixels, cells: int) -> Pixels:
    """Replaces each square cell by its exact mean.

    Args:
        patch: `(h, w, C)` uint8 or uint16, a face with its margin.
        cells: cells along the longer side, whatever the face's size, so that a large face keeps no more
            detail than a small one.

    Returns:
        The same shape and dtype.
    """
    height, width = patch.shape[:2]
    cell_px = max(_LEAST_CELL_PX, -(-max(height, width) // cells))
    rows, columns = np.arange(0, height, cell_px), np.arange(0, width, cell_px)
    sums = np.add.reduceat(np.add.reduceat(patch.astype(np.float64), rows, axis=0), columns, axis=1)
    tall, wide = np.diff([*rows, height]), np.diff([*columns, width])
    means = np.rint(sums / (tall[:, None] * wide)[..., None]).astype(patch.dtype)
    return means.repeat(tall, axis=0).repeat(wide, axis=1)
