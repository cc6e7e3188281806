"""Batches: random photos, augmented, as tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..spec import MEAN_BGR
from .labels import Labels
from .photos import Image
from .scene import scene
from .views import Rng, Sampler

__all__ = ["Batch", "Images", "PhotoSampler", "batch_at", "to_input"]

_PORTRAIT_WEIGHT = 0.5
"""LFW's portraits are a fifth of the photos, one large frontal face each: easy, and soon learned."""

_NEGATIVE_WEIGHT = 2.5
"""Photos without faces are few, and their animals, statues and lamps are what detectors mistake for faces."""

_MAX_CROWD_WEIGHT, _FACES_PER_WEIGHT = 2.0, 10
"""Photos with many faces are drawn up to three times as often as others."""

_MAX_HARD_WEIGHT, _WEIGHT_PER_HARD = 2.0, 0.5
"""Photos with hard faces or false positives of the detector's own are drawn more often by this much."""


@dataclass(frozen=True)
class Batch:
    """Images and their labels, the faces of all images in one list.

    Attributes:
        images: `(N, 3, S, S)` uint8, BGR, in channels-last memory.
        face_image: `(F,)` int64, image index of each face.
        xyxy: `(F, 4)` float32, in pixels.
        points: `(F, 5, 2)` float32 landmarks, NaN where unknown.
        quality: `(F,)` float32, 0 to 1.
        ignore_image: `(G,)` int64, image index of each ignored box.
        ignore_xyxy: `(G, 4)` float32.
    """

    images: Tensor
    face_image: Tensor
    xyxy: Tensor
    points: Tensor
    quality: Tensor
    ignore_image: Tensor
    ignore_xyxy: Tensor

    def inputs(self) -> Tensor:
        """The images as the network takes them: `(N, 3, S, S)` float32, the mean subtracted."""
        return self.images.float() - torch.tensor(MEAN_BGR, device=self.images.device)[:, None, None]

    def pin_memory(self) -> Batch:
        """A copy that can be sent to a GPU while the processor goes on; `DataLoader` calls this."""
        return self._each(Tensor.pin_memory)

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def _each(self, convert: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(**{field.name: convert(getattr(self, field.name)) for field in fields(self)})


class Images(Protocol):
    """Photos by index, such as `Pixels`."""

    def __getitem__(self, index: int) -> Image:
        """Photo `index`, `(H, W, 3)` uint8, blue first."""
        ...


class PhotoSampler:
    """Draws photos by weight; a `Sampler`.

    Args:
        images: all photos.
        records: lines of `labels.jsonl`.
        labels: labels of the photos to draw, by index.
    """

    def __init__(
        self, images: Images, records: Sequence[dict[str, Any]], labels: Mapping[int, Labels]
    ) -> None:
        self._images = images
        self._labels = labels
        self._ids = np.array(list(labels))
        weights = [_weight(records[i]) + _hard_weight(kept) for i, kept in labels.items()]
        self._cumulative = np.cumsum(weights) / np.sum(weights)

    def __call__(self, rng: Rng) -> tuple[Image, Labels]:
        """Draws a photo and its labels."""
        drawn = int(np.searchsorted(self._cumulative, rng.random(), side="right"))
        index = int(self._ids[min(drawn, len(self._ids) - 1)])
        return self._images[index], self._labels[index]


def _hard_weight(labels: Labels) -> float:
    return min(_MAX_HARD_WEIGHT, _WEIGHT_PER_HARD * float(labels.hard.sum()))


def _weight(record: dict[str, Any]) -> float:
    if record["source"] == "lfw":
        return _PORTRAIT_WEIGHT
    if record["negative"]:
        return _NEGATIVE_WEIGHT
    faces = sum(not face["ignore"] for face in record["faces"])
    return 1.0 + min(_MAX_CROWD_WEIGHT, faces / _FACES_PER_WEIGHT)


def to_input(image: Image) -> Tensor:
    """Converts `(H, W, 3)` uint8, blue first, to `(3, H, W)` float32, the mean subtracted."""
    centred = image.astype(np.float32) - np.array(MEAN_BGR, np.float32)
    return torch.from_numpy(np.ascontiguousarray(centred.transpose(2, 0, 1)))


def batch_at(
    step: int, sampler: Sampler, size: int, size_px: int, rng: Rng, augment_strength: float
) -> Batch:
    """Makes a batch; every other one has a quarter as many images, twice as wide and high.

    Most of a 320 px image is near an edge, and no face in it has a body. The detector runs on tiles of
    1280 px: the larger images show the network what is far from an edge.

    Args:
        step: the training step that the batch is for.
        sampler: draws the photos.
        size: images per batch of the smaller ones, at least 4.
        size_px: side of a smaller image.
        rng: draws everything.
        augment_strength: as for `scene`.
    """
    count, side_px = (size, size_px) if step % 2 == 0 else (size // 4, 2 * size_px)
    return _collate([scene(sampler, side_px, rng, augment_strength) for _ in range(count)])


def _collate(scenes: Sequence[tuple[Image, Labels]]) -> Batch:
    images = torch.from_numpy(np.stack([image for image, _ in scenes]))
    labels = Labels.concat([labels for _, labels in scenes])
    image_index = np.repeat(np.arange(len(scenes)), [len(labels) for _, labels in scenes])
    faces, ignored = labels.face, labels.ignore
    return Batch(
        images=images.permute(0, 3, 1, 2),
        face_image=torch.from_numpy(image_index[faces]),
        xyxy=torch.from_numpy(labels.xyxy[faces]),
        points=torch.from_numpy(labels.points[faces]),
        quality=torch.from_numpy(labels.quality[faces]),
        ignore_image=torch.from_numpy(image_index[ignored]),
        ignore_xyxy=torch.from_numpy(labels.xyxy[ignored]),
    )
