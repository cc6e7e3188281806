"""Pictures to train on, made from photos: views, mosaics, pasted faces, things before faces, hard light.

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

from unionveil.boxes import area

from .labels import Labels
from .spec import FLIPPED_LANDMARKS, MEAN_BGR

__all__ = [
    "Drawer", "flip", "light", "mosaic", "occlude", "paste_faces", "rotate", "scene", "take_view",
]  # fmt: skip

Image: TypeAlias = npt.NDArray[np.uint8]
Rng: TypeAlias = np.random.Generator
Drawer: TypeAlias = Callable[[Rng], tuple[Image, Labels]]
"""Gives a photo drawn at random, with its labels."""

_LEAST_FACE_PX = 6.0
"""Smaller side below which a face is neither taught nor counted against: too few pixels to tell."""

_TARGET_PX = (7.0, 300.0)
"""Sides that faces are brought to: from where the teachers see nothing to nearly a whole crop of 320."""

_MOST_OF_VIEW = 0.95
"""Share of the view's shorter side that the face it is made about may take."""

_MOST_ENLARGED = 2.5
_LEAST_VISIBLE, _LEAST_PRESENT = 0.55, 0.15
"""Share of a face inside the view from which it is a face, below which it is nothing; between, ignored."""


def _clip(labels: Labels, x0: float, y0: float, x1: float, y1: float) -> Labels:
    """Cuts boxes at a rectangle; a face that is cut too much, or is too small, is ignored."""
    low, high = np.array([x0, y0] * 2, np.float32), np.array([x1, y1] * 2, np.float32)
    cut = np.clip(labels.xyxy, low, high)
    visible = area(cut) / np.maximum(area(labels.xyxy), 1e-6)
    small = (cut[:, 2:] - cut[:, :2]).min(axis=1, initial=1e9) < _LEAST_FACE_PX
    ignore = labels.ignore | (visible < _LEAST_VISIBLE) | small
    return replace(labels, xyxy=cut, ignore=ignore)[visible > _LEAST_PRESENT]


def take_view(
    image: Image, labels: Labels, size_wh: tuple[int, int], scale: float, at_xy: tuple[float, float], rng: Rng
) -> tuple[Image, Labels]:
    """A rectangle of a photo at another scale; what lies outside the photo has the mean colour.

    Args:
        image: the photo.
        labels: its faces.
        size_wh: of the view.
        scale: pixels of the view for each of the photo.
        at_xy: the photo's point in the middle of the view, moved so that the view leaves the photo no more
            than it must.
        rng: chooses the filter, and where a photo smaller than the view lies.
    """
    height, width = image.shape[:2]
    want = (size_wh[0] / scale, size_wh[1] / scale)
    start = []
    for length, part, middle in zip((width, height), want, at_xy, strict=True):
        if part >= length:
            start.append(0.0 - rng.uniform(0, part - length))
        else:
            start.append(float(np.clip(middle - part / 2, 0, length - part)))
    x0, y0 = max(0, int(start[0])), max(0, int(start[1]))
    x1, y1 = min(width, math.ceil(start[0] + want[0])), min(height, math.ceil(start[1] + want[1]))
    part_wh = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
    smooth = cv2.INTER_AREA if rng.random() < 0.8 else cv2.INTER_LINEAR
    filters = smooth if scale < 1 else (cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC)
    piece = cv2.resize(image[y0:y1, x0:x1], part_wh, interpolation=filters)
    left, top = max(0, round(-start[0] * scale)), max(0, round(-start[1] * scale))
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
    return view, _clip(moved, left, top, left + piece.shape[1], top + piece.shape[0])


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
    return np.asarray(turned, np.uint8), _clip(moved, 0, 0, width, height)


