"""Batches: photos drawn at random, made into scenes, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .augment import scene
from .labels import Labels, Third, labels_of
from .photos import Pixels
from .spec import MEAN_BGR
from .views import Drawer, Rng

__all__ = ["Batch", "Photos", "batch_at", "to_input"]

_PORTRAIT_WEIGHT = 0.5
"""LFW's portraits are a fifth of the photos, one large frontal face each: easy, and soon learned."""

_NEGATIVE_WEIGHT = 2.5
"""Photos without faces are few, and their animals, statues and lamps are what looks like faces."""


@dataclass(frozen=True)
class Batch:
    """Pictures and their faces, the faces of all pictures in one list.

    Attributes:
        images: `(N, 3, S, S)` float32, blue first, the mean subtracted.
        of: `(F,)` int64, picture of each face.
        xyxy: `(F, 4)` float32.
        points: `(F, 5, 2)` float32, NaN where unknown.
        quality: `(F,)` float32.
        ignore_of: `(G,)` int64, picture of each ignored box.
        ignore_xyxy: `(G, 4)` float32.
    """

    images: Tensor
    of: Tensor
    xyxy: Tensor
    points: Tensor
    quality: Tensor
    ignore_of: Tensor
    ignore_xyxy: Tensor


class Photos:
    """Photos to draw from.

    Args:
        pixels: all photos.
        lines: `labels.jsonl`.
        third: what the third teacher saw.
        indices: the photos to draw; the others are held out.
    """

    def __init__(
        self, pixels: Pixels, lines: Sequence[dict[str, Any]], third: Third, indices: Sequence[int]
    ) -> None:
        self._pixels = pixels
        self._indices = np.asarray(indices)
        self._labels = {int(i): labels_of(lines[i], third) for i in indices}
        weights = [_weight(lines[i]) for i in indices]
        self._cumulative = np.cumsum(weights) / np.sum(weights)

    def __call__(self, rng: Rng) -> tuple[npt.NDArray[np.uint8], Labels]:
        """A `Drawer`."""
        drawn = int(np.searchsorted(self._cumulative, rng.random(), side="right"))
        index = int(self._indices[min(drawn, len(self._indices) - 1)])
        return self._pixels[index], self._labels[index]


def _weight(line: dict[str, Any]) -> float:
    """How often a photo is drawn: crowds somewhat more often."""
    if line["source"] == "lfw":
        return _PORTRAIT_WEIGHT
    if line["negative"]:
        return _NEGATIVE_WEIGHT
    faces = sum(not face["ignore"] for face in line["faces"])
    return 1.0 + min(2.0, faces / 10)


def to_input(image: npt.NDArray[np.uint8]) -> Tensor:
    """`(H, W, 3)` uint8, blue first, to `(3, H, W)` float32, the mean subtracted."""
    return torch.from_numpy(
        np.ascontiguousarray((image.astype(np.float32) - np.float32(MEAN_BGR)).transpose(2, 0, 1))
    )


def batch_at(step: int, photos: Drawer, size: int, size_px: int, rng: Rng, made_up: float) -> Batch:
    """A batch; every other one is of a quarter as many pictures twice as wide and high.

    Most of a picture of 320 px is near an edge, and no face in it has a body. The detector looks at tiles of
    1280 px: without the larger pictures it never learns what is far from an edge.

    Args:
        step: that the batch is for.
        photos: to draw from.
        size: pictures in a batch of the smaller ones, at least 4.
        size_px: side of a smaller picture.
        rng: draws everything.
        made_up: as of `scene`.
    """
    count, side_px = (size, size_px) if step % 2 == 0 else (size // 4, 2 * size_px)
    made = [scene(photos, side_px, rng, made_up) for _ in range(count)]
    labels = Labels.concat([part for _, part in made])
    of = np.repeat(np.arange(count), [len(part) for _, part in made])
    faces, ignored = labels.face, labels.ignore
    return Batch(
        images=torch.stack([to_input(image) for image, _ in made]).contiguous(
            memory_format=torch.channels_last
        ),
        of=torch.from_numpy(of[faces]),
        xyxy=torch.from_numpy(labels.xyxy[faces]),
        points=torch.from_numpy(labels.points[faces]),
        quality=torch.from_numpy(labels.quality[faces]),
        ignore_of=torch.from_numpy(of[ignored]),
        ignore_xyxy=torch.from_numpy(labels.xyxy[ignored]),
    )
