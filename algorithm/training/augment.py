"""Pictures to train on: views of photos, things set into them, hard light."""

from __future__ import annotations

import cv2
import numpy as np

from .labels import Labels
from .objects import decoys, occlude, paste_faces, shine_through
from .views import Drawer, Image, Rng, mosaic, random_view, rotate

__all__ = ["light", "scene"]


def light(image: Image, rng: Rng) -> Image:
    """Darkness, glare, colour casts, no colour, noise, blur, coarse pixels, and JPEG's blocks."""
    table = np.arange(256, dtype=np.float32)[:, None].repeat(3, axis=1) / 255
    if rng.random() < 0.5:
        table = table ** np.exp(rng.uniform(-0.7, 0.7))
    if rng.random() < 0.5:
        table = (table - 0.5) * rng.uniform(0.5, 1.5) + 0.5 + rng.uniform(-0.15, 0.15)
    if rng.random() < 0.3:
        table = table * np.exp(rng.uniform(-0.4, 0.4, 3))
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
    elif soft < 0.3:
        factor = rng.uniform(0.35, 0.9)
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


def scene(drawer: Drawer, size_px: int, rng: Rng, made_up: float) -> tuple[Image, Labels]:
    """One picture to train on, `(size_px, size_px, 3)`, with its faces.

    Args:
        drawer: gives the photos.
        size_px: side of the picture.
        rng: draws everything.
        made_up: share of the mosaics, of what is set into pictures and of the turned ones, in [0, 1].
    """
    if rng.random() < 0.45 * made_up:
        image, labels = mosaic(drawer, size_px, rng)
    else:
        image, labels = random_view(drawer, (size_px, size_px), rng, crowd=1.2)
    if rng.random() < 0.2 * made_up:
        image, labels = paste_faces(image, labels, drawer, rng, int(rng.integers(1, 7)))
    if rng.random() < 0.5 * made_up:
        image = occlude(image, labels, rng, chance=0.25)
    if rng.random() < 0.4 * made_up:
        image = decoys(image, labels, drawer, rng, int(rng.integers(1, 9)))
    if rng.random() < 0.2 * made_up:
        degrees = rng.normal(0, 18)
        image, labels = rotate(image, labels, float(degrees))
    if rng.random() < 0.25 * made_up:
        image, labels = shine_through(image, labels, drawer, rng)
    return light(image, rng), labels
