"""What light, dirt and cameras do to a plate and to a photo."""

from __future__ import annotations

import cv2
import numpy as np

from .cars import Pixels

__all__ = ["photographed", "worn"]


def worn(plate: Pixels, height_px: float, rng: np.random.Generator) -> Pixels:
    """A plate with screws, shadow, dirt and the light of its place, in about the resolution of its place.

    Args:
        plate: `(H, W, 3)` uint8, blue first.
        height_px: height at which it will be seen.
        rng: decides everything.
    """
    scale = min(1.0, 1.5 * height_px / plate.shape[0])
    size_wh = max(4, round(plate.shape[1] * scale)), max(2, round(plate.shape[0] * scale))
    light = cv2.resize(plate, size_wh, interpolation=cv2.INTER_AREA).astype(np.float32)
    if rng.random() < 0.35:
        light *= np.linspace(rng.uniform(0.3, 1), 1, size_wh[1], dtype=np.float32)[:, None, None] ** 1.5
    if rng.random() < 0.25:
        edge = np.linspace(-1, 1, size_wh[0])[None, :, None] * rng.choice([-1, 1])
        light *= 1 - rng.uniform(0.1, 0.5) * (edge > rng.uniform(-0.8, 0.8))
    if rng.random() < 0.3:
        dirt = cv2.resize(rng.random((4, 8)).astype(np.float32), size_wh, interpolation=cv2.INTER_CUBIC)
        light += (np.array([60, 80, 95]) - light) * np.clip(dirt - 0.45, 0, 0.5)[..., None]
    if rng.random() < 0.1:
        light += rng.uniform(20, 120) * np.exp(-(np.linspace(-3, 3, size_wh[0]) ** 2))[None, :, None]
    light = (light - 128) * rng.uniform(0.45, 1.1) + 128 * rng.uniform(0.4, 1.25)
    return np.asarray(np.clip(light + rng.normal(0, 5, 3), 0, 255), np.uint8)


def photographed(image: Pixels, rng: np.random.Generator) -> Pixels:
    """As a camera takes it: small and enlarged, out of focus, moved, dark, hazy, noisy, compressed."""
    side = image.shape[0]
    if rng.random() < 0.35:
        small = round(side / rng.uniform(1.2, 3))
        image = np.asarray(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), np.uint8)
    image = _blurred(image, rng)
    image = _exposed(image, rng)
    if rng.random() < 0.5:
        noise = np.zeros(image.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(1 << 31)))
        cv2.randn(noise, np.zeros(3), np.full(3, rng.uniform(1, 9)))
        image = np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)
    if rng.random() < 0.6:
        packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 92))])[1]
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    if image.shape[0] != side:
        image = np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
    return image


def _blurred(image: Pixels, rng: np.random.Generator) -> Pixels:
    if rng.random() < 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.3)), np.uint8)
    if rng.random() < 0.12:
        kernel = np.zeros((7, 7), np.float32)
        kernel[3, : int(rng.integers(3, 8))] = 1
        if rng.random() < 0.3:
            kernel = kernel.T
        image = np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)
    return image


def _exposed(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Another brightness, tint and contrast, by a table for each channel; at times grey."""
    if rng.random() < 0.12:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2)
    if rng.random() < 0.6:
        levels = np.linspace(0, 1, 256)[:, None]
        gain = rng.uniform(0.55, 1.15) * (1 + rng.normal(0, 0.06, 3))
        haze = rng.uniform(0, 0.5) if rng.random() < 0.2 else 0.0
        curve = (levels ** rng.uniform(0.6, 1.7) * gain) * (1 - haze) + 0.8 * haze
        table = np.clip(255 * curve, 0, 255).astype(np.uint8)[None]
        image = np.asarray(cv2.LUT(image, table), np.uint8)
    return image
