"""Blurs whose radius is a share of the face: Gaussian, average, median and bilateral.

Every blur works on the face reduced to a few pixels and then enlarged again. That number of pixels limits the
remaining detail for faces of any size and for every filter, and a face of 2,000 px costs no more than one of
40.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..detections import FloatArray
from ..images import Pixels

__all__ = ["average", "bilateral", "gaussian", "median"]

_GAUSSIAN_SIGMA = 1 / 2
_AVERAGE_WINDOW = 1
_MEDIAN_WINDOW = 3 / 4
"""Radii and windows at strength 1, as shares of the face's longer side; 4 is the least strength offered.

There, the best trained attacker identifies 8.1 % (Gaussian), 6.9 % (average) and 8.4 % (median) of 40 people
correctly; 7.8 % behind a fill, 2.5 % by chance. The attackers are PCA with SVM or shrunk LDA on pixels, and
logistic regression on embeddings, trained on 14 redacted photos of each person
(`tests/benchmarks/test_recognition.py`)."""

_BILATERAL_SIDE_PX = 6
_BILATERAL_SIGMA = 60 / 255
"""The bilateral filter keeps edges, so it is limited by its working size, not by its radius; the range sigma
is a share of white. At strength 4 the best trained attacker identifies 13.8 % correctly: for looks only."""


def gaussian(patch: Pixels, strength: float) -> Pixels:
    """Gaussian blur with sigma = `strength` / 2 of the longer side.

    Args:
        patch: `(h, w, C)` uint8 or uint16, a face with its margin.
        strength: at least 4.

    Returns:
        The same shape and dtype.
    """
    small = _reduce(patch, 32)
    sigma = max(small.shape[:2]) * _GAUSSIAN_SIGMA * strength
    return _enlarge(cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), patch)


def average(patch: Pixels, strength: float) -> Pixels:
    """Mean over a square window whose side is `strength` times the longer side; arguments as `gaussian`."""
    small = _reduce(patch, 32)
    window = _odd(max(small.shape[:2]) * _AVERAGE_WINDOW * strength)
    return _enlarge(cv2.blur(small, (window, window), borderType=cv2.BORDER_REPLICATE), patch)


def median(patch: Pixels, strength: float) -> Pixels:
    """Median over a square window of 3/4 `strength` of the longer side; arguments as `gaussian`."""
    small = _reduce(patch, 16)
    window = _odd(max(small.shape[:2]) * _MEDIAN_WINDOW * strength)
    reach = window // 2
    padded = np.pad(small, ((reach, reach), (reach, reach), (0, 0)), "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (window, window), (0, 1))
    return _enlarge(np.median(windows, axis=(-2, -1)), patch)


def bilateral(patch: Pixels, strength: float) -> Pixels:
    """Bilateral filter on the face reduced to 6 / `strength` pixels: 2 at 4, the mean colour from 5 on.

    Arguments as `gaussian`.
    """
    small = _reduce(patch, max(1, round(_BILATERAL_SIDE_PX / strength)))
    white = float(np.iinfo(patch.dtype).max)
    # OpenCV filters one or three channels; two and four are filtered one by one.
    planes = [small] if small.shape[2] == 3 else np.split(small, small.shape[2], axis=2)
    done = [
        cv2.bilateralFilter(np.ascontiguousarray(plane), 5, white * _BILATERAL_SIGMA, 2.0) for plane in planes
    ]
    return _enlarge(np.concatenate([plane.reshape(*small.shape[:2], -1) for plane in done], axis=2), patch)


def _odd(side: float) -> int:
    return max(3, round(side) | 1)


def _reduce(patch: Pixels, longest_px: int) -> FloatArray:
    """`(h, w, C)` float32 whose longer side is at most `longest_px`, and at most half its original length."""
    height, width = patch.shape[:2]
    scale = min(0.5, longest_px / max(height, width))
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(patch.astype(np.float32), size_wh, interpolation=cv2.INTER_AREA)
    return small.reshape(size_wh[1], size_wh[0], -1).astype(np.float32, copy=False)


def _enlarge(small: npt.NDArray[Any], patch: Pixels) -> Pixels:
    height, width = patch.shape[:2]
    smooth = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    result: npt.NDArray[Any] = np.empty_like(patch)
    result[...] = np.clip(np.rint(smooth), 0, np.iinfo(patch.dtype).max).reshape(patch.shape)
    return result
