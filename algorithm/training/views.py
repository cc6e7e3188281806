"""Views of photos: a part at another scale, mirrored, turned, or several side by side; boxes go along.

Faces are shrunk after they were labelled, so the network learns faces that no teacher sees at that size.
Every function is pure but for the generator it draws from; pictures are `(H, W, 3)` uint8, blue first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from unionveil.boxes import area, shorter_sides

from .labels import Labels
from .spec import FLIPPED_LANDMARKS, MEAN_BGR

__all__ = ["Drawer", "Image", "Rng", "clip", "flip", "mosaic", "random_view", "rotate", "take_view"]

Image: TypeAlias = npt.NDArray[np.uint8]
Rng: TypeAlias = np.random.Generator
Drawer: TypeAlias = Callable[[Rng], tuple[Image, Labels]]
"""Gives a photo drawn at random, with its labels."""

_LEAST_FACE_PX = 6.0
"""Smaller side below which a face is neither taught nor counted against: too few pixels to tell."""

_TARGET_PX = (7.0, 420.0)
"""Sides that faces are brought to where the view holds them: from where the teachers see nothing to the
largest that the priors are made for."""

_MOST_OF_VIEW = 0.95
"""Share of the view's shorter side that the face it is made about may take."""

_TOO_LARGE, _LARGEST_SHARE = 0.06, 2.2
"""Share of views about a face that show only a part of it, and its side there in sides of the view: the
detector looks at faces that fill the picture enlarged as well, and must not find faces in a cheek."""

_SQUEEZED, _MOST_SQUEEZED = 0.4, 1.3
"""Share of views that are squeezed one way and drawn out the other, and by how much: collected photos are
often brought to a square."""

_ABOUT_FACE = 0.78
"""Share of views of a photo with faces that are made about one; the others are any part of it."""

_MOST_ENLARGED = 2.5
"""The detector looks at small photos enlarged twice, and what is no face looks more like one there."""

_LEAST_VISIBLE, _LEAST_PRESENT = 0.55, 0.15
"""Share of a face inside the view from which it is a face, below which it is nothing; between, ignored."""


def clip(labels: Labels, x0: float, y0: float, x1: float, y1: float) -> Labels:
    """Cuts boxes at a rectangle; a face that is cut too much, or is too small, is ignored.

    What was taken for a face stays background, whatever part of it is seen.
    """
    low, high = np.array([x0, y0] * 2, np.float32), np.array([x1, y1] * 2, np.float32)
    cut = np.clip(labels.xyxy, low, high)
    visible = area(cut) / np.maximum(area(labels.xyxy), 1e-6)
    small = shorter_sides(cut) < _LEAST_FACE_PX
    ignore = labels.ignore | (labels.face & ((visible < _LEAST_VISIBLE) | small))
    return replace(labels, xyxy=cut, ignore=ignore)[visible > _LEAST_PRESENT]


