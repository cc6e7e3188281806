"""At which scales and in which pieces a picture is looked at.

A network finds faces of some 10 to 600 px in what it is given. A picture of any size is therefore looked at
through several views, each bounded in pixels, so memory does not grow with the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..boxes import drop_fragments, nms
from ..faces import BoolArray, Faces, RgbImage
from .detector import Detector

__all__ = ["Detail", "View", "find_faces", "plan_views"]

Detail: TypeAlias = Literal["fast", "standard", "crowd"]

_TILE_PX = 1280
"""Longest side of one view of a network that takes any size: about 100 MB of activations."""

_OVERLAP_PX = 160
"""Shared by neighbouring tiles, in the network's pixels: a smaller face lies whole in one of them; larger
ones are found by a coarser view."""

_MOST_ENLARGED = 3.0
"""Beyond this an enlarged picture shows nothing new: a 4 px face becomes 12 px, the least that is found."""


@dataclass(frozen=True)
class View:
    """One look at a part of a picture.

    Attributes:
        xyxy: the part, in source pixels, half-open.
        size_wh: the size at which it is shown to the network.
        cut: whether left, top, right and bottom are inner edges, where a face may be cut.
    """

    xyxy: tuple[int, int, int, int]
    size_wh: tuple[int, int]
    cut: tuple[bool, bool, bool, bool]


def plan_views(
    size_wh: tuple[int, int], detail: Detail, fixed_wh: tuple[int, int] | None = None
) -> list[View]:
    """Views that together cover the whole picture at every scale that `detail` asks for.

    Args:
        size_wh: width and height of the picture.
        detail: see `AnonymizeConfig.detail`.
        fixed_wh: the only size that the network takes, if there is one.

    Returns:
        Views, coarsest scale first.
    """
    longest = max(size_wh)
    tile_wh = fixed_wh or (_TILE_PX, _TILE_PX)
    return [
        view for target in _scales_px(longest, detail) for view in _tiles(size_wh, target / longest, tile_wh)
    ]


def _scales_px(longest: int, detail: Detail) -> list[float]:
    """Longest sides, in pixels, at which the whole picture is shown.

    The coarse 640 px look finds faces that fill the picture; the others find small ones.
    """
    scales: list[float] = [min(640, longest * _MOST_ENLARGED)]
    if detail != "fast":
        scales.append(min(max(1280, min(longest / 2, 2560)), longest * 2))
    if detail == "crowd":
        scales += [longest] if longest > 2560 else [longest, min(2560, longest * _MOST_ENLARGED)]
    # A scale within a quarter of a finer one shows nothing that the finer one does not.
    ordered = sorted(set(scales))
    return [a for a, b in zip(ordered, [*ordered[1:], float("inf")], strict=True) if b > a * 1.25]


def _tiles(size_wh: tuple[int, int], scale: float, tile_wh: tuple[int, int]) -> list[View]:
    columns = _spans(size_wh[0], scale, tile_wh[0])
    rows = _spans(size_wh[1], scale, tile_wh[1])
    return [
        View(
            (x0, y0, x1, y1),
            (
                min(tile_wh[0], max(1, round((x1 - x0) * scale))),
                min(tile_wh[1], max(1, round((y1 - y0) * scale))),
            ),
            (x0 > 0, y0 > 0, x1 < size_wh[0], y1 < size_wh[1]),
        )
        for (y0, y1), (x0, x1) in product(rows, columns)
    ]


def _spans(length: int, scale: float, tile_px: int) -> list[tuple[int, int]]:
    """Equal overlapping stretches of `[0, length)`, each at most `tile_px` long after scaling."""
    if length * scale <= tile_px + 0.5:
        return [(0, length)]
    size = int(tile_px / scale)
    overlap = min(_OVERLAP_PX, tile_px // 3) / scale
    count = int(np.ceil((length - overlap) / (size - overlap)))
    starts = np.linspace(0, length - size, max(count, 2)).round().astype(int)
    return [(int(start), int(start) + size) for start in starts]


def find_faces(image: RgbImage, detector: Detector, threshold: float, detail: Detail) -> Faces:
    """Faces of a picture of any size, found through all views and merged.

    Args:
        image: `(H, W, 3)` uint8, red first.
        detector: what looks at each view.
        threshold: least score.
        detail: see `AnonymizeConfig.detail`.

    Returns:
        Faces in pixels of `image`, best first.
    """
    height, width = image.shape[:2]
    views = plan_views((width, height), detail, detector.fixed_wh)
    found = [_look(image, view, detector, threshold) for view in views]
    faces = Faces.concat([faces for faces, _ in found])
    cut = np.concatenate([at_edge for _, at_edge in found])
    best = nms(faces.xyxy, faces.score, detector.cards[0].nms_iou)
    return faces[best[drop_fragments(faces[best], cut[best], inside=0.85)]]


def _look(image: RgbImage, view: View, detector: Detector, threshold: float) -> tuple[Faces, BoolArray]:
    x0, y0, x1, y1 = view.xyxy
    part: npt.NDArray[Any] = image[y0:y1, x0:x1]
    scale_xy = (view.size_wh[0] / (x1 - x0), view.size_wh[1] / (y1 - y0))
    if view.size_wh != (x1 - x0, y1 - y0):
        part = cv2.resize(
            part, view.size_wh, interpolation=cv2.INTER_AREA if scale_xy[0] < 1 else cv2.INTER_LINEAR
        )
    faces = detector(np.ascontiguousarray(part), threshold)
    # A box that ends within 2 network pixels of an inner edge, or beyond it, is taken as cut.
    near = 2.0
    limit = np.asarray([near, near, view.size_wh[0] - near, view.size_wh[1] - near], np.float32)
    beyond = np.concatenate([faces.xyxy[:, :2] <= limit[:2], faces.xyxy[:, 2:] >= limit[2:]], axis=1)
    cut = (beyond & np.asarray(view.cut)).any(axis=1)
    return faces.transform(scale_xy=(1 / scale_xy[0], 1 / scale_xy[1]), offset_xy=(x0, y0)), cut
