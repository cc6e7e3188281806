"""Views of photos: crops at another scale, flipped or rotated, and mosaics of several; the boxes follow.

Photos are shrunk after labelling, so the network learns faces smaller than any teacher detects. Every
function is pure apart from the generator it draws from; images are `(H, W, 3)` uint8, blue first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from unionveil.boxes import area, shorter_sides

from ..spec import FLIPPED_LANDMARKS, MEAN_BGR
from .labels import Labels
from .photos import Image

__all__ = ["Rng", "Sampler", "clip", "flip", "mosaic", "random_view", "rotate", "take_view"]

Rng: TypeAlias = np.random.Generator
Sampler: TypeAlias = Callable[[Rng], tuple[Image, Labels]]
"""Draws a random photo and its labels."""

_MIN_FACE_PX = 6.0
"""Shorter side below which a face is ignored: too few pixels to recognise it."""

_TARGET_PX = (7.0, 420.0)
"""Range of sizes that faces are scaled to where the view can hold them: from below what the teachers detect
to the largest that the priors cover."""

_MAX_SHARE_OF_VIEW = 0.95
"""Largest face at the centre of a view, as a share of the view's shorter side."""

_OVERSIZED, _MAX_OVERSIZE = 0.06, 2.2
"""Share of centred views that show only a part of the face, and the face's largest side there over the
view's: the detector also runs on enlarged large faces, and must not detect a face in a cheek."""

_SQUEEZED, _MAX_SQUEEZE = 0.4, 1.3
"""Share of views stretched along one axis and squeezed along the other, and by how much: collected photos
are often resized to squares."""

_CENTRED = 0.78
"""Share of views centred near a face or hard negative, if the photo has one; the others are random crops."""

_HARD_WEIGHT = 3.0
"""How often a view is centred near a hard face or false positive, other boxes of the photo being 1."""

_HARD_SHARE, _HARD_PX = 0.6, (18.0, 60.0)
"""Share of views centred on a hard one that show it at a size from this range, in which the detector misses
most profiles and occluded faces that others find; the others are scaled as all faces are."""

_MIN_SCALE, _MAX_SCALE = 0.5, 2.5
"""Range of scales of random crops. The detector enlarges small photos twice, where background looks more
like faces, so no view is enlarged more than a little beyond that."""

_MIN_VISIBLE, _MIN_PRESENT = 0.4, 0.15
"""Share of a face inside the view from which it counts as a face, and below which it is dropped; between
them it is ignored. Photos' edges often cut faces in half."""


def clip(labels: Labels, x0: float, y0: float, x1: float, y1: float) -> Labels:
    """Clips boxes to a rectangle; a face that is cut too much or too small is ignored.

    Hard negatives stay background however much of them is visible.
    """
    low, high = np.array([x0, y0] * 2, np.float32), np.array([x1, y1] * 2, np.float32)
    cut = np.clip(labels.xyxy, low, high)
    visible = area(cut) / np.maximum(area(labels.xyxy), 1e-6)
    small = shorter_sides(cut) < _MIN_FACE_PX
    ignore = labels.ignore | (labels.face & ((visible < _MIN_VISIBLE) | small))
    return replace(labels, xyxy=cut, ignore=ignore)[visible > _MIN_PRESENT]


