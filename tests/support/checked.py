"""Values that a test expects to exist, checked and typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from unionveil.outcomes import Anonymized, Rejected

_T = TypeVar("_T")


def present(value: _T | None) -> _T:
    """The value, which must not be None."""
    assert value is not None
    return value


def kept(outcome: _T | Rejected) -> _T:
    """The outcome, which must not be a rejection."""
    assert not isinstance(outcome, Rejected), outcome
    return outcome


def written(outcome: Anonymized | Rejected) -> bytes:
    """The bytes of an anonymized picture."""
    return kept(outcome).data


def float32(values: Any) -> npt.NDArray[np.float32]:
    """An array of numbers, in 32 bits."""
    return np.array(values, np.float32)


def read_bgr(path: Path) -> npt.NDArray[np.uint8]:
    """`(H, W, 3)` pixels of a file, as OpenCV reads it."""
    return np.asarray(present(cv2.imread(str(path))), np.uint8)


def read_rgb(path: Path) -> npt.NDArray[np.uint8]:
    """`(H, W, 3)` pixels of a file."""
    return np.ascontiguousarray(read_bgr(path)[..., ::-1])


def opencv_pixels(data: bytes, flags: int = cv2.IMREAD_UNCHANGED) -> npt.NDArray[Any]:
    """The pixels of an encoded picture, as OpenCV decodes it."""
    return np.asarray(present(cv2.imdecode(np.frombuffer(data, np.uint8), flags)))
