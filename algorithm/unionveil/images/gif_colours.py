"""Fits the colours of a GIF's region into a table of at most 256."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from .palette import Packed, pack, unpack

__all__ = ["fit_colours"]

_BATCH = 4096


def fit_colours(colours: Packed, old: Packed, most: int) -> Packed:
    """Reduces colours to at most a given number.

    Colours of the input take precedence, the most common first if there are too many: pixels outside the
    covers stay exact as long as they fit. The new colours share the remaining entries, at least one; a rare
    input colour gives up its entry if necessary.

    Args:
        colours: `(N,)` packed opaque RGBA of all pixels.
        old: `(K,)` packed colours of the input.
        most: number of colours that the table can hold.

    Returns:
        `(N,)` packed, with at most `most` different colours.
    """
    values, inverse, counts = np.unique(colours, return_inverse=True, return_counts=True)
    if len(values) <= most:
        return colours
    known = np.isin(values, old)
    places = most - max(1, most - int(known.sum())) if not known.all() else most
    common = np.argsort(np.where(known, -counts, 0), kind="stable")[:places]
    kept = values[common]
    fresh = values[~known]
    if len(fresh):
        kept = np.concatenate([kept, _quantized(fresh, counts[~known], most - len(kept))])
    return _nearest(values, np.unique(kept))[inverse.reshape(-1)]


def _quantized(values: Packed, counts: npt.NDArray[np.int64], most: int) -> Packed:
    """At most `most` representative colours, by median cut, weighted by their counts."""
    if len(values) <= most:
        return values
    shares = np.maximum(1, counts * 4096 // counts.sum())
    pixels = unpack(np.repeat(values, shares), 3)[None]
    quantized = Image.fromarray(pixels, "RGB").quantize(most, dither=Image.Dither.NONE)
    table = np.array(quantized.getpalette() or [], np.uint8).reshape(-1, 3)[:most]
    return np.unique(pack(np.concatenate([table, np.full((len(table), 1), 255, np.uint8)], axis=1)))


def _nearest(values: Packed, table: Packed) -> Packed:
    """For each colour the nearest of a table, by Euclidean distance in RGB."""
    targets = unpack(table, 3).astype(np.int32)
    found = np.empty_like(values)
    for start in range(0, len(values), _BATCH):
        part = unpack(values[start : start + _BATCH], 3).astype(np.int32)
        distance = ((part[:, None] - targets[None]) ** 2).sum(axis=2)
        found[start : start + _BATCH] = table[distance.argmin(axis=1)]
    return found
