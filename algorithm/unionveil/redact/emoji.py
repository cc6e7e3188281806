"""Emoji drawn by this project, from circles and polygons in a unit square."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

__all__ = ["draw"]

_SIDE_PX = 512
"""Emoji are drawn at this size and reduced when placed on a face."""

_YELLOW, _BROWN, _DARK, _RED, _BLUE, _WHITE = (
    (255, 205, 60, 255),
    (140, 88, 50, 255),
    (60, 40, 30, 255),
    (222, 45, 60, 255),
    (120, 175, 215, 255),
    (245, 248, 250, 255),
)


@lru_cache
def draw(name: str) -> npt.NDArray[np.uint8]:
    """An emoji as `(512, 512, 4)` uint8 RGBA, read-only.

    Args:
        name: one of `config.EMOJI`.
    """
    # Drawn at twice the size and reduced, for smooth edges.
    image = Image.new("RGBA", (2 * _SIDE_PX, 2 * _SIDE_PX))
    {"fist": _fist, "smile": _smile, "mask": _mask, "heart": _heart}[name](_Pen(ImageDraw.Draw(image)))
    pixels = np.array(image.resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX))
    pixels.flags.writeable = False
    return pixels


class _Pen:
    """Draws in a unit square whose origin is at the top left."""

    def __init__(self, canvas: ImageDraw.ImageDraw) -> None:
        self._canvas = canvas
        self._side = 2 * _SIDE_PX

    def _px(self, *values: float) -> list[float]:
        return [value * self._side for value in values]

    def disc(self, x: float, y: float, radius: float, colour: tuple[int, ...]) -> None:
        self._canvas.ellipse(self._px(x - radius, y - radius, x + radius, y + radius), fill=colour)

    def bar(
        self, x0: float, y0: float, x1: float, y1: float, colour: tuple[int, ...], round_: float = 0.06
    ) -> None:
        width = max(1, int(self._side * 0.012))
        self._canvas.rounded_rectangle(self._px(x0, y0, x1, y1), round_ * self._side, colour, _DARK, width)

    def polygon(self, points: list[tuple[float, float]], colour: tuple[int, ...]) -> None:
        self._canvas.polygon([(x * self._side, y * self._side) for x, y in points], fill=colour)

    def arc(self, box: tuple[float, float, float, float], start: int, end: int, width: float) -> None:
        self._canvas.arc(self._px(*box), start, end, fill=_DARK, width=int(width * self._side))


def _fist(pen: _Pen) -> None:
    pen.bar(0.32, 0.58, 0.70, 0.99, _BROWN)
    pen.bar(0.22, 0.28, 0.78, 0.72, _BROWN, 0.12)
    for x in (0.22, 0.36, 0.50, 0.64):
        pen.bar(x, 0.08, x + 0.14, 0.48, _BROWN)
    pen.bar(0.16, 0.44, 0.58, 0.60, _BROWN, 0.08)


def _head(pen: _Pen) -> None:
    pen.disc(0.5, 0.5, 0.49, _DARK)
    pen.disc(0.5, 0.5, 0.475, _YELLOW)


def _smile(pen: _Pen) -> None:
    _head(pen)
    for x in (0.34, 0.66):
        pen.disc(x, 0.38, 0.065, _DARK)
    pen.arc((0.24, 0.28, 0.76, 0.80), 20, 160, 0.045)


def _mask(pen: _Pen) -> None:
    _head(pen)
    for x in (0.34, 0.66):
        pen.disc(x, 0.36, 0.06, _DARK)
    pen.bar(0.20, 0.50, 0.80, 0.86, _WHITE, 0.10)
    for y in (0.60, 0.68, 0.76):
        pen.bar(0.26, y, 0.74, y + 0.012, _BLUE, 0.005)


def _heart(pen: _Pen) -> None:
    for x in (0.285, 0.715):
        pen.disc(x, 0.33, 0.235, _RED)
    pen.polygon([(0.085, 0.45), (0.5, 0.35), (0.915, 0.45), (0.5, 0.95)], _RED)
