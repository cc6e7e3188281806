"""Photos with plates pasted into them: one training image and what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .cars import Car, Floats, Pixels, draw_car, warp_in
from .net import STRIDE_PX
from .wear import photographed, worn

__all__ = ["SHRINK", "SIDE_PX", "Scene", "Scenes", "shrunk"]

SIDE_PX = 192
"""Side of a training image."""

SHRINK = 0.4
"""The plates that are learned are smaller by this share of area / perimeter on every side, so that neighbours
stay apart. Less than differentiable binarization takes (0.84; arXiv:1911.08947, section 3.4): plates do not
stand as close as lines of text, and a broad core is easier to find."""

_WIDTHS_PX = (28.0, 160.0)
"""Narrowest and widest plate. A photo is searched at two sizes, one four times the other."""

_EXTENT_MM = np.array([[-1050, -1450], [1050, -1450], [1050, 700], [-1050, 700]], np.float64)
"""What a drawn car may cover."""


@dataclass(frozen=True)
class Scene:
    """One training image.

    Attributes:
        image: `(SIDE_PX, SIDE_PX, 3)` uint8, blue first.
        core: `(S, S)` uint8, 1 inside the shrunk plates; S is `SIDE_PX / STRIDE_PX`.
        weight: `(S, S)` uint8, 0 where the truth is unknown: plates behind a car.
    """

    image: Pixels
    core: Pixels
    weight: Pixels


def shrunk(corners: Floats) -> Floats:
    """`(4, 2)` corners of a convex quadrilateral, moved inwards by `SHRINK` * area / perimeter."""
    area = abs(float(cv2.contourArea(corners.astype(np.float32))))
    ahead, back = np.roll(corners, -1, axis=0) - corners, np.roll(corners, 1, axis=0) - corners
    lengths = np.linalg.norm(ahead, axis=1, keepdims=True)
    offset = SHRINK * area / max(float(lengths.sum()), 1e-6)
    ahead = ahead / np.maximum(lengths, 1e-6)
    back = back / np.maximum(np.linalg.norm(back, axis=1, keepdims=True), 1e-6)
    sine = np.abs(ahead[:, 0] * back[:, 1] - ahead[:, 1] * back[:, 0])[:, None]
    moved = corners + (ahead + back) * offset / np.maximum(sine, 0.2)
    centre = corners.mean(axis=0)
    # A sliver's corners would pass each other.
    return np.asarray(np.where((moved - centre) * (corners - centre) >= 0, moved, centre), np.float64)


class Scenes:
    """Makes training images.

    Args:
        photos: photos without plates, at least 64 px wide and high, `(H, W, 3)` uint8, blue first.
        plates: drawn plates.
        words: drawn words that are not plates.
        rng: decides everything.
    """

    def __init__(
        self,
        photos: Sequence[Pixels],
        plates: Sequence[Pixels],
        words: Sequence[Pixels],
        rng: np.random.Generator,
    ) -> None:
        self._photos, self._plates, self._words, self._rng = photos, plates, words, rng

    def __call__(self) -> Scene:
        """One image."""
        rng = self._rng
        image = self._background()
        cells = (SIDE_PX // STRIDE_PX,) * 2
        core, weight = np.zeros(cells, np.uint8), np.ones(cells, np.uint8)
        scene = Scene(image, core, weight)
        kind = rng.random()
        if kind < 0.6:
            self._cars(scene)
        taken: list[Floats] = []
        for _ in range(int(rng.choice([0, 1, 1, 2])) if 0.6 <= kind < 0.9 else 0):
            self._loose(scene, taken)
        for _ in range(int(rng.choice([0, 0, 1, 1, 2, 3]))):
            self._distract(scene, taken)
        return Scene(photographed(image, rng), core, weight)

    def _background(self) -> Pixels:
        """A part of a photo, often mirrored."""
        rng = self._rng
        photo = self._photos[int(rng.integers(len(self._photos)))]
        height, width = photo.shape[:2]
        side = int(min(height, width) * rng.uniform(0.35, 1.0))
        x, y = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
        crop = cv2.resize(photo[y : y + side, x : x + side], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop, np.uint8)

    def _plate(self) -> tuple[Pixels, tuple[float, float]]:
        """A plate with its width and height in millimetres, which follow from its aspect ratio."""
        plate = self._plates[int(self._rng.integers(len(self._plates)))]
        ratio = plate.shape[1] / plate.shape[0]
        height = 110.0 if ratio > 4 else 152.0 if 1.9 < ratio < 2.5 else 130.0 if ratio > 2.5 else 200.0
        return plate, (ratio * height, height)

    def _width(self) -> float:
        return float(np.exp(self._rng.uniform(*np.log(_WIDTHS_PX))))

    def _cars(self, scene: Scene) -> None:
        """One car, or several small ones, the nearest last; one in seven has no plate."""
        rng = self._rng
        widths = [self._width()]
        if widths[0] < 60:
            widths += [widths[0] * float(rng.uniform(0.6, 1.5)) for _ in range(int(rng.integers(0, 4)))]
        for width_px in sorted(widths):
            plate, plate_wh = self._plate()
            place = _place(rng, plate_wh, width_px)
            corners = _corners(place, plate_wh)
            if not _is_seen(corners):
                continue
            texture = self._background()
            extent = cv2.perspectiveTransform(_EXTENT_MM[None], place)[0]
            hidden = np.zeros_like(scene.core)
            if np.abs(extent).max() < 1e5:
                cv2.fillPoly(hidden, [np.round(extent / STRIDE_PX).astype(np.int32)], (1,))
            scene.weight[(hidden & scene.core) > 0] = 0
            scene.core[hidden > 0] = 0
            draw_car(Car(scene.image, place, plate_wh, self._words, texture, rng))
            if rng.random() < 0.85:
                self._lay(scene, plate, corners)

    def _loose(self, scene: Scene, taken: list[Floats]) -> None:
        """A plate without a car, at times on a bumper of one colour or in a frame."""
        rng = self._rng
        plate, plate_wh = self._plate()
        place = _place(rng, plate_wh, self._width())
        corners = _corners(place, plate_wh)
        if not _is_seen(corners) or any(_touch(corners, other) for other in taken):
            return
        width, height = plate_wh
        if rng.random() < 0.6:
            around = np.array([width, height]) + 2 * height * rng.uniform(0.1, 1.6)
            wide = cv2.perspectiveTransform(_rectangle(*around)[None], place)[0]
            colour = rng.integers(0, 256, 3) if rng.random() < 0.5 else np.full(3, rng.integers(5, 250))
            shade = np.linspace(1.15, 0.7, 8)[:, None, None] * np.ones((8, 8, 1)) * colour
            warp_in(scene.image, np.clip(shade, 0, 255).astype(np.uint8), wide)
        taken.append(corners)
        self._lay(scene, plate, corners)

    def _lay(self, scene: Scene, plate: Pixels, corners: Floats) -> None:
        """Lays a worn plate into the image and marks it in the maps."""
        height = float(np.linalg.norm(corners[3] - corners[0]))
        warp_in(scene.image, worn(plate, height, self._rng), corners)
        _mark(scene.weight, corners, 1)
        _mark(scene.core, shrunk(corners), 1)

    def _distract(self, scene: Scene, taken: list[Floats]) -> None:
        """Words or an empty plate, where no plate is."""
        rng = self._rng
        words = _blank(rng) if rng.random() < 0.25 else self._words[int(rng.integers(len(self._words)))]
        ratio = words.shape[1] / words.shape[0]
        place = _place(rng, (ratio * 100.0, 100.0), min(190.0, self._width() * ratio / 3))
        corners = _corners(place, (ratio * 100.0, 100.0))
        low, high = _cells(corners)
        is_free = not scene.core[low[1] : high[1], low[0] : high[0]].any()
        if is_free and not any(_touch(corners, other) for other in taken):
            taken.append(corners)
            if words.shape[2] == 3:
                words = worn(words, float(np.linalg.norm(corners[3] - corners[0])), rng)
            warp_in(scene.image, words, corners)


def _rectangle(width: float, height: float) -> Floats:
    return np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64) * [width / 2, height / 2]


def _place(rng: np.random.Generator, plate_wh: tuple[float, float], width_px: float) -> Floats:
    """Homography from millimetres around a plate's centre to pixels: turned in space, seen by a pinhole."""
    yaw, pitch, roll = np.clip(rng.normal(0, [0.35, 0.18, 0.06]), -0.95, 0.95)
    if rng.random() < 0.1:
        roll = float(rng.uniform(-0.45, 0.45))
    turn = np.asarray(cv2.Rodrigues(np.array([0.0, 0.0, roll]))[0])
    turn = turn @ cv2.Rodrigues(np.array([pitch, 0.0, 0.0]))[0] @ cv2.Rodrigues(np.array([0.0, yaw, 0.0]))[0]
    distance = float(rng.uniform(2500, 9000))
    focal = distance * width_px / plate_wh[0]
    centre = rng.uniform(0.02, 0.98, 2) * SIDE_PX
    camera = np.array([[focal, 0, 0], [0, focal, 0], [0, 0, 1]])
    seen = camera @ np.column_stack([turn[:, 0], turn[:, 1], [0, 0, distance]])
    shift = np.array([[1, 0, centre[0]], [0, 1, centre[1]], [0, 0, 1]])
    return np.asarray(shift @ seen / seen[2, 2], np.float64)


