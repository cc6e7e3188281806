"""The sizes and tiles in which a detector sees a picture.

A network finds faces of about 10 to 600 px in its input. A picture of any size is therefore resized to
several sizes, and each is cut into tiles of a bounded size, so that memory does not grow with the picture.
Very long pictures are cut into pieces first, because faces would vanish in a resized version of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Literal, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..boxes import drop_fragments, nms, unite
from ..detections import BoolArray, Detections, FloatArray, RgbImage
from .detector import Detector

__all__ = [
    "Detail",
    "Tile",
    "closer",
    "find_faces",
    "find_lines",
    "mirror_is_cheap",
    "plan_pieces",
    "plan_sizes",
    "plan_tiles",
    "reduction",
]

Detail: TypeAlias = Literal["fast", "standard", "crowd"]

_TILE_PX = 1280
"""Longest side of a tile for a network that takes any size: about 100 MB of activations."""

_TEXT_TILE_PX = 960
"""Longest side of a tile for the detector of text, which needs much more memory per pixel (`runs.needs`). In
tiles of 640 px, objects that an edge cuts are mistaken for text, and twice as much of a photo is covered."""

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
"""Pictures with a longer side are not enlarged at crowd, and are searched at full size only where something
was found at half size."""

_GLIMPSE = 0.06
"""Least score at half size of anything that is searched again at full size; faces score half or more. Of the
3,153 boxes that crowd finds on 16 canvases of 12 megapixels, made of validation photos, four small ones are
lost; at .1 eight, and at .03 about two, for 7 % more time on photos of 12 megapixels."""

_STEP_PX = 32
"""The coarsest stride of the networks."""

_CHEAP_PX = 1_600_000
"""At standard detail, the mirrored picture is used too if all sizes together have at most this many pixels. A
photo of 12 megapixels takes twice as many without mirroring, so no picture of ordinary size takes longer."""


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


def plan_sizes(size_wh: tuple[int, int], detail: Detail) -> list[tuple[int, int]]:
    """Sizes (width and height) to which the whole picture is resized, largest first.

    Fast is 640 px. Standard is 1280 px or, for large pictures, half their size up to 2560 px, with small
    pictures enlarged at most twice; and a quarter of that, for faces that fill the picture. Crowd adds the
    picture's own size, half of it, and an enlarged version of small pictures.

    Args:
        size_wh: width and height of the picture.
        detail: see `AnonymizeConfig.detail`.
    """
    longest = max(size_wh)
    if detail == "fast":
        targets = [min(640.0, longest * _MOST_ENLARGED)]
    else:
        fine = min(max(1280.0, min(longest / 2, 2560.0)), longest * 2.0)
        targets = [fine, fine / 4]
    if detail == "crowd":
        targets += [longest, longest / 2 if longest > _LARGE_PX else min(2560.0, longest * _MOST_ENLARGED)]
    targets.sort(reverse=True)
    # A size within a quarter of a larger one shows nothing new.
    kept = [target for i, target in enumerate(targets) if i == 0 or targets[i - 1] > target * 1.25]
    return [(max(1, round(size_wh[0] * t / longest)), max(1, round(size_wh[1] * t / longest))) for t in kept]


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


def find_faces(
    image: RgbImage,
    detector: Detector,
    threshold: float,
    detail: Detail,
    *,
    mirror: bool = True,
    size_wh: tuple[int, int] | None = None,
) -> Detections:
    """The faces of a picture of any size, found in all tiles at all sizes and merged.

    Args:
        image: `(H, W, 3)` uint8, RGB.
        detector: runs on each tile.
        threshold: least score.
        detail: see `AnonymizeConfig.detail`.
        mirror: whether the mirrored picture may be used too; see `mirror_is_cheap`.
        size_wh: width and height of the picture, if `image` is a reduced version of it, by at most
            `reduction`.

    Returns:
        Faces in pixels of the picture, best first.

    Raises:
        ModelError: the model failed.
    """
    size_wh = size_wh or (image.shape[1], image.shape[0])
    detect = partial(detector, mirror=mirror and mirror_is_cheap(size_wh, detail))
    search = _Search(detect, threshold, detector.fixed_wh or (_TILE_PX, _TILE_PX))
    faces, cut, tile = _searched(image, search, detail, size_wh)
    # Whole boxes come before cut ones, whatever their scores: part of a face must never replace the face. Two
    # faces found in the same tile stay two.
    kept = nms(faces.xyxy, faces.score - 2 * cut, detector.card.nms_iou, group=tile)
    kept = kept[drop_fragments(faces[kept], cut[kept], inside=0.85)]
    return faces[kept[np.argsort(-faces.score[kept], kind="stable")]]


def find_lines(
    image: RgbImage,
    detector: Detector,
    threshold: float,
    detail: Detail,
    *,
    size_wh: tuple[int, int] | None = None,
) -> Detections:
    """Lines of text, or plates, in a picture of any size, found in all tiles at all sizes and merged.

    Two tiles may each have seen part of a line, so the better box does not replace the other but grows to
    contain it.

    Args:
        image: `(H, W, 3)` uint8, RGB.
        detector: runs on each tile.
        threshold: least score.
        detail: see `AnonymizeConfig.detail`.
        size_wh: as for `find_faces`.

    Returns:
        Lines in pixels of the picture, best first.

    Raises:
        ModelError: the model failed.
    """
    size_wh = size_wh or (image.shape[1], image.shape[0])
    search = _Search(detector, threshold, detector.fixed_wh or (_TEXT_TILE_PX, _TEXT_TILE_PX))
    found, cut, _ = _searched(image, search, detail, size_wh)
    found = found[drop_fragments(found, cut, inside=0.95)]
    xyxy, kept = unite(found.xyxy, found.score, detector.card.nms_iou)
    return replace(found[kept], xyxy=xyxy)


def _searched(
    image: RgbImage, search: _Search, detail: Detail, size_wh: tuple[int, int]
) -> tuple[Detections, BoolArray, npt.NDArray[np.intp]]:
    """All boxes of all tiles, whether an inner edge cuts each of them, and the number of its tile."""
    found = [part for piece in plan_pieces(size_wh) for part in _detect_piece(image, piece, search, detail)]
    found = [(faces[sure], cut[sure]) for faces, cut in found for sure in [faces.score >= search.threshold]]
    tile = np.repeat(np.arange(len(found)), [len(cut) for _, cut in found])
    return Detections.concat([faces for faces, _ in found]), np.concatenate([cut for _, cut in found]), tile


@dataclass(frozen=True)
class _Search:
    """How tiles are searched.

    Attributes:
        detect: returns the boxes in a tile, given its pixels and a threshold.
        threshold: least score.
        tile_wh: largest tile.
    """

    detect: Callable[[RgbImage, float], Detections]
    threshold: float
    tile_wh: tuple[int, int]


def _detect_piece(
    image: RgbImage, piece: Tile, search: _Search, detail: Detail
) -> Iterator[tuple[Detections, BoolArray]]:
    """Boxes of one piece in pixels of the image, tile by tile, and whether an inner edge cuts each of them.

    A large picture is searched at full size only where something was found at half size. Boxes at half size
    may therefore score below the threshold.
    """
    left, top, right, bottom = piece.xyxy
    part = image[top:bottom, left:right]
    whole_wh = (right - left, bottom - top)
    own, *sizes = plan_sizes(whole_wh, detail)
    if own != whole_wh or max(own) <= _LARGE_PX:
        sizes.insert(0, own)
    glimpses: list[FloatArray] = []
    layer = part
    for number, size_wh in enumerate(sizes):
        # Each size is made from the previous one, which is closer to it than the picture itself.
        layer = _resize(layer if size_wh[0] <= layer.shape[1] else part, size_wh)
        halved = own not in sizes and number == 0
        threshold = min(search.threshold, _GLIMPSE) if halved else search.threshold
        for tile in plan_tiles(size_wh, search.tile_wh):
            boxes, cut = _detect_tile(layer, _inside(tile, size_wh, piece), search.detect, threshold)
            boxes = boxes.transform(scale_xy=(whole_wh[0] / size_wh[0], whole_wh[1] / size_wh[1]))
            glimpses += [boxes.xyxy] if halved else []
            yield boxes.transform(scale_xy=(1, 1), offset_xy=(left, top)), cut
    if glimpses:
        for tile in closer(plan_tiles(own, search.tile_wh), np.concatenate(glimpses)):
            boxes, cut = _detect_tile(part, _inside(tile, own, piece), search.detect, search.threshold)
            yield boxes.transform(scale_xy=(1, 1), offset_xy=(left, top)), cut


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


def _inside(tile: Tile, size_wh: tuple[int, int], piece: Tile) -> Tile:
    """A tile of a resized piece, with the cuts of the piece where the tile ends at the piece's edges."""
    x0, y0, x1, y1 = tile.xyxy
    ends = (x0 == 0, y0 == 0, x1 == size_wh[0], y1 == size_wh[1])
    left, top, right, bottom = (
        own or (end and outer) for own, end, outer in zip(tile.cut, ends, piece.cut, strict=True)
    )
    return Tile(tile.xyxy, (left, top, right, bottom))


