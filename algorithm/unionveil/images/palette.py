"""Colours as indices into a table, without loss; palette images are written from these.

A decoded frame holds colours, not indices, so a table built from it holds exactly the colours that are shown:
unused entries, the order of entries and duplicate entries cannot carry anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "Packed",
    "bands",
    "colours_of",
    "indices_of",
    "pack",
    "packed_rows",
    "sub_byte_depth",
    "unpack",
    "unpack_rows",
    "values_in",
]

Packed: TypeAlias = npt.NDArray[np.uint32]
"""Colours of 1 to 4 channels of 8 bits, one number each; see `pack`."""

_HASH_BITS = 16
_BAND_PIXELS = 1 << 18


def pack(pixels: npt.NDArray[np.uint8]) -> Packed:
    """`(..., C)` uint8 with C of 1 to 4 as `(...)` uint32; the last channel is the most significant.

    Transparent colours therefore come first in ascending order, as PNG's `tRNS` requires.
    """
    packed = np.zeros(pixels.shape[:-1], np.uint32)
    for channel in range(pixels.shape[-1]):
        packed |= pixels[..., channel].astype(np.uint32) << (8 * channel)
    return packed


def unpack(packed: Packed, channels: int) -> npt.NDArray[np.uint8]:
    """The inverse of `pack`."""
    return np.stack([(packed >> (8 * channel)).astype(np.uint8) for channel in range(channels)], axis=-1)


def colours_of(pictures: Iterable[npt.NDArray[np.uint8] | Packed], most: int = 256) -> Packed | None:
    """All colours of some images.

    Args:
        pictures: `(H, W, C)` uint8 of equal C, or `(H, W)` packed.
        most: largest number of colours of interest, at most 256.

    Returns:
        `(K,)` packed colours in ascending order, or None if there are more than `most`.
    """
    known = np.empty(0, np.uint32)
    table = _HashTable(known)
    for pixels in pictures:
        for rows in bands(pixels.shape[0], pixels.shape[1]):
            packed = _packed(pixels[rows])
            _, found = table.look_up(packed)
            if not found.all():
                known = np.concatenate([known, np.unique(packed[~found])])
                if len(known) > most:
                    return None
                table = _HashTable(known)
    return np.sort(known)


def indices_of(pixels: npt.NDArray[np.uint8] | Packed, colours: Packed) -> npt.NDArray[np.uint8]:
    """Place of each pixel's colour in a table.

    Args:
        pixels: `(H, W, C)` uint8, or `(H, W)` packed.
        colours: `(K,)` packed colours, at most 256, all different, including all colours of the pixels.

    Returns:
        `(H, W)` uint8.

    Raises:
        ValueError: a pixel has a colour that is not in the table.
    """
    table = _HashTable(colours)
    indices = np.empty(pixels.shape[:2], np.uint8)
    for rows in bands(pixels.shape[0], pixels.shape[1]):
        indices[rows], found = table.look_up(_packed(pixels[rows]))
        if not found.all():
            raise ValueError("a pixel has a colour that is not in the table")
    return indices


def _packed(pixels: npt.NDArray[np.uint8] | Packed) -> Packed:
    return (
        pack(pixels.astype(np.uint8, copy=False))
        if pixels.ndim == 3
        else pixels.astype(np.uint32, copy=False)
    )


def bands(height: int, width: int) -> Iterator[slice]:
    """Slices of rows of about 262,144 pixels each, so that temporaries stay small."""
    step = max(1, _BAND_PIXELS // max(1, width))
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))


class _HashTable:
    """Position of each of at most 256 packed colours, by a collision-free multiplicative hash.

    Multipliers are tried until one separates all colours: with 65,536 slots and 256 colours, about two in
    three do (birthday problem: exp(-256^2 / 2 / 65536) = 0.61).
    """

    def __init__(self, colours: Packed) -> None:
        rng = np.random.default_rng(0)
        while True:
            self._multiplier = np.uint32(rng.integers(1, 1 << 32, dtype=np.uint32) | np.uint32(1))
            places = self._place(colours)
            if len(np.unique(places)) == len(colours):
                break
        self._index = np.zeros(1 << _HASH_BITS, np.uint8)
        self._index[places] = np.arange(len(colours))
        self._colours = np.zeros(256, np.uint32)
        self._colours[: len(colours)] = colours
        self._empty = len(colours) == 0

    def _place(self, packed: Packed) -> Packed:
        return (packed * self._multiplier) >> np.uint32(32 - _HASH_BITS)

    def look_up(self, packed: Packed) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Finds colours in the table.

        Args:
            packed: of any shape.

        Returns:
            Index of each colour, and whether the table has it (if not, the index is meaningless); both of
            the shape of `packed`.
        """
        index = self._index[self._place(packed)]
        found = (self._colours[index] == packed) & (not self._empty)
        return index, found


def packed_rows(values: npt.NDArray[np.uint8], depth: int) -> npt.NDArray[np.uint8]:
    """Samples of 1, 2, 4 or 8 bits as bytes, the first sample in the highest bits, rows padded with zeros.

    Args:
        values: `(H, N)` uint8, each below `2 ** depth`.
        depth: bits per sample.

    Returns:
        `(H, ceil(N * depth / 8))` uint8.
    """
    if depth == 8:
        return values
    if depth == 1:
        return np.packbits(values, axis=1)
    per_byte = 8 // depth
    packed = np.zeros((values.shape[0], -(-values.shape[1] // per_byte)), np.uint8)
    for place in range(per_byte):
        part = values[:, place::per_byte]
        packed[:, : part.shape[1]] |= part << (8 - depth * (place + 1))
    return packed


def unpack_rows(rows: npt.NDArray[np.uint8], depth: int, count: int) -> npt.NDArray[np.uint8]:
    """The inverse of `packed_rows`: `(H, bytes)` to `(H, count)` samples."""
    if depth == 8:
        return rows[:, :count]
    if depth == 1:
        return np.unpackbits(rows, axis=1, count=count)
    per_byte = 8 // depth
    values = np.empty((rows.shape[0], rows.shape[1] * per_byte), np.uint8)
    for place in range(per_byte):
        values[:, place::per_byte] = rows >> (8 - depth * (place + 1)) & ((1 << depth) - 1)
    return values[:, :count]


def sub_byte_depth(grey: npt.NDArray[np.uint8], least: int) -> int:
    """Least bits per sample, 1, 2, 4 or 8 and at least `least`, that represent 8-bit grey values exactly.

    A sample s of d bits represents the grey value s * 255 / (2 ** d - 1).
    """
    values = values_in(grey)
    for depth in (1, 2, 4):
        if depth >= least and not (values % (255 // ((1 << depth) - 1))).any():
            return depth
    return 8


def values_in(samples: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """All values in `(H, W)` uint8, in ascending order."""
    used = np.zeros(256, bool)
    for rows in bands(samples.shape[0], samples.shape[1]):
        used |= np.bincount(samples[rows].ravel(), minlength=256) > 0
    return np.flatnonzero(used)
