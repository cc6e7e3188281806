"""Searches a picture in the sizes and tiles of `plan`, and merges what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..boxes import drop_fragments, nms, shorter_sides, unite
from ..detections import BoolArray, Detections, FloatArray, RgbImage
from .detector import Detail, Detector
from .plan import Tile, closer, is_glimpsed, mirror_is_cheap, plan_pieces, plan_sizes, plan_tiles

__all__ = ["find_faces", "find_lines"]

_Found: TypeAlias = tuple[Detections, BoolArray]
"""The boxes of a tile, and whether an inner edge cuts each of them."""

_TILE_PX = 1280
"""Longest side of a tile for a network that takes any size: about 100 MB of activations."""

_TEXT_TILE_PX = 960
"""Longest side of a tile for the detector of text, which needs much more memory per pixel (`runs.needs`). In
tiles of 640 px, objects that an edge cuts are mistaken for text, and twice as much of a photo is covered."""

_GLIMPSE = 0.01
"""Least score at half size of anything that is searched again at full size; faces score half or more. At .03,
faces that score .8 and more at full size are lost (`training/LOG.md`)."""

_CLEAR_PX = 64
"""Shorter side at half size from which full size would show nothing new of a box. A quarter might: there, a
face that fills the picture is clearest."""


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
    tile_wh = detector.fixed_wh or (_TILE_PX, _TILE_PX)
    search = _Search(detect, threshold, tile_wh, detail in detector.glimpses)
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
    tile_wh = detector.fixed_wh or (_TEXT_TILE_PX, _TEXT_TILE_PX)
    search = _Search(detector, threshold, tile_wh, detail in detector.glimpses)
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
        glimpses: whether the largest size is searched only around what was seen at half of it.
    """

    detect: Callable[[RgbImage, float], Detections]
    threshold: float
    tile_wh: tuple[int, int]
    glimpses: bool

    @property
    def faint(self) -> _Search:
        """The same for glimpses."""
        return replace(self, threshold=min(self.threshold, _GLIMPSE))


def _detect_piece(image: RgbImage, piece: Tile, search: _Search, detail: Detail) -> Iterator[_Found]:
    """Boxes of one piece in pixels of the image, tile by tile, and whether an inner edge cuts each of them.

    Boxes at half of the largest size may score below the threshold.
    """
    left, top, right, bottom = piece.xyxy
    part = image[top:bottom, left:right]
    whole_wh = (right - left, bottom - top)

    def placed(found: Iterable[_Found], size_wh: tuple[int, int]) -> Iterator[_Found]:
        scale_xy = (whole_wh[0] / size_wh[0], whole_wh[1] / size_wh[1])
        return ((boxes.transform(scale_xy=scale_xy, offset_xy=(left, top)), cut) for boxes, cut in found)

    sizes = plan_sizes(whole_wh, detail, halved=search.glimpses)
    largest, *others = sizes
    closest = layer = _resize(part, largest)
    tiles = plan_tiles(largest, search.tile_wh)
    if search.glimpses and is_glimpsed(sizes, whole_wh):
        half = others.pop(0)
        layer = _resize(closest, half)
        at_half = plan_tiles(half, search.tile_wh)
        seen = list(_detect_layer(layer, piece, at_half, search.faint))
        yield from placed(seen, half)
        scale_xy = np.array(largest, np.float32) / np.array(half, np.float32)
        faint = _glimpses(seen)
        is_small = shorter_sides(faint) < _CLEAR_PX
        tiles = closer(tiles, faint[is_small] * np.tile(scale_xy, 2))
        if detail == "standard" and len(at_half) == 1 and is_small.all():
            others = []  # no large face, which several tiles would have cut
    yield from placed(_detect_layer(closest, piece, tiles, search), largest)
    for size_wh in others:
        # Each size is made from the previous one, which is closer to it than the picture itself.
        layer = _resize(layer, size_wh)
        yield from placed(_detect_layer(layer, piece, plan_tiles(size_wh, search.tile_wh), search), size_wh)


def _glimpses(seen: Iterable[_Found]) -> FloatArray:
    """`(N, 4)` boxes at half size, however faint."""
    boxes = Detections.concat([boxes for boxes, _ in seen])
    return boxes.xyxy[boxes.score >= _GLIMPSE]


def _detect_layer(layer: RgbImage, piece: Tile, tiles: list[Tile], search: _Search) -> Iterator[_Found]:
    """Boxes of some tiles of a resized piece in its pixels, and whether an inner edge cuts each of them."""
    size_wh = (layer.shape[1], layer.shape[0])
    for tile in tiles:
        yield _detect_tile(layer, _inside(tile, size_wh, piece), search)


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


def _detect_tile(layer: RgbImage, tile: Tile, search: _Search) -> _Found:
    """Boxes in one tile in pixels of the layer, and whether an inner edge cuts each of them."""
    x0, y0, x1, y1 = tile.xyxy
    faces = search.detect(np.ascontiguousarray(layer[y0:y1, x0:x1]), search.threshold)
    # A box that ends within 2 px of an inner edge, or beyond it, counts as cut.
    near = 2.0
    beyond = np.concatenate(
        [faces.xyxy[:, :2] <= near, faces.xyxy[:, 2:] >= np.array([x1 - x0 - near, y1 - y0 - near])], axis=1
    )
    cut = (beyond & np.asarray(tile.cut)).any(axis=1)
    return faces.transform(scale_xy=(1, 1), offset_xy=(x0, y0)), cut
