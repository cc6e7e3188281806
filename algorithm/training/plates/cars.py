"""Drawn fronts and rears of cars: lamps, grilles, windows, badges and bumpers around a plate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Car", "draw_car", "warp_in"]

Pixels: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float64]

_PAINTS = (
    (235, 235, 232), (200, 202, 204), (150, 152, 154), (100, 102, 104), (60, 60, 62), (22, 22, 24),
    (120, 50, 25), (60, 30, 15), (30, 30, 160), (20, 20, 100), (60, 90, 40), (150, 190, 205), (40, 120, 200),
)  # fmt: skip
"""Usual colours, blue first."""

_CIRCLE = np.stack([np.cos(np.arange(24) * np.pi / 12), np.sin(np.arange(24) * np.pi / 12)], axis=1)


@dataclass(frozen=True)
class Car:
    """What a car is drawn with.

    Attributes:
        image: `(H, W, 3)` uint8, blue first; changed in place.
        place: homography from millimetres on the car's end, whose origin is the plate's centre with y
            downwards, to pixels of the image.
        plate_wh: width and height of the plate in millimetres.
        words: drawn words, for badges and stickers.
        texture: `(H, W, 3)` uint8: what is mirrored in the paint.
        rng: decides everything.
    """

    image: Pixels
    place: Floats
    plate_wh: tuple[float, float]
    words: Sequence[Pixels]
    texture: Pixels
    rng: np.random.Generator

    def polygon(
        self, points: Sequence[tuple[float, float]] | Floats, colour: Sequence[float] | Floats
    ) -> None:
        """Fills a polygon that is given in millimetres."""
        corners = cv2.perspectiveTransform(np.asarray(points, np.float64)[None], self.place)[0]
        if np.abs(corners).max() < 1e5:
            fill = [float(np.clip(value, 0, 255)) for value in colour]
            cv2.fillPoly(self.image, [np.round(corners * 16).astype(np.int32)], fill, cv2.LINE_AA, 4)

    def rectangle(
        self, x: float, y: float, width: float, height: float, colour: Sequence[float] | Floats
    ) -> None:
        """Fills a rectangle around a centre."""
        w, h = width / 2, height / 2
        self.polygon([(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)], colour)

    def ellipse(
        self, x: float, y: float, width: float, height: float, colour: Sequence[float] | Floats
    ) -> None:
        """Fills an ellipse around a centre."""
        self.polygon(_CIRCLE * [width / 2, height / 2] + [x, y], colour)

    def patch(self, pixels: Pixels, x: float, y: float, width: float, height: float) -> None:
        """Lays pixels into a rectangle around a centre."""
        w, h = width / 2, height / 2
        box = np.array([[x - w, y - h], [x + w, y - h], [x + w, y + h], [x - w, y + h]])
        corners = cv2.perspectiveTransform(box[None], self.place)[0]
        warp_in(self.image, pixels, corners)


def warp_in(image: Pixels, patch: Pixels, corners: Floats) -> None:
    """Lays a patch into an image, in place: its corners come to `(4, 2)`, clockwise from the upper left.

    A fourth channel of the patch is its opacity.
    """
    height, width = patch.shape[:2]
    low = np.clip(np.floor(corners.min(axis=0)) - 1, 0, [image.shape[1], image.shape[0]]).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, [image.shape[1], image.shape[0]]).astype(int)
    if (high - low < 1).any() or np.abs(corners).max() > 1e5:
        return
    # A patch that is much larger than its place would be sampled with gaps.
    shrink = float(np.linalg.norm(corners[1] - corners[0])) / width
    if shrink < 0.7:
        size_wh = max(2, round(width * shrink)), max(2, round(height * shrink))
        patch = np.asarray(cv2.resize(patch, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        height, width = patch.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, (corners - low).astype(np.float32))
    size_wh = int(high[0] - low[0]), int(high[1] - low[1])
    laid = cv2.warpPerspective(
        patch, matrix, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    alpha = np.zeros(size_wh[::-1], np.uint8)
    outline = np.round((corners - low - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(alpha, [outline], (255,), cv2.LINE_AA, 4)
    part = image[low[1] : high[1], low[0] : high[0]]
    share = alpha[..., None].astype(np.float32) / 255
    if laid.shape[2] == 4:
        laid, share = laid[..., :3], share * (laid[..., 3:].astype(np.float32) / 255)
    part[...] = (part * (1 - share) + laid * share + 0.5).astype(np.uint8)


def draw_car(car: Car) -> None:
    """Draws the end of a car around the place of its plate, which stays empty."""
    rng = car.rng
    is_rear = rng.random() < 0.6
    half = float(rng.uniform(650, 1050))
    top, bottom = -float(rng.uniform(150, 800)), float(rng.uniform(90, 450))
    paint = np.clip(np.array(_PAINTS[int(rng.integers(len(_PAINTS)))]) + rng.normal(0, 12, 3), 5, 250)
    _ground(car, half, bottom)
    _window(car, half, top, paint)
    _body(car, half, top, bottom, paint)
    _bumper(car, half, bottom, paint)
    if is_rear:
        _lamps(car, half, top, bottom, (25, 20, 150))
    else:
        if rng.random() < 0.8:
            _grille(car, top)
        _lamps(car, half, top, bottom, (190, 185, 180))
    _badges(car, half, top, bottom)
    _recess(car, paint)


def _ground(car: Car, half: float, bottom: float) -> None:
    """Wheels and the shadow below."""
    rng = car.rng
    car.rectangle(0, bottom + 120, 2 * half, 260, np.full(3, rng.uniform(10, 60)))
    for side in (-1, 1):
        car.rectangle(
            side * (half - 130), bottom + 90, rng.uniform(150, 260), 300, np.full(3, rng.uniform(5, 40))
        )


def _window(car: Car, half: float, top: float, paint: Floats) -> None:
    """The cabin with its window, above the body."""
    rng = car.rng
    height, narrow = float(rng.uniform(350, 700)), float(rng.uniform(0.65, 0.9))
    roof = top - height
    car.polygon(
        [(-half * narrow, roof), (half * narrow, roof), (half * 0.98, top), (-half * 0.98, top)], paint
    )
    glass = np.array([1.0, 0.98, 0.93]) * rng.uniform(15, 140)
    inset = 0.9
    a, b = narrow * inset * half, half * inset * 0.93
    car.polygon([(-a, roof + 60), (a, roof + 60), (b, top - 25), (-b, top - 25)], glass)
    if rng.random() < 0.5:
        light = np.clip(glass + rng.uniform(20, 120), 0, 255)
        x = float(rng.uniform(-a, a * 0.5))
        car.polygon(
            [(x, roof + 60), (x + a * 0.4, roof + 60), (x + a * 0.2, top - 25), (x - a * 0.3, top - 25)],
            light,
        )
    for _ in range(int(rng.integers(0, 3))):
        word = car.words[int(rng.integers(len(car.words)))]
        width = float(rng.uniform(80, 600))
        car.patch(
            word,
            rng.uniform(-a, a) * 0.7,
            roof + height * rng.uniform(0.3, 0.8),
            width,
            width * rng.uniform(0.12, 0.5),
        )


def _body(car: Car, half: float, top: float, bottom: float, paint: Floats) -> None:
    """The painted sheet, with what is mirrored in it, light from above and the gaps between panels."""
    rng = car.rng
    edge = float(rng.uniform(20, 140))
    outline = [
        (-half + edge, top), (half - edge, top), (half, top + 2 * edge), (half, bottom - edge),
        (half - edge, bottom), (-half + edge, bottom), (-half, bottom - edge), (-half, top + 2 * edge),
    ]  # fmt: skip
    bands = np.linspace(top, bottom, 7)
    car.polygon(outline, paint)
    shine, dark = float(rng.uniform(0.05, 0.35)), float(rng.uniform(0.05, 0.5))
    for number, (upper, lower) in enumerate(pairwise(bands)):
        light = 1 + shine - (shine + dark) * number / 5 + rng.normal(0, 0.05)
        car.rectangle(0, (upper + lower) / 2, 2 * half - 2 * edge, lower - upper + 2, paint * light)
    corners = cv2.perspectiveTransform(np.array(outline)[None], car.place)[0]
    mask = np.zeros(car.image.shape[:2], np.uint8)
    if np.abs(corners).max() < 1e5:
        cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], (255,))
        share = float(rng.uniform(0.05, 0.4))
        mixed = cv2.addWeighted(car.image, 1 - share, car.texture, share, 0)
        cv2.copyTo(mixed, mask, car.image)
    for _ in range(int(rng.integers(1, 5))):
        line = paint * rng.uniform(0.2, 0.8) if rng.random() < 0.75 else paint + 60
        car.rectangle(0, rng.uniform(top, bottom), 2 * half * rng.uniform(0.7, 1), rng.uniform(4, 14), line)
    if rng.random() < 0.5:
        for side in (-1, 1):
            car.rectangle(
                side * half * rng.uniform(0.5, 0.9), (top + bottom) / 2, 8, bottom - top, paint * 0.4
            )


def _bumper(car: Car, half: float, bottom: float, paint: Floats) -> None:
    """A bumper of plastic or paint, above or below the plate or behind it; reflectors and pipes in it."""
    rng = car.rng
    height = float(rng.uniform(90, 320))
    middle = float(rng.choice([0.0, bottom - height / 2, -height * 0.8]))
    colour = np.full(3, rng.uniform(15, 75)) if rng.random() < 0.5 else paint * rng.uniform(0.75, 1.1)
    car.rectangle(0, middle, 2 * half, height, colour)
    car.rectangle(0, middle - height / 2, 2 * half, rng.uniform(5, 20), colour + rng.uniform(10, 90))
    car.rectangle(0, middle + height / 2, 2 * half, rng.uniform(5, 25), colour * 0.4)
    if rng.random() < 0.4:
        car.rectangle(0, middle, 2 * half, rng.uniform(10, 50), np.full(3, rng.uniform(10, 220)))
    if rng.random() < 0.6:
        glow = ((20, 20, 170), (200, 200, 195), (10, 120, 230), (30, 30, 32))[int(rng.integers(4))]
        x, width = float(rng.uniform(0.55, 0.85)) * half, float(rng.uniform(60, 260))
        for side in (-1, 1):
            car.rectangle(side * x, middle + rng.uniform(-20, 20), width, rng.uniform(25, 110), glow)
    if rng.random() < 0.3:
        side = rng.choice([-1, 1])
        car.ellipse(side * half * 0.6, bottom, 110, 60, np.full(3, rng.uniform(60, 190)))
        car.ellipse(side * half * 0.6, bottom, 80, 40, np.full(3, 15.0))


def _lamps(car: Car, half: float, top: float, bottom: float, glow: Sequence[float]) -> None:
    """A lamp at each side: a quadrilateral with parts of other colours, and stripes."""
    rng = car.rng
    width, height = float(rng.uniform(120, 420)), float(rng.uniform(90, 320))
    y = float(rng.uniform(top + height / 2, max(top + height, bottom - height)))
    slant, x = float(rng.uniform(-40, 40)), half - width / 2 - rng.uniform(0, 60)
    base = np.clip(np.array(glow) * rng.uniform(0.5, 1.4), 0, 255)
    for side in (-1, 1):
        at = side * x
        w, h = width / 2, height / 2
        tilt = slant * side
        car.polygon(
            [(at - w, y - h - tilt), (at + w, y - h + tilt), (at + w, y + h + tilt), (at - w, y + h - tilt)],
            base * 0.35,
        )
        car.polygon(
            [
                (at - w + 12, y - h + 12 - tilt),
                (at + w - 12, y - h + 12 + tilt),
                (at + w - 12, y + h - 12 + tilt),
                (at - w + 12, y + h - 12 - tilt),
            ],
            base,
        )
    other = ((200, 200, 200), (20, 110, 230), (240, 240, 245), (40, 40, 42))[int(rng.integers(4))]
    across = rng.random() < 0.5
    share = float(rng.uniform(0.2, 0.5))
    is_round = rng.random() < 0.4
    for side in (-1, 1):
        if is_round:
            car.ellipse(side * x, y, height * 0.7, height * 0.7, other)
            car.ellipse(side * x, y, height * 0.35, height * 0.35, np.array(other) * 0.6)
        elif across:
            car.rectangle(side * x, y, width * 0.9, height * share, other)
        else:
            car.rectangle(side * (x - width * 0.2), y, width * share, height * 0.85, other)


def _grille(car: Car, top: float) -> None:
    """Slats or a mesh, often with a bright border."""
    rng = car.rng
    width, height = float(rng.uniform(400, 1100)), float(rng.uniform(70, 300))
    y = float(rng.uniform(max(top, -500) + height / 2, 0)) if top + height < 0 else 0.0
    chrome = np.full(3, rng.uniform(90, 235))
    if rng.random() < 0.6:
        car.rectangle(0, y, width + 40, height + 40, chrome)
    car.rectangle(0, y, width, height, np.full(3, rng.uniform(5, 45)))
    bright = np.full(3, rng.uniform(40, 200))
    step = float(rng.uniform(22, 60))
    kind = rng.random()
    if kind < 0.7:
        for offset in np.arange(-height / 2 + step / 2, height / 2, step):
            car.rectangle(0, y + offset, width, step * 0.3, bright)
    if kind > 0.5:
        for offset in np.arange(-width / 2 + step / 2, width / 2, step * 1.3):
            car.rectangle(offset, y, step * 0.3, height, bright)


def _badges(car: Car, half: float, top: float, bottom: float) -> None:
    """A maker's badge above the plate; names, stickers and advertisements."""
    rng = car.rng
    above = -car.plate_wh[1] / 2
    if rng.random() < 0.7:
        y = max(top + 30, above - rng.uniform(60, 300))
        size = float(rng.uniform(60, 160))
        car.ellipse(0, y, size, size * rng.uniform(0.5, 1), np.full(3, rng.uniform(90, 240)))
        car.ellipse(0, y, size * 0.75, size * 0.5, rng.uniform(0, 200, 3))
    if rng.random() < 0.25:
        # The oval of a country, with its letters.
        x, y, size = (
            float(rng.choice([-1, 1]) * rng.uniform(0.4, 0.8)) * half,
            bottom * rng.uniform(0, 0.8),
            150.0,
        )
        car.ellipse(x, y, size, size * 0.65, np.full(3, rng.uniform(180, 250)))
        car.patch(car.words[int(rng.integers(len(car.words)))], x, y, size * 0.6, size * 0.35)
    for _ in range(int(rng.integers(0, 5))):
        word = car.words[int(rng.integers(len(car.words)))]
        width = float(rng.uniform(90, 500))
        height = width * rng.uniform(0.12, 0.4)
        x, y = float(rng.uniform(-half, half)) * 0.85, float(rng.uniform(top, bottom))
        if abs(x) > (width + car.plate_wh[0]) / 2 or abs(y) > (height + car.plate_wh[1]) / 2:
            car.patch(word, x, y, width, height)


