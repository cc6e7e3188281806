"""The types that travel along the line: pixels and the faces found in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["BoolArray", "Faces", "FloatArray", "Landmark", "RgbImage"]

RgbImage: TypeAlias = npt.NDArray[np.uint8]
"""`(H, W, 3)` uint8, red first, upright. Blue-first pixels exist inside single functions only."""

FloatArray: TypeAlias = npt.NDArray[np.float32]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


class Landmark(IntEnum):
    """Index of each landmark in `Faces.landmarks`; left and right as they stand in the picture."""

    LEFT_EYE = 0
    RIGHT_EYE = 1
    NOSE = 2
    LEFT_MOUTH = 3
    RIGHT_MOUTH = 4


@dataclass(frozen=True)
class Faces:
    """Faces of one picture as a struct of arrays, in pixels of the upright source picture.

    Attributes:
        xyxy: `(N, 4)` float32, left, top, right, bottom; may reach beyond the picture.
        score: `(N,)` float32 in [0, 1], the detector's confidence.
        landmarks: `(N, 5, 2)` float32, x and y in the order of `Landmark`; NaN where the detector has none.
    """

    xyxy: FloatArray
    score: FloatArray
    landmarks: FloatArray

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        expected = {"xyxy": (n, 4), "score": (n,), "landmarks": (n, 5, 2)}
        for name, shape in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float32:
                raise ValueError(
                    f"Faces.{name} must be float32 {shape}, got {array.dtype} {tuple(array.shape)}"
                )

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, which: BoolArray | npt.NDArray[np.intp] | slice) -> Faces:
        """The faces that a boolean mask, an index array or a slice picks."""
        return Faces(self.xyxy[which], self.score[which], self.landmarks[which])

    @classmethod
    def empty(cls) -> Faces:
        """No face at all."""
        return cls.of(np.zeros((0, 4)), np.zeros(0))

    @classmethod
    def of(cls, xyxy: npt.ArrayLike, score: npt.ArrayLike, landmarks: npt.ArrayLike | None = None) -> Faces:
        """Builds from anything array-like; missing landmarks become NaN."""
        boxes = np.asarray(xyxy, np.float32).reshape(-1, 4)
        if landmarks is None:
            landmarks = np.full((len(boxes), 5, 2), np.nan)
        return cls(
            boxes,
            np.asarray(score, np.float32).reshape(-1),
            np.asarray(landmarks, np.float32).reshape(-1, 5, 2),
        )

    @classmethod
    def concat(cls, parts: Sequence[Faces]) -> Faces:
        """All faces of `parts`, in order."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([part.xyxy for part in parts]),
            np.concatenate([part.score for part in parts]),
            np.concatenate([part.landmarks for part in parts]),
        )

    def transform(self, *, scale_xy: tuple[float, float], offset_xy: tuple[float, float] = (0, 0)) -> Faces:
        """Maps every coordinate by `point * scale + offset`."""
        scale = np.asarray(scale_xy, np.float32)
        offset = np.asarray(offset_xy, np.float32)
        return Faces(
            self.xyxy * np.tile(scale, 2) + np.tile(offset, 2), self.score, self.landmarks * scale + offset
        )