def _resize(image: RgbImage, size_wh: tuple[int, int]) -> RgbImage:
    """Enlarges linearly; shrinks by halves first, each the mean of four pixels, and then linearly.

    This is five times as fast as a single area filter over a large picture, and skips no pixel. Halving drops
    an odd last row or column, which moves a face by less than a pixel of the picture.
    """
    shrunk = image
    while shrunk.shape[1] >= 2 * size_wh[0] and shrunk.shape[0] >= 2 * size_wh[1]:
        height, width = shrunk.shape[0] // 2, shrunk.shape[1] // 2
        even = shrunk[: 2 * height, : 2 * width]
        shrunk = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    if shrunk.shape[1::-1] == size_wh:
        return shrunk
    return np.asarray(cv2.resize(shrunk, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)


def _detect_tile(
    layer: RgbImage, tile: Tile, detect: Callable[[RgbImage, float], Detections], threshold: float
) -> tuple[Detections, BoolArray]:
    """Boxes in one tile in pixels of the layer, and whether an inner edge cuts each of them."""
    x0, y0, x1, y1 = tile.xyxy
    faces = detect(np.ascontiguousarray(layer[y0:y1, x0:x1]), threshold)
    # A box that ends within 2 px of an inner edge, or beyond it, counts as cut.
    near = 2.0
    beyond = np.concatenate(
        [faces.xyxy[:, :2] <= near, faces.xyxy[:, 2:] >= np.array([x1 - x0 - near, y1 - y0 - near])], axis=1
    )
    cut = (beyond & np.asarray(tile.cut)).any(axis=1)
    return faces.transform(scale_xy=(1, 1), offset_xy=(x0, y0)), cut
