"""The types that pass through the pipeline: pixels, and the detections in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .text import counted

__all__ = ["BoolArray", "Detections", "FloatArray", "Kind", "KindCounts", "Landmark", "RgbImage"]

RgbImage: TypeAlias = npt.NDArray[np.uint8]
"""`(H, W, 3)` uint8 in RGB order, upright. BGR pixels exist only inside single functions."""

FloatArray: TypeAlias = npt.NDArray[np.float32]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


class Kind(IntEnum):
    """The kind of a detection."""

    FACE = 0
    HEAD = 1
    TEXT = 2
    PLATE = 3

    @property
    def is_person(self) -> bool:
        """Whether it is a part of somebody, who may have landmarks and an identity."""
        return self in (Kind.FACE, Kind.HEAD)


@dataclass(frozen=True)
class KindCounts:
    """Numbers of detections as people count them.

    Attributes:
        faces: faces and heads.
        texts: lines of text.
        plates: number plates.
    """

    faces: int
    texts: int
    plates: int

    @classmethod
    def of(cls, kinds: Iterable[int]) -> KindCounts:
        """Counts values of `Kind`."""
        counts = Counter(map(int, kinds))
        return cls(counts[Kind.FACE] + counts[Kind.HEAD], counts[Kind.TEXT], counts[Kind.PLATE])

    @property
    def words(self) -> str:
        """All that are not zero, in words: `2 faces, 3 lines of text and 1 number plate`; else empty."""
        names = (
            (self.faces, "face", "faces"),
            (self.texts, "line of text", "lines of text"),
            (self.plates, "number plate", "number plates"),
        )
        parts = [counted(*name) for name in names if name[0]]
        return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


class Landmark(IntEnum):
    """Index of each landmark in `Detections.landmarks`; left and right as seen in the picture."""

    LEFT_EYE = 0
    RIGHT_EYE = 1
    NOSE = 2
    LEFT_MOUTH = 3
    RIGHT_MOUTH = 4


@dataclass(frozen=True)
class Detections:
    """The detections in one picture, as a struct of arrays, in pixels of the upright source picture.

    Attributes:
        xyxy: `(N, 4)` float32, left, top, right, bottom; may extend beyond the picture.
        score: `(N,)` float32 in [0, 1], the detector's confidence.
        landmarks: `(N, 5, 2)` float32, x and y in the order of `Landmark`; NaN if the detector has none.
        kind: `(N,)` uint8, values of `Kind`.
        identity: `(N,)` int32, equal for detections of the same person or group; -1 if unknown.

    Raises:
        ValueError: an array has another shape or dtype, a kind does not exist, or something other than a face
            or a head has landmarks or an identity.
    """

    xyxy: FloatArray
    score: FloatArray
    landmarks: FloatArray
    kind: npt.NDArray[np.uint8]
    identity: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        expected = {
            "xyxy": ((n, 4), np.float32),
            "score": ((n,), np.float32),
            "landmarks": ((n, 5, 2), np.float32),
            "kind": ((n,), np.uint8),
            "identity": ((n,), np.int32),
        }
        for name, (shape, dtype) in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(
                    f"Detections.{name} must be {np.dtype(dtype)} {shape}, "
                    f"got {array.dtype} {tuple(array.shape)}"
                )
        last = int(self.kind.max(initial=0))
        if last >= len(Kind):
            raise ValueError(f"Detections.kind must be of {', '.join(map(repr, Kind))}, got {last}")
        if last <= Kind.HEAD:
            return  # people have both
        things = ~self.is_person
        if (self.identity[things] >= 0).any() or np.isfinite(self.landmarks[things]).any():
            raise ValueError("only faces and heads have landmarks and an identity")

    def of_kind(self, *kinds: Kind) -> BoolArray:
        """`(N,)`: whether each is of one of the kinds."""
        # np.isin takes 60 us, and videos ask for each of thousands of frames.
        return np.asarray(np.logical_or.reduce([self.kind == kind for kind in kinds]), bool)

    @property
    def is_person(self) -> BoolArray:
        """`(N,)`: whether each is a face or a head, as `Kind.is_person`."""
        return self.of_kind(Kind.FACE, Kind.HEAD)

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, which: BoolArray | npt.NDArray[np.intp] | slice) -> Detections:
        """The detections selected by a boolean mask, an index array or a slice."""
        return Detections(*(getattr(self, field.name)[which] for field in fields(self)))

    @classmethod
    def empty(cls) -> Detections:
        """No detections."""
        return cls.of(np.zeros((0, 4)), np.zeros(0))

    @classmethod
    def of(
        cls,
        xyxy: npt.ArrayLike,
        score: npt.ArrayLike,
        landmarks: npt.ArrayLike | None = None,
        *,
        kind: npt.ArrayLike = Kind.FACE,
    ) -> Detections:
        """Detections of unknown identity from anything array-like; missing landmarks become NaN.

        Args:
            xyxy: `(N, 4)`.
            score: `(N,)`.
            landmarks: `(N, 5, 2)`.
            kind: of each, or of all.
        """
        boxes = np.asarray(xyxy, np.float32).reshape(-1, 4)
        n = len(boxes)
        if landmarks is None:
            landmarks = np.full((n, 5, 2), np.nan)
        return cls(
            boxes,
            np.asarray(score, np.float32).reshape(-1),
            np.asarray(landmarks, np.float32).reshape(-1, 5, 2),
            np.broadcast_to(np.asarray(kind, np.uint8), n).copy(),
            np.full(n, -1, np.int32),
        )

    @classmethod
    def concat(cls, parts: Sequence[Detections]) -> Detections:
        """All detections of `parts`, in order."""
        if not parts:
            return cls.empty()
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def transform(
        self, *, scale_xy: tuple[float, float], offset_xy: tuple[float, float] = (0, 0)
    ) -> Detections:
        """Maps every coordinate by `point * scale + offset`."""
        scale = np.asarray(scale_xy, np.float32)
        offset = np.asarray(offset_xy, np.float32)
        return replace(
            self,
            xyxy=self.xyxy * np.tile(scale, 2) + np.tile(offset, 2),
            landmarks=self.landmarks * scale + offset,
        )

    def mirror(self, width_px: int) -> Detections:
        """Maps a mirrored picture's detections to the picture; left and right landmarks are exchanged.

        Args:
            width_px: width of the picture.
        """
        flipped = self.landmarks[
            :,
            [Landmark.RIGHT_EYE, Landmark.LEFT_EYE, Landmark.NOSE, Landmark.RIGHT_MOUTH, Landmark.LEFT_MOUTH],
        ]
        x0, y0, x1, y1 = self.xyxy.T
        return replace(
            self,
            xyxy=np.stack([width_px - x1, y0, width_px - x0, y1], axis=1),
            landmarks=np.stack([width_px - flipped[..., 0], flipped[..., 1]], axis=-1),
        )
