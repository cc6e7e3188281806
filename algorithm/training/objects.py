"""Things set into pictures: faces of other photos, what hides a face, and what is no face.

Every function is pure but for the generator it draws from; pictures are `(H, W, 3)` uint8, blue first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from unionveil.boxes import shorter_sides

from .labels import Labels
from .views import Drawer, Image, Rng, clip, random_view

__all__ = ["decoys", "occlude", "paste_faces", "shine_through"]

_SKIN_BGR = ((120, 150, 200), (70, 95, 140), (40, 55, 90))
_LETTERS = "AABBCCDDEEFGGHIJKLMNOOPPQQRRSSTUUVWXYZaabbccddeeghikllmnoopprsstuvwy001234567899@%&"
"""Round ones more often: they are what is taken for a face."""

_MOST_SHINING = 0.4
"""Share of another photo in a picture below half, so that the picture's own faces are still seen."""

_FONT_PX = 48
_FONT = PIL.ImageFont.load_default(_FONT_PX)
"""Pillow's own outline font; words are drawn at this size and scaled."""


def paste_faces(image: Image, labels: Labels, drawer: Drawer, rng: Rng, count: int) -> tuple[Image, Labels]:
    """Sets faces of other photos, with soft edges, where no box is: crowds, and faces in odd places."""
    height, width = image.shape[:2]
    image = image.copy()
    for _ in range(count):
        photo, others = drawer(rng)
        sides = shorter_sides(others.xyxy)
        good = np.flatnonzero(others.face & (sides >= 20) & (others.quality >= 0.85))
        if not len(good):
            continue
        one = others[good[[rng.integers(len(good))]]]
        box = one.xyxy[0]
        side = float((box[2:] - box[:2]).mean())
        scale = float(np.exp(rng.uniform(np.log(8), np.log(min(72, side * 1.2))))) / side
        margin = 0.45 * (box[2:] - box[:2])
        low = np.maximum(box[:2] - margin, 0).astype(int)
        high = np.minimum(box[2:] + margin, (photo.shape[1], photo.shape[0])).astype(int)
        size_wh = _whole((high - low) * scale)
        at = _free_place(labels.xyxy, (width, height), size_wh, rng)
        if at is None:
            continue
        _set_softly(image, photo[low[1] : high[1], low[0] : high[0]], at, size_wh)
        factor = size_wh / np.maximum(high - low, 1)
        shift = at - low * factor
        moved = replace(
            one,
            xyxy=(one.xyxy * np.tile(factor, 2) + np.tile(shift, 2)).astype(np.float32),
            points=(one.points * factor + shift).astype(np.float32),
        )
        labels = Labels.concat([labels, clip(moved, 0, 0, width, height)])
    return image, labels


def decoys(image: Image, labels: Labels, drawer: Drawer, rng: Rng, count: int) -> Image:
    """Sets what is no face where no face is: words, discs, and pieces of other photos.

    Without them a drawn disc or a soft edge is found nowhere but at a face that `occlude` or `paste_faces`
    drew, and whatever looks like one is taken for a face.
    """
    height, width = image.shape[:2]
    image = image.copy()
    faces = labels.xyxy[labels.face]
    for _ in range(count):
        kind, side = rng.integers(3), float(np.exp(rng.uniform(np.log(8), np.log(0.4 * min(width, height)))))
        if kind == 0:
            ink = _word(side, rng)
            at = _free_place(faces, (width, height), np.array(ink.shape[::-1]), rng)
            if at is not None:
                _print(image, ink, at, rng)
            continue
        size_wh = _whole(side * np.array([rng.uniform(0.6, 1.2), 1.0]))
        at = _free_place(faces, (width, height), size_wh, rng)
        if at is None:
            continue
        if kind == 1:
            _draw_disc(image, at, size_wh, rng)
        else:
            photo, others = drawer(rng)
            from_wh = _whole(size_wh * rng.uniform(0.7, 3.0))
            start = _free_place(others.xyxy, (photo.shape[1], photo.shape[0]), from_wh, rng)
            if start is not None:
                (x0, y0), (x1, y1) = start, start + from_wh
                _set_softly(image, photo[y0:y1, x0:x1], at, size_wh)
    return image


