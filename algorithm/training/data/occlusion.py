"""Occlusion of faces by masks, glasses, hats, hands and patches; the faces keep their labels."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from unionveil.boxes import shorter_sides

from .compositing import SKIN_BGR, Box, blend_ellipse, free_place, ints, random_colour, whole_size
from .labels import Labels
from .photos import Image
from .views import Rng

__all__ = ["occlude"]

_MIN_FACE_PX = 14
"""Smaller faces are left alone: too little of them would remain."""

Points = npt.NDArray[np.float32]
"""`(5, 2)` landmarks."""


def occlude(image: Image, labels: Labels, rng: Rng, chance: float) -> Image:
    """Occludes agreed faces of at least 14 px, each with a probability of `chance`."""
    image = image.copy()
    sides = shorter_sides(labels.xyxy)
    for i in np.flatnonzero(labels.agreed & (sides >= _MIN_FACE_PX)):
        if rng.random() < chance:
            _occlude_face(image, labels, int(i), rng)
    return image


def _occlude_face(image: Image, labels: Labels, index: int, rng: Rng) -> None:
    box, points = labels.xyxy[index], labels.points[index]
    kind, known = rng.integers(5), not np.isnan(points).any()
    if kind == 0 and known:
        _draw_mask(image, box, points, rng)
    elif kind == 1 and known:
        _draw_glasses(image, points, rng)
    elif kind == 2:
        _draw_hat(image, box, points if known else None, rng)
    elif kind == 3:
        _draw_hand(image, box, rng)
    else:
        _paste_background(image, box, labels.xyxy, rng)


def _draw_mask(image: Image, box: Box, points: Points, rng: Rng) -> None:
    """Draws a mask from the nose to the chin."""
    width, height = box[2:] - box[:2]
    nose, chin = points[2], np.array([(points[3, 0] + points[4, 0]) / 2, box[3]])
    outline = [
        [box[0] + 0.02 * width, nose[1] - 0.05 * height], nose - [0, 0.08 * height],
        [box[2] - 0.02 * width, nose[1] - 0.05 * height],
        [box[2] - 0.2 * width, box[3] - 0.1 * height], chin,
        [box[0] + 0.2 * width, box[3] - 0.1 * height],
    ]  # fmt: skip
    colours = [[225, 215, 205], [205, 180, 140], [40, 40, 40], random_colour(rng)]
    colour = ints(rng.choice(colours))
    cv2.fillPoly(image, [np.array(outline).round().astype(np.int32)], colour, cv2.LINE_AA)


def _draw_glasses(image: Image, points: Points, rng: Rng) -> None:
    """Draws dark glasses over both eyes."""
    radius = max(2.0, float(np.abs(points[1] - points[0]).max()) * 0.42)
    axes = (max(1, round(radius)), max(1, round(radius * 0.7)))
    dark = ints(rng.integers(0, 60, 3))
    for eye in points[:2]:
        cv2.ellipse(image, ints(eye.round()), axes, 0, 0, 360, dark, -1, cv2.LINE_AA)


def _draw_hat(image: Image, box: Box, points: Points | None, rng: Rng) -> None:
    """Draws a cap, a brimmed hat, a helmet or a hood over the forehead, sometimes around the face too."""
    width, height = box[2:] - box[:2]
    brow, angle = _brow(box, points)
    colour = random_colour(rng)
    if rng.random() < 0.35:
        middle = (box[:2] + box[2:]) / 2
        hood = ints(np.maximum([0.6 * width, 0.66 * height], 1))
        thickness = max(1, round(float(width * rng.uniform(0.1, 0.25))))
        cv2.ellipse(image, ints(middle.round()), hood, angle, 0, 360, colour, thickness, cv2.LINE_AA)
    crown = np.array(
        [rng.uniform(0.5, 0.65) * width, max(brow[1] - box[1], 0) + rng.uniform(0.1, 0.35) * height]
    )
    axes = ints(np.maximum(crown, 1))
    cv2.ellipse(image, ints(brow.round()), axes, angle, 180, 360, colour, -1, cv2.LINE_AA)
    if rng.random() < 0.6:
        brim = ints(np.maximum([crown[0] * rng.uniform(0.9, 1.5), rng.uniform(0.04, 0.12) * height], 1))
        shade = colour if rng.random() < 0.5 else random_colour(rng)
        cv2.ellipse(image, ints(brow.round()), brim, angle, 0, 360, shade, -1, cv2.LINE_AA)


def _brow(box: Box, points: Points | None) -> tuple[npt.NDArray[np.float32], float]:
    """The middle of the brow, and the face's roll in degrees."""
    height = box[3] - box[1]
    if points is None:
        return np.array([(box[0] + box[2]) / 2, box[1] + 0.28 * height]), 0.0
    across = points[1] - points[0]
    roll = float(np.degrees(np.arctan2(across[1], across[0]))) if across[0] > 0 else 0.0
    return (points[0] + points[1]) / 2 - [0, 0.12 * height], roll


def _beside_centre(box: Box, distance: float, rng: Rng) -> npt.NDArray[np.float64]:
    """A point in a random direction from a box's centre, `distance` of its sides away."""
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])
    return np.asarray((box[:2] + box[2:]) / 2 + distance * direction * (box[2:] - box[:2]), np.float64)


def _draw_hand(image: Image, box: Box, rng: Rng) -> None:
    """Draws an ellipse, of skin or another colour, over one side of the face: a hand, an arm, a head."""
    width, height = box[2:] - box[:2]
    centre = _beside_centre(box, 0.45, rng)
    axes = (
        max(1, round(float(width * rng.uniform(0.2, 0.4)))),
        max(1, round(float(height * rng.uniform(0.15, 0.35)))),
    )
    colour = ints(rng.choice([*SKIN_BGR, random_colour(rng)]))
    angle = float(rng.uniform(0, 180))
    cv2.ellipse(image, ints(centre.round()), axes, angle, 0, 360, colour, -1, cv2.LINE_AA)


def _paste_background(image: Image, box: Box, boxes: npt.NDArray[np.float32], rng: Rng) -> None:
    """Pastes a patch of the same image that touches no box over one side of the face."""
    canvas_wh = (image.shape[1], image.shape[0])
    size_wh = whole_size((box[2:] - box[:2]) * rng.uniform(0.4, 1.0, 2))
    corner = np.round(_beside_centre(box, 0.5, rng) - size_wh / 2).astype(np.int64)
    start = free_place(boxes, canvas_wh, size_wh, rng)
    if start is None or (corner < 0).any() or (corner + size_wh > canvas_wh).any():
        return
    (x0, y0), (x1, y1) = start, start + size_wh
    blend_ellipse(image, image[y0:y1, x0:x1], corner, size_wh)