def _corners(place: Floats, plate_wh: tuple[float, float]) -> Floats:
    return np.asarray(cv2.perspectiveTransform(_rectangle(*plate_wh)[None], place)[0], np.float64)


def _is_seen(corners: Floats) -> bool:
    """Whether most of a plate lies inside the image."""
    size = np.maximum(corners.max(axis=0) - corners.min(axis=0), 1e-6)
    inside = np.clip(corners.max(axis=0), 0, SIDE_PX) - np.clip(corners.min(axis=0), 0, SIDE_PX)
    return bool((inside / size).prod() > 0.65)


def _cells(corners: Floats) -> tuple[tuple[int, int], tuple[int, int]]:
    """The cells of the map that a quadrilateral's box touches, half-open."""
    low = np.clip(np.floor(corners.min(axis=0) / STRIDE_PX), 0, None).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0) / STRIDE_PX), 0, None).astype(int)
    return (int(low[0]), int(low[1])), (int(high[0]), int(high[1]))


def _mark(cells: Pixels, corners: Floats, value: int) -> None:
    cv2.fillPoly(cells, [np.round(corners / STRIDE_PX - 0.5).astype(np.int32)], (value,))


def _touch(a: Floats, b: Floats) -> bool:
    return bool((a.min(axis=0) < b.max(axis=0) + 6).all() and (b.min(axis=0) < a.max(axis=0) + 6).all())


def _blank(rng: np.random.Generator) -> Pixels:
    """What has the shape of a plate but no number: an empty sheet, stripes, a grid."""
    width = int(96 * rng.uniform(1.3, 5))
    sheet = np.zeros((96, width, 3), np.uint8)
    sheet[...] = np.clip(rng.normal(200, 50) + rng.normal(0, 15, 3), 0, 255)
    ink = rng.integers(0, 256, 3)
    kind = rng.random()
    step = int(rng.integers(8, 40))
    if kind < 0.5:
        for x in range(step, width, step):
            sheet[:, x : x + max(1, int(step * rng.uniform(0.1, 0.7)))] = ink
    if 0.3 < kind < 0.8:
        for y in range(step, 96, step):
            sheet[y : y + max(1, step // 4)] = ink
    return sheet
