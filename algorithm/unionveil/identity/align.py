"""Rotates, scales and shifts faces so that their landmarks are where a network expects them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..detections import FloatArray, RgbImage

__all__ = ["ARCFACE_112", "aligned", "similarity"]

ARCFACE_112: FloatArray = np.asarray(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float32,
)
"""`(5, 2)` landmarks in a crop of 112 px, in the order of `Landmark` (ArcFace, arXiv:1801.07698)."""


def similarity(landmarks: npt.NDArray[Any], template: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Least-squares similarities (rotation, one scale, shift; no reflection) from landmarks to a template.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991. In the
    plane there is a closed form: with points as complex numbers relative to their means, the factor is
    `sum(conj(x) * y) / sum(abs(x) ** 2)`.

    Args:
        landmarks: `(N, 5, 2)` x and y in pixels of the source.
        template: `(5, 2)` x and y in pixels of the crop.

    Returns:
        `(N, 2, 3)`, each mapping `(x, y, 1)` of the source to x and y of the crop; NaN if the landmarks are
        missing, coincide, or fit no similarity.
    """
    source = np.asarray(landmarks, np.float64)
    target = np.asarray(template, np.float64)
    x = source[..., 0] + 1j * source[..., 1]
    y = target[..., 0] + 1j * target[..., 1]
    x_mean = x.mean(axis=-1, keepdims=True)
    x_centred, y_centred = x - x_mean, y - y.mean()
    spread = (np.abs(x_centred) ** 2).sum(axis=-1)
    spread = np.where(spread > 1e-9, spread, np.nan)
    with np.errstate(invalid="ignore"):
        factor = (x_centred.conj() * y_centred).sum(axis=-1) / spread
        factor = np.where(np.abs(factor) > 1e-6, factor, np.nan)
    shift = y.mean() - factor * x_mean[..., 0]
    rows = [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    return np.moveaxis(np.asarray(rows), (0, 1), (-2, -1))


def aligned(image: RgbImage, matrices: npt.NDArray[np.float64], size_px: int) -> npt.NDArray[np.uint8]:
    """Crops of faces, black where they extend beyond the picture.

    A face that shrinks to less than half its size is averaged first: skipping pixels would cause aliasing.

    Args:
        image: `(H, W, 3)` uint8, RGB.
        matrices: `(N, 2, 3)` of `similarity`, finite.
        size_px: side of a crop.

    Returns:
        `(N, size_px, size_px, 3)` uint8.
    """
    crops = np.zeros((len(matrices), size_px, size_px, 3), np.uint8)
    for crop, matrix in zip(crops, matrices, strict=True):
        _warp(image, matrix, crop)
    return crops


def _warp(image: RgbImage, matrix: npt.NDArray[np.float64], crop: npt.NDArray[np.uint8]) -> None:
    """Fills `(S, S, 3)` with the part of a picture that a matrix maps onto it."""
    size = len(crop)
    corners = np.asarray([[0, 0], [size, 0], [0, size], [size, size]], np.float64)
    source = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    shrink = 1 / float(np.hypot(*matrix[:, 0]))  # pixels of the source per pixel of the crop
    around = 2 + int(shrink)  # for interpolation
    left, top = np.maximum(np.floor(source.min(axis=0)).astype(int) - around, 0)
    right, bottom = np.minimum(np.ceil(source.max(axis=0)).astype(int) + around, image.shape[1::-1])
    if left >= right or top >= bottom:
        return
    region: npt.NDArray[Any] = image[top:bottom, left:right]
    height, width = region.shape[:2]
    x_factor = y_factor = 1.0
    if shrink > 2:
        small_wh = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        region = cv2.resize(region, small_wh, interpolation=cv2.INTER_AREA)
        x_factor, y_factor = width / small_wh[0], height / small_wh[1]
    # From pixel centres of the region to pixel centres of the source: x = (u + 0.5) * factor - 0.5 + left.
    scale = np.diag([x_factor, y_factor])
    shift = np.asarray([left + (x_factor - 1) / 2, top + (y_factor - 1) / 2])
    linear = matrix[:, :2] @ scale
    whole = np.concatenate([linear, (matrix[:, :2] @ shift + matrix[:, 2])[:, None]], axis=1)
    cv2.warpAffine(region, whole, (size, size), dst=crop, flags=cv2.INTER_LINEAR)