@dataclass(frozen=True)
class _Window:
    """Where a view is in its photo.

    Attributes:
        x0, y0, x1, y1: the crop, in whole pixels of the photo.
        left, top: where the crop begins in the view, in pixels of the view.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    left: int
    top: int


def take_view(
    image: Image,
    labels: Labels,
    size_wh: tuple[int, int],
    scale_xy: tuple[float, float],
    centre_xy: tuple[float, float],
    rng: Rng,
) -> tuple[Image, Labels]:
    """Crops a rectangle of a photo at another scale; outside the photo the view has the mean colour.

    Args:
        image: the photo.
        labels: its labels.
        size_wh: size of the view.
        scale_xy: pixels of the view per pixel of the photo, across and down.
        centre_xy: the photo's point at the view's centre, moved so that the view leaves the photo as little
            as possible.
        rng: chooses the filter, and the place of a photo smaller than the view.
    """
    window = _window(image, size_wh, scale_xy, centre_xy, rng)
    x0, y0, left, top = window.x0, window.y0, window.left, window.top
    part_wh = (
        max(1, round((window.x1 - x0) * scale_xy[0])),
        max(1, round((window.y1 - y0) * scale_xy[1])),
    )
    crop = cv2.resize(
        image[y0 : window.y1, x0 : window.x1], part_wh, interpolation=_random_filter(scale_xy, rng)
    )
    crop = crop[: size_wh[1] - top, : size_wh[0] - left]
    view = np.empty((size_wh[1], size_wh[0], 3), np.uint8)
    view[:] = np.array(MEAN_BGR, np.uint8)
    view[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    factor = np.array([part_wh[0] / (window.x1 - x0), part_wh[1] / (window.y1 - y0)], np.float32)
    shift = np.array([left, top], np.float32) - np.array([x0, y0], np.float32) * factor
    moved = replace(
        labels,
        xyxy=labels.xyxy * np.tile(factor, 2) + np.tile(shift, 2),
        points=labels.points * factor + shift,
    )
    return view, clip(moved, left, top, left + crop.shape[1], top + crop.shape[0])


def _window(
    image: Image,
    size_wh: tuple[int, int],
    scale_xy: tuple[float, float],
    centre_xy: tuple[float, float],
    rng: Rng,
) -> _Window:
    height, width = image.shape[:2]
    span = (size_wh[0] / scale_xy[0], size_wh[1] / scale_xy[1])
    start = []
    for length, part, middle in zip((width, height), span, centre_xy, strict=True):
        if part >= length:
            start.append(0.0 - rng.uniform(0, part - length))
        else:
            start.append(float(np.clip(middle - part / 2, 0, length - part)))
    left, top = (max(0, round(-begin * scale)) for begin, scale in zip(start, scale_xy, strict=True))
    return _Window(
        x0=max(0, int(start[0])),
        y0=max(0, int(start[1])),
        x1=min(width, math.ceil(start[0] + span[0])),
        y1=min(height, math.ceil(start[1] + span[1])),
        left=min(left, size_wh[0] - 1),
        top=min(top, size_wh[1] - 1),
    )


def _random_filter(scale_xy: tuple[float, float], rng: Rng) -> int:
    """OpenCV's flag of a filter that suits the scale."""
    smooth = cv2.INTER_AREA if rng.random() < 0.8 else cv2.INTER_LINEAR
    if min(scale_xy) < 1:
        return smooth
    return cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC


def flip(image: Image, labels: Labels) -> tuple[Image, Labels]:
    """Flips horizontally; left and right landmarks swap."""
    width = image.shape[1]
    xyxy = labels.xyxy.copy()
    xyxy[:, [0, 2]] = width - labels.xyxy[:, [2, 0]]
    points = labels.points[:, list(FLIPPED_LANDMARKS)].copy()
    points[..., 0] = width - points[..., 0]
    return np.ascontiguousarray(image[:, ::-1]), replace(labels, xyxy=xyxy, points=points)


