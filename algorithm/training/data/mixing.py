"""Mixes photos: copy-paste of faces, and mixup of whole photos."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from unionveil.boxes import shorter_sides

from .compositing import blend_ellipse, free_place, random_side, whole_size
from .labels import Labels
from .photos import Image
from .views import Rng, Sampler, clip, random_view

__all__ = ["copy_paste", "mixup"]

_MIN_SOURCE_PX, _MIN_SOURCE_QUALITY = 20, 0.85
"""Only faces of at least this shorter side and quality are copied."""

_PASTED_PX = (8.0, 72.0)
_MAX_ENLARGED = 1.2
"""Sides of pasted faces, and how much a copied face may be enlarged."""

_MARGIN = 0.45
"""Surroundings copied along with a face, as a share of its box, on each side."""

_MIXUP_SHARE = (0.1, 0.4)
"""Weight of the other photo: below a half, so that the image's own faces stay visible."""


def copy_paste(image: Image, labels: Labels, sampler: Sampler, rng: Rng, count: int) -> tuple[Image, Labels]:
    """Pastes faces of other photos, with soft edges, where no box is: crowds, and faces in odd places.

    As in copy-paste augmentation (arXiv:2012.07177), with ellipses for masks.
    """
    image = image.copy()
    for _ in range(count):
        photo, others = sampler(rng)
        good = others.face & (shorter_sides(others.xyxy) >= _MIN_SOURCE_PX)
        choices = np.flatnonzero(good & (others.quality >= _MIN_SOURCE_QUALITY))
        if len(choices):
            face = others[choices[[rng.integers(len(choices))]]]
            labels = _paste_face(image, labels, photo, face, rng)
    return image, labels


def _paste_face(image: Image, labels: Labels, photo: Image, face: Labels, rng: Rng) -> Labels:
    """Pastes the one face of `face` into the image, if the place drawn is free; returns all labels."""
    height, width = image.shape[:2]
    box = face.xyxy[0]
    side = float((box[2:] - box[:2]).mean())
    scale = random_side(_PASTED_PX[0], min(_PASTED_PX[1], side * _MAX_ENLARGED), rng) / side
    margin = _MARGIN * (box[2:] - box[:2])
    low = np.maximum(box[:2] - margin, 0).astype(int)
    high = np.minimum(box[2:] + margin, (photo.shape[1], photo.shape[0])).astype(int)
    size_wh = whole_size((high - low) * scale)
    corner = free_place(labels.xyxy, (width, height), size_wh, rng)
    if corner is None:
        return labels
    blend_ellipse(image, photo[low[1] : high[1], low[0] : high[0]], corner, size_wh)
    factor = size_wh / np.maximum(high - low, 1)
    shift = corner - low * factor
    moved = replace(
        face,
        xyxy=(face.xyxy * np.tile(factor, 2) + np.tile(shift, 2)).astype(np.float32),
        points=(face.points * factor + shift).astype(np.float32),
    )
    return Labels.concat([labels, clip(moved, 0, 0, width, height)])


def mixup(image: Image, labels: Labels, sampler: Sampler, rng: Rng) -> tuple[Image, Labels]:
    """Blends a view of another photo thinly over the image, like a reflection; its faces are ignored.

    Mixup (arXiv:1710.09412). Teachers predict on the mixed image too, and no photo is like it: that helps
    distillation (arXiv:2106.05237).
    """
    height, width = image.shape[:2]
    other, others = random_view(sampler, (width, height), rng, crowd=1.2)
    share = rng.uniform(*_MIXUP_SHARE)
    mixed = np.asarray(cv2.addWeighted(image, 1 - share, other, share, 0.0), np.uint8)
    faces = others[others.face | others.ignore]
    return mixed, Labels.concat([labels, replace(faces, ignore=np.ones(len(faces), bool))])