def _random_view(drawer: Drawer, size_wh: tuple[int, int], rng: Rng, crowd: float) -> tuple[Image, Labels]:
    """A view about a face of a drawn photo, the face at a drawn size; or any part of a photo without."""
    image, labels = drawer(rng)
    height, width = image.shape[:2]
    faces = np.flatnonzero(~labels.ignore)
    if len(faces) and rng.random() < 0.92:
        box = labels.xyxy[rng.choice(faces)]
        side = max(4.0, float(np.sqrt((box[2] - box[0]) * (box[3] - box[1]))))
        least, most = _TARGET_PX[0], min(_TARGET_PX[1], _MOST_OF_VIEW * min(size_wh))
        # Small faces more often than large ones: they are what the teachers miss at these sizes.
        target = least * (most / least) ** (rng.random() ** crowd)
        scale = target / side
        reach = 0.45 * np.array(size_wh) / scale
        at = (box[:2] + box[2:]) / 2 + rng.uniform(-1, 1, 2) * reach
    else:
        scale = float(np.exp(rng.uniform(np.log(0.35), np.log(2.0))))
        at = rng.uniform(0, 1, 2) * (width, height)
    least_scale = 0.85 * max(size_wh[0] / width, size_wh[1] / height)
    scale = float(np.clip(scale, min(least_scale, 1.0), _MOST_ENLARGED))
    view, seen = take_view(image, labels, size_wh, scale, (float(at[0]), float(at[1])), rng)
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
            view, labels = _random_view(drawer, (x1 - x0, y1 - y0), rng, crowd=1.6)
            canvas[y0:y1, x0:x1] = view
            shift = np.array([x0, y0], np.float32)
            parts.append(replace(labels, xyxy=labels.xyxy + np.tile(shift, 2), points=labels.points + shift))
    return canvas, Labels.concat(parts)


def paste_faces(image: Image, labels: Labels, drawer: Drawer, rng: Rng, count: int) -> tuple[Image, Labels]:
    """Sets faces of other photos, with soft edges, where no box is: crowds, and faces in odd places."""
    height, width = image.shape[:2]
    image = image.copy()
    for _ in range(count):
        photo, others = drawer(rng)
        sides = (others.xyxy[:, 2:] - others.xyxy[:, :2]).min(axis=1, initial=1e9)
        good = np.flatnonzero(~others.ignore & (sides >= 20) & (others.quality >= 0.85))
        if not len(good):
            continue
        one = others[good[[rng.integers(len(good))]]]
        box = one.xyxy[0]
        side = float((box[2:] - box[:2]).mean())
        target = float(np.exp(rng.uniform(np.log(8), np.log(min(72, side * 1.2)))))
        scale = target / side
        margin = 0.45 * (box[2:] - box[:2])
        low = np.maximum(box[:2] - margin, 0).astype(int)
        high = np.minimum(box[2:] + margin, (photo.shape[1], photo.shape[0])).astype(int)
        size = np.maximum(np.round((high - low) * scale).astype(int), 2)
        if size[0] >= width or size[1] >= height:
            continue
        at = np.array([rng.integers(width - size[0]), rng.integers(height - size[1])])
        there = np.concatenate([at, at + size])
        if (
            len(labels)
            and (
                (labels.xyxy[:, :2] < there[2:]).all(axis=1) & (labels.xyxy[:, 2:] > there[:2]).all(axis=1)
            ).any()
        ):
            continue
        face = cv2.resize(
            photo[low[1] : high[1], low[0] : high[0]],
            (int(size[0]), int(size[1])),
            interpolation=cv2.INTER_AREA,
        )
        factor = size / np.maximum(high - low, 1)
        shift = at - low * factor
        moved = replace(
            one,
            xyxy=(one.xyxy * np.tile(factor, 2) + np.tile(shift, 2)).astype(np.float32),
            points=(one.points * factor + shift).astype(np.float32),
        )
        ellipse = np.zeros((int(size[1]), int(size[0])), np.float32)
        cv2.ellipse(
            ellipse, (int(size[0] / 2), int(size[1] / 2)), (int(size[0] * 0.46), int(size[1] * 0.46)),
            0, 0, 360, 1.0, -1,
        )  # fmt: skip
        soft = cv2.GaussianBlur(ellipse, (0, 0), max(0.5, float(size.min()) * 0.04))[..., None]
        where = (slice(int(there[1]), int(there[3])), slice(int(there[0]), int(there[2])))
        image[where] = (soft * face + (1 - soft) * image[where]).astype(np.uint8)
        labels = Labels.concat([labels, _clip(moved, 0, 0, width, height)])
    return image, labels


