"""Plans in which sizes, pieces and tiles a picture is searched.

A network finds faces of about 10 to 600 px in its input. A picture of any size is therefore resized to
several sizes, and each is cut into tiles of a bounded size, so that memory does not grow with the picture.
Very long pictures are cut into pieces first, because faces would vanish in a resized version of the whole.

Most of a photo shows nobody. The largest size is therefore searched only around what was seen, however
faintly, at half of it, and at standard detail a quarter of it only if something large was seen there; only
enlarged pictures are searched everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..detections import FloatArray
from .detector import Detail

__all__ = [
    "Tile",
    "closer",
    "is_glimpsed",
    "mirror_is_cheap",
    "plan_pieces",
    "plan_sizes",
    "plan_tiles",
    "reduction",
]

_OVERLAP_PX = 160
"""Shared by neighbouring tiles: a smaller face is whole in one of them; a larger one is found at a coarser
size."""

_LONGEST_RATIO = 4
"""Longer pictures are cut into pieces of this aspect ratio. Phone panoramas reach it."""

_LEAST_PIECE_PX = 1280
"""A piece is at least this long: shorter ones would be enlarged needlessly."""

_LEAST_FACE_PX = 8
"""A narrower picture contains no face, however long it is."""

_MOST_ENLARGED = 3.0
"""Enlarging further shows nothing new: a 4 px face becomes 12 px, the smallest that is found."""

_LARGE_PX = 2560
"""Pictures with a longer side are not enlarged at crowd."""

_STEP_PX = 32
"""The coarsest stride of the networks."""

_CHEAP_PX = 1_750_000
"""At standard detail, the mirrored picture is used too if all sizes together have at most this many pixels,
not counting half of the largest. A square of 1280 px has a few less, a photo of 12 megapixels 1.8 times as
many."""


@dataclass(frozen=True)
class Tile:
    """A part of a picture.

    Attributes:
        xyxy: the part in pixels, half-open.
        cut: whether left, top, right and bottom are inner edges, where a face may be cut.
    """

    xyxy: tuple[int, int, int, int]
    cut: tuple[bool, bool, bool, bool]


def plan_pieces(size_wh: tuple[int, int]) -> list[Tile]:
    """The whole picture, or pieces of a very long one that overlap by the length of its shorter side.

    Args:
        size_wh: width and height of the picture.
    """
    shortest = min(size_wh)
    if shortest < _LEAST_FACE_PX:
        return _cut(size_wh, size_wh, 0)
    side = max(_LONGEST_RATIO * shortest, _LEAST_PIECE_PX)
    return _cut(size_wh, (side, side), min(shortest, side // 3))


def plan_sizes(size_wh: tuple[int, int], detail: Detail, *, halved: bool = False) -> list[tuple[int, int]]:
    """Sizes (width and height) to which the whole picture is resized, largest first.

    Fast is 640 px. Standard is 1280 px or, for large pictures, half their size up to 2560 px, with small
    pictures enlarged at most twice; and a quarter of that, for faces that fill the picture. Crowd adds the
    picture's own size, half of it, and an enlarged version of small pictures.

    Args:
        size_wh: width and height of the picture.
        detail: see `AnonymizeConfig.detail`.
        halved: whether standard has half of its largest size too, unless that is enlarged; see
            `is_glimpsed`.
    """
    longest = max(size_wh)
    if detail == "fast":
        targets = [min(640.0, longest * _MOST_ENLARGED)]
    else:
        fine = min(max(1280.0, min(longest / 2, 2560.0)), longest * 2.0)
        targets = [fine, fine / 4]
        if halved and detail == "standard" and fine <= longest:
            targets.append(fine / 2)
    if detail == "crowd":
        targets += [longest, longest / 2 if longest > _LARGE_PX else min(2560.0, longest * _MOST_ENLARGED)]
    targets.sort(reverse=True)
    # A size within a quarter of a larger one shows nothing new.
    kept = [target for i, target in enumerate(targets) if i == 0 or targets[i - 1] > target * 1.25]
    return [(max(1, round(size_wh[0] * t / longest)), max(1, round(size_wh[1] * t / longest))) for t in kept]


def is_glimpsed(sizes: Sequence[tuple[int, int]], size_wh: tuple[int, int]) -> bool:
    """Whether the largest size is searched only around what was seen at half of it: not if it is enlarged.

    Args:
        sizes: as planned, largest first.
        size_wh: width and height of the picture.
    """
    longest = [max(size) for size in sizes]
    return longest[0] <= max(size_wh) and len(sizes) > 1 and longest[0] <= 2 * longest[1] + 1


def mirror_is_cheap(size_wh: tuple[int, int], detail: Detail) -> bool:
    """Whether the mirrored picture is used too: always at crowd, at standard if it is small, never at fast.

    Args:
        size_wh: width and height of the picture.
        detail: see `AnonymizeConfig.detail`.
    """
    pixels = sum(
        width * height
        for x0, y0, x1, y1 in (piece.xyxy for piece in plan_pieces(size_wh))
        for width, height in plan_sizes((x1 - x0, y1 - y0), detail)
    )
    return detail == "crowd" or (detail == "standard" and pixels <= _CHEAP_PX)


def plan_tiles(size_wh: tuple[int, int], tile_wh: tuple[int, int]) -> list[Tile]:
    """Equal overlapping tiles, none larger than `tile_wh`, that together cover a picture."""
    return _cut(size_wh, tile_wh, _OVERLAP_PX)


def _cut(size_wh: tuple[int, int], tile_wh: tuple[int, int], overlap_px: int) -> list[Tile]:
    width, height = size_wh
    rows, columns = _spans(height, tile_wh[1], overlap_px), _spans(width, tile_wh[0], overlap_px)
    return [
        Tile((x0, y0, x1, y1), (x0 > 0, y0 > 0, x1 < width, y1 < height))
        for (y0, y1), (x0, x1) in product(rows, columns)
    ]


def _spans(length: int, tile_px: int, overlap_px: int) -> list[tuple[int, int]]:
    if length <= tile_px:
        return [(0, length)]
    overlap = min(overlap_px, tile_px // 3)
    count = -(-(length - overlap) // (tile_px - overlap))
    side = -(-(length + (count - 1) * overlap) // count)
    starts = np.linspace(0, length - side, count).round().astype(int)
    return [(int(start), int(start) + side) for start in starts]


def reduction(size_wh: tuple[int, int], detail: Detail) -> int:
    """The factor (1, 2, 4 or 8) by which a picture may be reduced before it is resized for the detector.

    Args:
        size_wh: width and height of the picture.
        detail: see `AnonymizeConfig.detail`.
    """
    if len(plan_pieces(size_wh)) > 1:
        return 1
    closest = max(plan_sizes(size_wh, detail)[0])
    return next((scale for scale in (8, 4, 2) if closest * scale <= max(size_wh)), 1)


def closer(tiles: list[Tile], xyxy: FloatArray) -> list[Tile]:
    """The tiles that `(N, 4)` boxes touch, cut down to those boxes and their surroundings.

    Cuts lie whole steps from the tile's corner, so that a network's cells lie where they would in the whole
    tile.
    """
    found = []
    for tile in tiles:
        x0, y0, x1, y1 = tile.xyxy
        inside = (xyxy[:, :2] < [x1, y1]).all(axis=1) & (xyxy[:, 2:] > [x0, y0]).all(axis=1)
        if not inside.any():
            continue
        low, high = xyxy[inside, :2].min(axis=0), xyxy[inside, 2:].max(axis=0)
        left, right = _around(x0, x1, float(low[0]), float(high[0]))
        top, bottom = _around(y0, y1, float(low[1]), float(high[1]))
        cut = tile.cut
        edges = (cut[0] or left > x0, cut[1] or top > y0, cut[2] or right < x1, cut[3] or bottom < y1)
        found.append(Tile((left, top, right, bottom), edges))
    return found


def _around(start: int, end: int, low: float, high: float) -> tuple[int, int]:
    """The part of `[start, end)` around `[low, high]`, in whole steps from `start`."""
    first = max(0, math.floor((low - _OVERLAP_PX - start) / _STEP_PX))
    last = math.ceil((high + _OVERLAP_PX - start) / _STEP_PX)
    return start + first * _STEP_PX, min(end, start + last * _STEP_PX)
