"""Photometric augmentation: exposure, colour, blur, noise and compression."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .photos import Image
from .views import Rng

__all__ = ["photometric"]


def photometric(image: Image, rng: Rng) -> Image:
    """Changes exposure and colour, and degrades the image: blur, low resolution, noise, JPEG artefacts.

    Args:
        image: `(H, W, 3)` uint8; not changed.
        rng: draws everything.
    """
    table = _tone(rng)
    dark = rng.random() < 0.1
    if dark:
        table = table * rng.uniform(0.15, 0.5)
    tables = (table.clip(0, 1) * 255).round().astype(np.uint8)
    image = np.asarray(cv2.LUT(image, tables.reshape(256, 1, 3)), np.uint8)
    if rng.random() < 0.06:
        image = _grey(image)
    image = _soften(image, rng)
    if rng.random() < (0.5 if dark else 0.08):
        noise = rng.normal(0, rng.uniform(2, 10), (*image.shape[:2], 1)).astype(np.float32)
        image = (image + noise).clip(0, 255).astype(np.uint8)
    return _compress(image, rng) if rng.random() < 0.25 else image


def _tone(rng: Rng) -> npt.NDArray[np.floating[Any]]:
    """`(256, 3)` tone curve in about [0, 1]: gamma, contrast and brightness, colour cast."""
    table: npt.NDArray[np.floating[Any]] = np.arange(256, dtype=np.float32)[:, None].repeat(3, axis=1) / 255
    if rng.random() < 0.5:
        table = table ** np.exp(rng.uniform(-0.7, 0.7))
    if rng.random() < 0.5:
        table = (table - 0.5) * rng.uniform(0.5, 1.5) + 0.5 + rng.uniform(-0.15, 0.15)
    if rng.random() < 0.3:
        table = table * np.exp(rng.uniform(-0.4, 0.4, 3))
    return table


def _grey(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)


def _soften(image: Image, rng: Rng) -> Image:
    """Blurs three images in ten: out of focus, by motion, or by low resolution."""
    kind = rng.random()
    if kind < 0.1:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.4)), np.uint8)
    if kind < 0.15:
        length = int(rng.integers(3, 7))
        kernel = np.zeros((length, length), np.float32)
        cv2.line(kernel, (0, int(rng.integers(length))), (length - 1, int(rng.integers(length))), 1.0)
        return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)
    if kind < 0.3:
        height, width = image.shape[:2]
        factor = rng.uniform(0.35, 0.9)
        small_wh = (round(width * factor), round(height * factor))
        small = cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return image


def _compress(image: Image, rng: Rng) -> Image:
    quality = int(rng.integers(25, 90))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