def _recess(car: Car, paint: Floats) -> None:
    """Where the plate is screwed on: a hollow or a frame, or nothing."""
    rng = car.rng
    width, height = car.plate_wh
    kind = rng.random()
    if kind < 0.4:
        w, h = width * rng.uniform(1.05, 1.5), height * rng.uniform(1.1, 1.9)
        hollow = paint * rng.uniform(0.3, 0.95)
        car.rectangle(0, 0, w, h, hollow)
        car.rectangle(0, -h / 2, w, h * 0.12, hollow * 0.5)
        car.rectangle(0, h / 2, w, h * 0.08, np.clip(hollow * 1.4, 0, 255))
    if kind > 0.3 and rng.random() < 0.6:
        frame = np.full(3, rng.uniform(8, 60)) if rng.random() < 0.75 else np.full(3, rng.uniform(120, 230))
        w, h = width + 2 * rng.uniform(6, 26), height + 2 * rng.uniform(6, 26)
        lower = rng.uniform(0, 30) if rng.random() < 0.5 else 0.0
        car.rectangle(0, lower / 2, w, h + lower, frame)
        if lower > 15:
            word = car.words[int(rng.integers(len(car.words)))]
            car.patch(word, 0, height / 2 + lower * 0.5, width * rng.uniform(0.4, 0.9), lower * 0.7)