def shine_through(image: Image, labels: Labels, drawer: Drawer, rng: Rng) -> tuple[Image, Labels]:
    """Lays a view of another photo thinly over the picture, as a window does; its faces are ignored.

    The detectors that teach tell what they make of such a picture too, and no photo is like it (mixup,
    arXiv:1710.09412; for teaching by another network, arXiv:2106.05237).
    """
    height, width = image.shape[:2]
    other, others = random_view(drawer, (width, height), rng, crowd=1.2)
    share = rng.uniform(0.1, _MOST_SHINING)
    mixed = np.asarray(cv2.addWeighted(image, 1 - share, other, share, 0.0), np.uint8)
    faces = others[others.face | others.ignore]
    return mixed, Labels.concat([labels, replace(faces, ignore=np.ones(len(faces), bool))])


def _whole(size_wh: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int64]:
    """A size in whole pixels, at least 2 by 2."""
    return np.maximum(np.round(size_wh), 2).astype(np.int64)


def _free_place(
    boxes: npt.NDArray[np.float32], canvas_wh: tuple[int, int], size_wh: npt.NDArray[np.int64], rng: Rng
) -> npt.NDArray[np.int64] | None:
    """Upper left corner of a place that no box touches; None if the one that was drawn is taken."""
    room = np.array(canvas_wh) - size_wh
    if (room <= 0).any():
        return None
    at = rng.integers(room)
    taken = (boxes[:, :2] < at + size_wh).all(axis=1) & (boxes[:, 2:] > at).all(axis=1)
    return None if taken.any() else at