def occlude(image: Image, labels: Labels, rng: Rng, chance: float) -> Image:
    """Draws masks, sunglasses and hands before some faces of at least 14 px; the faces stay faces."""
    image = image.copy()
    sides = (labels.xyxy[:, 2:] - labels.xyxy[:, :2]).min(axis=1, initial=1e9)
    for i in np.flatnonzero(~labels.ignore & (sides >= 14)):
        if rng.random() >= chance:
            continue
        box, points = labels.xyxy[i], labels.points[i]
        width, height = box[2] - box[0], box[3] - box[1]
        colour = [int(v) for v in rng.integers(0, 256, 3)]
        kind = rng.integers(3)
        if kind == 0 and not np.isnan(points).any():  # a mask from the nose to the chin
            nose, chin = points[2], np.array([(points[3, 0] + points[4, 0]) / 2, box[3]])
            outline = [
                [box[0] + 0.02 * width, nose[1] - 0.05 * height], nose - [0, 0.08 * height],
                [box[2] - 0.02 * width, nose[1] - 0.05 * height],
                [box[2] - 0.2 * width, box[3] - 0.1 * height], chin,
                [box[0] + 0.2 * width, box[3] - 0.1 * height],
            ]  # fmt: skip
            pale = [int(v) for v in (rng.choice([[225, 215, 205], [205, 180, 140], [40, 40, 40], colour]))]
            cv2.fillPoly(image, [np.array(outline).round().astype(np.int32)], pale, cv2.LINE_AA)
        elif kind == 1 and not np.isnan(points).any():  # dark glasses
            reach = max(2.0, float(np.abs(points[1] - points[0]).max()) * 0.42)
            dark = [int(v) for v in rng.integers(0, 60, 3)]
            for eye in points[:2]:
                axes = (max(1, round(reach)), max(1, round(reach * 0.7)))
                cv2.ellipse(
                    image,
                    (round(float(eye[0])), round(float(eye[1]))),
                    axes,
                    0,
                    0,
                    360,
                    dark,
                    -1,
                    cv2.LINE_AA,
                )
        else:  # a hand, an arm, another head: something of skin's or any colour over a side of the face
            skin = rng.choice([[120, 150, 200], [70, 95, 140], [40, 55, 90], colour])
            side = rng.uniform(0, 2 * np.pi)
            centre = (box[:2] + box[2:]) / 2 + np.array([np.cos(side) * width, np.sin(side) * height]) * 0.45
            axes = (
                max(1, round(float(width * rng.uniform(0.2, 0.4)))),
                max(1, round(float(height * rng.uniform(0.15, 0.35)))),
            )
            cv2.ellipse(
                image, (round(float(centre[0])), round(float(centre[1]))), axes, float(rng.uniform(0, 180)),
                0, 360, [int(v) for v in skin], -1, cv2.LINE_AA,
            )  # fmt: skip
    return image


def light(image: Image, rng: Rng) -> Image:
    """Darkness, glare, colour casts, no colour, noise, blur, coarse pixels, and JPEG's blocks."""
    table = np.arange(256, dtype=np.float32)[:, None].repeat(3, axis=1) / 255
    if rng.random() < 0.5:
        table = table ** np.exp(rng.uniform(-0.5, 0.5))
    if rng.random() < 0.5:
        table = (table - 0.5) * rng.uniform(0.6, 1.35) + 0.5 + rng.uniform(-0.12, 0.12)
    if rng.random() < 0.3:
        table = table * np.exp(rng.uniform(-0.3, 0.3, 3))
    dark = rng.random() < 0.1
    if dark:
        table = table * rng.uniform(0.15, 0.5)
    tables = (table.clip(0, 1) * 255).round().astype(np.uint8)
    image = np.asarray(cv2.LUT(image, tables.reshape(256, 1, 3)), np.uint8)
    if rng.random() < 0.06:
        image = np.asarray(
            cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8
        )
    height, width = image.shape[:2]
    soft = rng.random()
    if soft < 0.1:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.4)), np.uint8)
    elif soft < 0.15:
        length = int(rng.integers(3, 7))
        kernel = np.zeros((length, length), np.float32)
        cv2.line(kernel, (0, int(rng.integers(length))), (length - 1, int(rng.integers(length))), 1.0)
        image = np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)
    elif soft < 0.25:
        factor = rng.uniform(0.5, 0.9)
        small = cv2.resize(
            image, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA
        )
        image = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < (0.5 if dark else 0.08):
        noise = rng.normal(0, rng.uniform(2, 10), (height, width, 1)).astype(np.float32)
        image = (image + noise).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        quality = int(rng.integers(25, 90))
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image


def scene(drawer: Drawer, size_px: int, rng: Rng) -> tuple[Image, Labels]:
    """One picture to train on, `(size_px, size_px, 3)`, with its faces."""
    if rng.random() < 0.45:
        image, labels = mosaic(drawer, size_px, rng)
    else:
        image, labels = _random_view(drawer, (size_px, size_px), rng, crowd=1.2)
    if rng.random() < 0.2:
        image, labels = paste_faces(image, labels, drawer, rng, int(rng.integers(1, 7)))
    if rng.random() < 0.5:
        image = occlude(image, labels, rng, chance=0.25)
    if rng.random() < 0.2:
        degrees = rng.normal(0, 18)
        image, labels = rotate(image, labels, float(degrees))
    return light(image, rng), labels