def rotate(image: Image, labels: Labels, degrees: float) -> tuple[Image, Labels]:
    """Rotates about the centre; a box becomes that of its rotated inscribed ellipse, as faces are round."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    rotated = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=MEAN_BGR)
    turn, shift = matrix[:, :2].astype(np.float32), matrix[:, 2].astype(np.float32)
    centre = (labels.xyxy[:, :2] + labels.xyxy[:, 2:]) / 2 @ turn.T + shift
    half = np.sqrt(((labels.xyxy[:, 2:] - labels.xyxy[:, :2]) / 2) ** 2 @ (turn.T**2))
    moved = replace(
        labels,
        xyxy=np.concatenate([centre - half, centre + half], axis=1).astype(np.float32),
        points=(labels.points @ turn.T + shift).astype(np.float32),
    )
    return np.asarray(rotated, np.uint8), clip(moved, 0, 0, width, height)


def random_view(sampler: Sampler, size_wh: tuple[int, int], rng: Rng, crowd: float) -> tuple[Image, Labels]:
    """Draws a photo and a view of it: around a face or hard negative at a random size, or a random crop.

    Args:
        sampler: draws the photo.
        size_wh: size of the view.
        rng: draws everything.
        crowd: 1 draws all face sizes alike (on a logarithmic scale); larger values favour small faces.
    """
    image, labels = sampler(rng)
    height, width = image.shape[:2]
    places = np.flatnonzero(~labels.ignore)
    if len(places) and rng.random() < _CENTRED:
        weight = np.where(labels.hard[places], _HARD_WEIGHT, 1.0)
        place = rng.choice(places, p=weight / weight.sum())
        near_px = _HARD_PX if labels.hard[place] and rng.random() < _HARD_SHARE else _TARGET_PX
        scale, centre = _centred(labels.xyxy[place], size_wh, rng, crowd, near_px)
    else:
        scale = float(np.exp(rng.uniform(np.log(_MIN_SCALE), np.log(_MAX_SCALE))))
        centre = rng.uniform(0, 1, 2) * (width, height)
    min_scale = 0.85 * max(size_wh[0] / width, size_wh[1] / height)
    scale = float(np.clip(scale, min(min_scale, 1.0), _MAX_SCALE))
    squeeze = float(_MAX_SQUEEZE ** rng.uniform(-1, 1)) if rng.random() < _SQUEEZED else 1.0
    scale_xy = (scale * squeeze, scale / squeeze)
    view, visible = take_view(image, labels, size_wh, scale_xy, (float(centre[0]), float(centre[1])), rng)
    return flip(view, visible) if rng.random() < 0.5 else (view, visible)


def _centred(
    box: npt.NDArray[np.float32],
    size_wh: tuple[int, int],
    rng: Rng,
    crowd: float,
    range_px: tuple[float, float],
) -> tuple[float, npt.NDArray[np.float64]]:
    """Draws the scale and centre of a view that holds the middle of a box, at a size from a range."""
    side = max(4.0, float(np.sqrt((box[2] - box[0]) * (box[3] - box[1]))))
    low = min(range_px[0], _MAX_SHARE_OF_VIEW * min(size_wh))
    high = min(range_px[1], _MAX_SHARE_OF_VIEW * min(size_wh))
    target = low * (high / low) ** (rng.random() ** crowd)
    if rng.random() < _OVERSIZED:
        target = rng.uniform(1.0, _MAX_OVERSIZE) * min(size_wh)
    scale = target / side
    reach = 0.5 * np.array(size_wh) / scale
    return scale, (box[:2] + box[2:]) / 2 + rng.uniform(-1, 1, 2) * reach


def mosaic(sampler: Sampler, size_px: int, rng: Rng) -> tuple[Image, Labels]:
    """Tiles four views, sometimes nine, of different photos (YOLOv4, arXiv:2004.10934)."""
    count = 2 if rng.random() < 0.8 else 3
    inner = np.arange(1, count) + rng.uniform(-0.35, 0.35, (2, count - 1))
    columns, rows = ([0, *(line * size_px / count).astype(int).tolist(), size_px] for line in inner)
    canvas = np.empty((size_px, size_px, 3), np.uint8)
    parts = []
    for x0, x1 in pairwise(columns):
        for y0, y1 in pairwise(rows):
            view, labels = random_view(sampler, (x1 - x0, y1 - y0), rng, crowd=1.6)
            canvas[y0:y1, x0:x1] = view
            shift = np.array([x0, y0], np.float32)
            parts.append(replace(labels, xyxy=labels.xyxy + np.tile(shift, 2), points=labels.points + shift))
    return canvas, Labels.concat(parts)
