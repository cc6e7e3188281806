"""Distractors: words, discs and patches of other photos, pasted where there is no face."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from .compositing import (
    SKIN_BGR,
    Place,
    blend_ellipse,
    free_place,
    ints,
    random_colour,
    random_side,
    whole_size,
)
from .labels import Labels
from .photos import Image
from .views import Rng, Sampler

__all__ = ["add_distractors"]

_LETTERS = "AABBCCDDEEFGGHIJKLMNOOPPQQRRSSTUUVWXYZaabbccddeeghikllmnoopprsstuvwy001234567899@%&"
"""Round letters are more frequent: detectors mistake them for faces."""

_FONT_PX = 48
_FONT = PIL.ImageFont.load_default(_FONT_PX)
"""Pillow's own outline font; words are drawn at this size and then scaled."""

_HERSHEY_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX)


def add_distractors(image: Image, labels: Labels, sampler: Sampler, rng: Rng, count: int) -> Image:
    """Pastes distractors away from faces.

    Otherwise drawn discs and soft edges occur only at faces that `occlude` or `copy_paste` changed, and the
    network takes everything that looks like them for a face.
    """
    height, width = image.shape[:2]
    image = image.copy()
    faces = labels.xyxy[labels.face]
    for _ in range(count):
        kind, side = rng.integers(3), random_side(8, 0.4 * min(width, height), rng)
        if kind == 0:
            _add_word(image, faces, side, rng)
            continue
        size_wh = whole_size(side * np.array([rng.uniform(0.6, 1.2), 1.0]))
        corner = free_place(faces, (width, height), size_wh, rng)
        if corner is None:
            continue
        if kind == 1:
            _draw_disc(image, corner, size_wh, rng)
        else:
            _paste_patch(image, corner, size_wh, sampler, rng)
    return image


def _paste_patch(image: Image, corner: Place, size_wh: Place, sampler: Sampler, rng: Rng) -> None:
    """Pastes a patch of another photo that touches none of its boxes."""
    photo, others = sampler(rng)
    source_wh = whole_size(size_wh * rng.uniform(0.7, 3.0))
    start = free_place(others.xyxy, (photo.shape[1], photo.shape[0]), source_wh, rng)
    if start is not None:
        (x0, y0), (x1, y1) = start, start + source_wh
        blend_ellipse(image, photo[y0:y1, x0:x1], corner, size_wh)


def _add_word(image: Image, faces: npt.NDArray[np.float32], height_px: float, rng: Rng) -> None:
    """Writes a word in any colour onto the image, sometimes on a sign, away from faces."""
    ink = _word(height_px, rng)
    height, width = ink.shape
    corner = free_place(faces, (image.shape[1], image.shape[0]), np.array([width, height]), rng)
    if corner is None:
        return
    region = image[int(corner[1]) : int(corner[1]) + height, int(corner[0]) : int(corner[0]) + width]
    if rng.random() < 0.4:
        region[:] = random_colour(rng)
    colour = np.array(random_colour(rng))
    region[:] = (ink[..., None] * colour + (1 - ink[..., None]) * region).astype(np.uint8)


def _word(height_px: float, rng: Rng) -> npt.NDArray[np.float32]:
    """Renders a random word, thin to bold and narrow to wide: ink per pixel in [0, 1]."""
    text = "".join(_LETTERS[i] for i in rng.integers(len(_LETTERS), size=rng.integers(1, 9)))
    drawn = _outline_text(text, rng) if rng.random() < 0.5 else _hershey_text(text, rng)
    height = max(2, round(height_px))
    width = max(2, round(drawn.shape[1] / drawn.shape[0] * height_px * rng.uniform(0.7, 1.4)))
    return np.asarray(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA) / 255, np.float32)


def _outline_text(text: str, rng: Rng) -> npt.NDArray[np.uint8]:
    stroke = int(rng.integers(5))
    x0, y0, x1, y1 = (int(v) for v in _FONT.getbbox(text, stroke_width=stroke))
    canvas = PIL.Image.new("L", (x1 - x0, y1 - y0))
    PIL.ImageDraw.Draw(canvas).text((-x0, -y0), text, 255, _FONT, stroke_width=stroke)
    return np.asarray(canvas, np.uint8)


def _hershey_text(text: str, rng: Rng) -> npt.NDArray[np.uint8]:
    font, thickness = int(rng.choice(_HERSHEY_FONTS)), int(rng.integers(2, 11))
    (width, height), baseline = cv2.getTextSize(text, font, _FONT_PX / 24, thickness)
    drawn = np.zeros((height + baseline + thickness, width + thickness), np.uint8)
    cv2.putText(drawn, text, (thickness // 2, height), font, _FONT_PX / 24, 255, thickness, cv2.LINE_AA)
    return drawn


def _draw_disc(image: Image, corner: Place, size_wh: Place, rng: Rng) -> None:
    """Draws a disc or a ring in the colour of skin or any other, sometimes with one or two spots inside."""
    middle, half = corner + size_wh / 2, size_wh / 2
    skin = SKIN_BGR[rng.integers(len(SKIN_BGR))]
    ring = rng.random() < 0.3
    thickness = max(1, int(size_wh.min() * rng.uniform(0.05, 0.25))) if ring else -1
    axes = ints(np.maximum(half - (thickness if ring else 0), 1))
    colour = skin if rng.random() < 0.4 else random_colour(rng)
    angle = float(rng.uniform(0, 180)) if size_wh[0] > size_wh[1] * 0.9 else 0.0
    cv2.ellipse(image, ints(middle), axes, angle, 0, 360, colour, thickness, cv2.LINE_AA)
    inner, spread = random_colour(rng), rng.uniform(0.1, 0.5)
    for offset in ((), (0.0,), (-spread, spread))[rng.integers(3)]:
        spot = (int(middle[0] + offset * size_wh[0]), int(middle[1] - 0.15 * size_wh[1]))
        spot_axes = ints(np.maximum(half * rng.uniform(0.15, 0.4, 2), 1))
        cv2.ellipse(image, spot, spot_axes, 0.0, 0, 360, inner, -1, cv2.LINE_AA)
