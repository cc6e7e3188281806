"""The content of annotation files, whatever their format: boxes by picture, in upright source pixels."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..detections import BoolArray, Detections, FloatArray, Kind

__all__ = ["Annotations", "PictureBoxes", "kinds_in"]


@dataclass(frozen=True)
class PictureBoxes:
    """The boxes of one picture, as a struct of arrays.

    Attributes:
        size_wh: width and height of the upright picture, in pixels.
        xyxy: `(N, 4)` float64, left, top, right, bottom in upright source pixels, half-open: pixel `i` covers
            `[i, i + 1)`. A box may extend beyond the picture.
        score: `(N,)` float32 in [0, 1]; NaN if the file has none.
        kind: `(N,)` uint8, values of `Kind`.
        frame: `(N,)` int32, frame or page, from 0.
        ignore: `(N,)` bool, boxes that count neither for nor against a detector (crowds, doubtful faces).
    """

    size_wh: tuple[int, int]
    xyxy: npt.NDArray[np.float64]
    score: FloatArray
    kind: npt.NDArray[np.uint8]
    frame: npt.NDArray[np.int32]
    ignore: BoolArray

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        expected = {
            "xyxy": ((n, 4), np.float64),
            "score": ((n,), np.float32),
            "kind": ((n,), np.uint8),
            "frame": ((n,), np.int32),
            "ignore": ((n,), np.bool_),
        }
        for name, (shape, dtype) in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(
                    f"PictureBoxes.{name} must be {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}"
                )

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, which: BoolArray | npt.NDArray[np.intp] | slice) -> PictureBoxes:
        """The boxes selected by a boolean mask, an index array or a slice."""
        arrays = (getattr(self, field.name)[which] for field in fields(self)[1:])
        return PictureBoxes(self.size_wh, *arrays)

    @classmethod
    def of(
        cls,
        size_wh: tuple[int, int],
        xyxy: npt.ArrayLike,
        score: npt.ArrayLike | None = None,
        *,
        kind: npt.ArrayLike | None = None,
        frame: npt.ArrayLike | None = None,
        ignore: npt.ArrayLike | None = None,
    ) -> PictureBoxes:
        """Boxes from anything array-like: by default faces of frame 0 without a score."""
        boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
        n = len(boxes)
        return cls(
            size_wh,
            boxes,
            np.full(n, np.nan, np.float32) if score is None else np.asarray(score, np.float32).reshape(-1),
            np.full(n, Kind.FACE, np.uint8) if kind is None else np.asarray(kind, np.uint8).reshape(-1),
            np.zeros(n, np.int32) if frame is None else np.asarray(frame, np.int32).reshape(-1),
            np.zeros(n, bool) if ignore is None else np.asarray(ignore, bool).reshape(-1),
        )

    def detections(self, frame: int = 0) -> Detections:
        """Boxes of one frame as the pipeline's `Detections`, including ignored ones.

        Boxes without a score get 1: they were drawn by hand. Landmarks and identities are unknown.
        """
        here = self[self.frame == frame]
        score = np.where(np.isnan(here.score), np.float32(1), here.score)
        plain = Detections.of(here.xyxy, score)
        return Detections(plain.xyxy, plain.score, plain.landmarks, here.kind, plain.identity)


def kinds_in(annotations: Annotations) -> list[Kind]:
    """Kinds of boxes that annotations hold, in their order; faces are always among them."""
    there = {int(kind) for boxes in annotations.values() for kind in boxes.kind}
    return [kind for kind in Kind if kind is Kind.FACE or kind in there]


Annotations: TypeAlias = dict[str, PictureBoxes]
"""Boxes by the name of the picture: its path below the folder of pictures, with `/`. A picture that was
annotated as empty has an entry without boxes; one that was not annotated has no entry."""