def take_view(
    image: Image,
    labels: Labels,
    size_wh: tuple[int, int],
    scale_xy: tuple[float, float],
    at_xy: tuple[float, float],
    rng: Rng,
) -> tuple[Image, Labels]:
    """A rectangle of a photo at another scale; what lies outside the photo has the mean colour.

    Args:
        image: the photo.
        labels: its faces.
        size_wh: of the view.
        scale_xy: pixels of the view for each of the photo, across and down.
        at_xy: the photo's point in the middle of the view, moved so that the view leaves the photo no more
            than it must.
        rng: chooses the filter, and where a photo smaller than the view lies.
    """
    height, width = image.shape[:2]
    want = (size_wh[0] / scale_xy[0], size_wh[1] / scale_xy[1])
    start = []
    for length, part, middle in zip((width, height), want, at_xy, strict=True):
        if part >= length:
            start.append(0.0 - rng.uniform(0, part - length))
        else:
            start.append(float(np.clip(middle - part / 2, 0, length - part)))
    x0, y0 = max(0, int(start[0])), max(0, int(start[1]))
    x1, y1 = min(width, math.ceil(start[0] + want[0])), min(height, math.ceil(start[1] + want[1]))
    part_wh = (max(1, round((x1 - x0) * scale_xy[0])), max(1, round((y1 - y0) * scale_xy[1])))
    smooth = cv2.INTER_AREA if rng.random() < 0.8 else cv2.INTER_LINEAR
    filters = smooth if min(scale_xy) < 1 else (cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC)
    piece = cv2.resize(image[y0:y1, x0:x1], part_wh, interpolation=filters)
    left, top = max(0, round(-start[0] * scale_xy[0])), max(0, round(-start[1] * scale_xy[1]))
    left, top = min(left, size_wh[0] - 1), min(top, size_wh[1] - 1)
    piece = piece[: size_wh[1] - top, : size_wh[0] - left]
    view = np.empty((size_wh[1], size_wh[0], 3), np.uint8)
    view[:] = np.array(MEAN_BGR, np.uint8)
    view[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
    factor = np.array([part_wh[0] / (x1 - x0), part_wh[1] / (y1 - y0)], np.float32)
    shift = np.array([left, top], np.float32) - np.array([x0, y0], np.float32) * factor
    moved = replace(
        labels,
        xyxy=labels.xyxy * np.tile(factor, 2) + np.tile(shift, 2),
        points=labels.points * factor + shift,
    )
    return view, clip(moved, left, top, left + piece.shape[1], top + piece.shape[0])


def flip(image: Image, labels: Labels) -> tuple[Image, Labels]:
    """The mirror image; left eyes become right ones."""
    width = image.shape[1]
    xyxy = labels.xyxy.copy()
    xyxy[:, [0, 2]] = width - labels.xyxy[:, [2, 0]]
    points = labels.points[:, list(FLIPPED_LANDMARKS)].copy()
    points[..., 0] = width - points[..., 0]
    return np.ascontiguousarray(image[:, ::-1]), replace(labels, xyxy=xyxy, points=points)


def rotate(image: Image, labels: Labels, degrees: float) -> tuple[Image, Labels]:
    """Turned about the middle; a box becomes that of the turned ellipse inside it, as faces are round."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    turned = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=MEAN_BGR)
    turn, shift = matrix[:, :2].astype(np.float32), matrix[:, 2].astype(np.float32)
    centre = (labels.xyxy[:, :2] + labels.xyxy[:, 2:]) / 2 @ turn.T + shift
    half = np.sqrt(((labels.xyxy[:, 2:] - labels.xyxy[:, :2]) / 2) ** 2 @ (turn.T**2))
    moved = replace(
        labels,
        xyxy=np.concatenate([centre - half, centre + half], axis=1).astype(np.float32),
        points=(labels.points @ turn.T + shift).astype(np.float32),
    )
    return np.asarray(turned, np.uint8), clip(moved, 0, 0, width, height)


def random_view(drawer: Drawer, size_wh: tuple[int, int], rng: Rng, crowd: float) -> tuple[Image, Labels]:
    """A view about a face, or what was taken for one, at a drawn size; or any part of a drawn photo.

    The larger `crowd`, the more often the face is small; 1 draws all sizes alike.
    """
    image, labels = drawer(rng)
    height, width = image.shape[:2]
    places = np.flatnonzero(~labels.ignore)
    if len(places) and rng.random() < _ABOUT_FACE:
        box = labels.xyxy[rng.choice(places)]
        side = max(4.0, float(np.sqrt((box[2] - box[0]) * (box[3] - box[1]))))
        least, most = _TARGET_PX[0], min(_TARGET_PX[1], _MOST_OF_VIEW * min(size_wh))
        # Small faces more often than large ones: they are what the teachers miss at these sizes.
        target = least * (most / least) ** (rng.random() ** crowd)
        if rng.random() < _TOO_LARGE:
            target = rng.uniform(1.0, _LARGEST_SHARE) * min(size_wh)
        scale = target / side
        reach = 0.45 * np.array(size_wh) / scale
        at = (box[:2] + box[2:]) / 2 + rng.uniform(-1, 1, 2) * reach
    else:
        scale = float(np.exp(rng.uniform(np.log(0.5), np.log(_MOST_ENLARGED))))
        at = rng.uniform(0, 1, 2) * (width, height)
    least_scale = 0.85 * max(size_wh[0] / width, size_wh[1] / height)
    scale = float(np.clip(scale, min(least_scale, 1.0), _MOST_ENLARGED))
    squeeze = float(_MOST_SQUEEZED ** rng.uniform(-1, 1)) if rng.random() < _SQUEEZED else 1.0
    scale_xy = (scale * squeeze, scale / squeeze)
    view, seen = take_view(image, labels, size_wh, scale_xy, (float(at[0]), float(at[1])), rng)
    return flip(view, seen) if rng.random() < 0.5 else (view, seen)


def mosaic(drawer: Drawer, size_px: int, rng: Rng) -> tuple[Image, Labels]:
    """Four views, sometimes nine: more faces, of more photos, beside more edges."""
    count = 2 if rng.random() < 0.8 else 3
    inner = np.arange(1, count) + rng.uniform(-0.35, 0.35, (2, count - 1))
    columns, rows = ([0, *(line * size_px / count).astype(int).tolist(), size_px] for line in inner)
    canvas = np.empty((size_px, size_px, 3), np.uint8)
    parts = []
    for x0, x1 in pairwise(columns):
        for y0, y1 in pairwise(rows):
            view, labels = random_view(drawer, (x1 - x0, y1 - y0), rng, crowd=1.6)
            canvas[y0:y1, x0:x1] = view
            shift = np.array([x0, y0], np.float32)
            parts.append(replace(labels, xyxy=labels.xyxy + np.tile(shift, 2), points=labels.points + shift))
    return canvas, Labels.concat(parts)