def _set_softly(
    image: Image, piece: Image, at: npt.NDArray[np.int64], size_wh: npt.NDArray[np.int64]
) -> None:
    """Sets a piece of a photo into a picture as an ellipse with soft edges."""
    width, height = int(size_wh[0]), int(size_wh[1])
    piece = np.asarray(cv2.resize(piece, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    ellipse = np.zeros((height, width), np.float32)
    axes = (int(width * 0.46), int(height * 0.46))
    cv2.ellipse(ellipse, (width // 2, height // 2), axes, 0, 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(ellipse, (0, 0), max(0.5, min(width, height) * 0.04))[..., None]
    where = image[int(at[1]) : int(at[1]) + height, int(at[0]) : int(at[0]) + width]
    where[:] = (soft * piece + (1 - soft) * where).astype(np.uint8)


def _ints(numbers: npt.ArrayLike) -> tuple[int, ...]:
    """A colour, a point or a size as OpenCV takes it; what lies behind the point is cut off."""
    return tuple(int(number) for number in np.asarray(numbers))


def _colour(rng: Rng) -> tuple[int, ...]:
    return _ints(rng.integers(0, 256, 3))


def _word(height_px: float, rng: Rng) -> npt.NDArray[np.float32]:
    """A word, thin to bold and narrow to wide: how much ink each pixel has, in [0, 1]."""
    text = "".join(_LETTERS[i] for i in rng.integers(len(_LETTERS), size=rng.integers(1, 9)))
    if rng.random() < 0.5:
        stroke = int(rng.integers(5))
        x0, y0, x1, y1 = (int(v) for v in _FONT.getbbox(text, stroke_width=stroke))
        canvas = PIL.Image.new("L", (x1 - x0, y1 - y0))
        PIL.ImageDraw.Draw(canvas).text((-x0, -y0), text, 255, _FONT, stroke_width=stroke)
        drawn = np.asarray(canvas, np.uint8)
    else:
        face = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        thick = int(rng.integers(2, 11))
        (width, height), foot = cv2.getTextSize(text, face, _FONT_PX / 24, thick)
        drawn = np.zeros((height + foot + thick, width + thick), np.uint8)
        cv2.putText(drawn, text, (thick // 2, height), face, _FONT_PX / 24, 255, thick, cv2.LINE_AA)
    high = max(2, round(height_px))
    wide = max(2, round(drawn.shape[1] / drawn.shape[0] * height_px * rng.uniform(0.7, 1.4)))
    return np.asarray(cv2.resize(drawn, (wide, high), interpolation=cv2.INTER_AREA) / 255, np.float32)


def _print(image: Image, ink: npt.NDArray[np.float32], at: npt.NDArray[np.int64], rng: Rng) -> None:
    """A word in any colour on the picture, or on a sign."""
    height, width = ink.shape
    where = image[int(at[1]) : int(at[1]) + height, int(at[0]) : int(at[0]) + width]
    if rng.random() < 0.4:
        where[:] = _colour(rng)
    where[:] = (ink[..., None] * np.array(_colour(rng)) + (1 - ink[..., None]) * where).astype(np.uint8)


def _draw_disc(image: Image, at: npt.NDArray[np.int64], size_wh: npt.NDArray[np.int64], rng: Rng) -> None:
    """A disc or a ring of skin's or any colour, sometimes with a smaller one or two inside."""
    middle, half = at + size_wh / 2, size_wh / 2
    skin = _SKIN_BGR[rng.integers(len(_SKIN_BGR))]
    ring = rng.random() < 0.3
    thick = max(1, int(size_wh.min() * rng.uniform(0.05, 0.25))) if ring else -1
    axes = _ints(np.maximum(half - (thick if ring else 0), 1))
    colour = skin if rng.random() < 0.4 else _colour(rng)
    turn = float(rng.uniform(0, 180)) if size_wh[0] > size_wh[1] * 0.9 else 0.0
    cv2.ellipse(image, _ints(middle), axes, turn, 0, 360, colour, thick, cv2.LINE_AA)
    inner, spread = _colour(rng), rng.uniform(0.1, 0.5)
    for side in ((), (0.0,), (-spread, spread))[rng.integers(3)]:
        spot = (int(middle[0] + side * size_wh[0]), int(middle[1] - 0.15 * size_wh[1]))
        small = _ints(np.maximum(half * rng.uniform(0.15, 0.4, 2), 1))
        cv2.ellipse(image, spot, small, 0.0, 0, 360, inner, -1, cv2.LINE_AA)


def occlude(image: Image, labels: Labels, rng: Rng, chance: float) -> Image:
    """Sets masks, glasses, hats, hands and things before some faces of at least 14 px, which stay faces."""
    image = image.copy()
    sides = shorter_sides(labels.xyxy)
    for i in np.flatnonzero(labels.agreed & (sides >= 14)):
        if rng.random() >= chance:
            continue
        box, points = labels.xyxy[i], labels.points[i]
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
            _set_before(image, box, labels.xyxy, rng)
    return image


def _draw_mask(image: Image, box: npt.NDArray[np.float32], points: npt.NDArray[np.float32], rng: Rng) -> None:
    """A mask from the nose to the chin."""
    width, height = box[2:] - box[:2]
    nose, chin = points[2], np.array([(points[3, 0] + points[4, 0]) / 2, box[3]])
    outline = [
        [box[0] + 0.02 * width, nose[1] - 0.05 * height], nose - [0, 0.08 * height],
        [box[2] - 0.02 * width, nose[1] - 0.05 * height],
        [box[2] - 0.2 * width, box[3] - 0.1 * height], chin,
        [box[0] + 0.2 * width, box[3] - 0.1 * height],
    ]  # fmt: skip
    colours = [[225, 215, 205], [205, 180, 140], [40, 40, 40], _colour(rng)]
    colour = _ints(rng.choice(colours))
    cv2.fillPoly(image, [np.array(outline).round().astype(np.int32)], colour, cv2.LINE_AA)


def _draw_glasses(image: Image, points: npt.NDArray[np.float32], rng: Rng) -> None:
    """Dark glasses before both eyes."""
    reach = max(2.0, float(np.abs(points[1] - points[0]).max()) * 0.42)
    axes = (max(1, round(reach)), max(1, round(reach * 0.7)))
    dark = _ints(rng.integers(0, 60, 3))
    for eye in points[:2]:
        cv2.ellipse(image, _ints(eye.round()), axes, 0, 0, 360, dark, -1, cv2.LINE_AA)


def _draw_hat(
    image: Image, box: npt.NDArray[np.float32], points: npt.NDArray[np.float32] | None, rng: Rng
) -> None:
    """A cap, a hat with a brim, a helmet or a hood: over the forehead, sometimes around the face as well."""
    (width, height), middle = box[2:] - box[:2], (box[:2] + box[2:]) / 2
    turn, brow = 0.0, np.array([middle[0], box[1] + 0.28 * height])
    if points is not None:
        across = points[1] - points[0]
        turn = float(np.degrees(np.arctan2(across[1], across[0]))) if across[0] > 0 else 0.0
        brow = (points[0] + points[1]) / 2 - [0, 0.12 * height]
    colour = _colour(rng)
    if rng.random() < 0.35:
        around = _ints(np.maximum([0.6 * width, 0.66 * height], 1))
        thick = max(1, round(float(width * rng.uniform(0.1, 0.25))))
        cv2.ellipse(image, _ints(middle.round()), around, turn, 0, 360, colour, thick, cv2.LINE_AA)
    crown = np.array(
        [rng.uniform(0.5, 0.65) * width, max(brow[1] - box[1], 0) + rng.uniform(0.1, 0.35) * height]
    )
    axes = _ints(np.maximum(crown, 1))
    cv2.ellipse(image, _ints(brow.round()), axes, turn, 180, 360, colour, -1, cv2.LINE_AA)
    if rng.random() < 0.6:
        brim = _ints(np.maximum([crown[0] * rng.uniform(0.9, 1.5), rng.uniform(0.04, 0.12) * height], 1))
        shade = colour if rng.random() < 0.5 else _colour(rng)
        cv2.ellipse(image, _ints(brow.round()), brim, turn, 0, 360, shade, -1, cv2.LINE_AA)


def _at_a_side(box: npt.NDArray[np.float32], reach: float, rng: Rng) -> npt.NDArray[np.float64]:
    """A point in any direction from the middle of a box, so many of its sides away."""
    side = rng.uniform(0, 2 * np.pi)
    towards = np.array([np.cos(side), np.sin(side)])
    return np.asarray((box[:2] + box[2:]) / 2 + reach * towards * (box[2:] - box[:2]), np.float64)


def _draw_hand(image: Image, box: npt.NDArray[np.float32], rng: Rng) -> None:
    """A hand, an arm, another head: something of skin's or any colour over a side of the face."""
    width, height = box[2:] - box[:2]
    centre = _at_a_side(box, 0.45, rng)
    axes = (
        max(1, round(float(width * rng.uniform(0.2, 0.4)))),
        max(1, round(float(height * rng.uniform(0.15, 0.35)))),
    )
    colour = _ints(rng.choice([*_SKIN_BGR, _colour(rng)]))
    cv2.ellipse(
        image, _ints(centre.round()), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA
    )


def _set_before(image: Image, box: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32], rng: Rng) -> None:
    """A piece of the same picture that holds no box, over a side of the face."""
    canvas_wh = (image.shape[1], image.shape[0])
    size_wh = _whole((box[2:] - box[:2]) * rng.uniform(0.4, 1.0, 2))
    at = np.round(_at_a_side(box, 0.5, rng) - size_wh / 2).astype(np.int64)
    start = _free_place(boxes, canvas_wh, size_wh, rng)
    if start is None or (at < 0).any() or (at + size_wh > canvas_wh).any():
        return
    (x0, y0), (x1, y1) = start, start + size_wh
    _set_softly(image, image[y0:y1, x0:x1], at, size_wh)
