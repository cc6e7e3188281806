"""A teacher: a published detector whose features and scores the network learns to predict in every cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..spec import STRIDES
from .graph import TorchGraph

__all__ = ["Teacher", "TeacherCells"]

_CHUNK_PX = 640 * 640
"""Pixels per call of a teacher on a processor, whose cache does not hold its activations for more. A GPU
takes a batch at once, which is twice as fast there."""


@dataclass(frozen=True)
class TeacherCells:
    """A teacher's output in the cells of one level.

    Attributes:
        features: `(N, C, H, W)` float32, not negative.
        score: `(N, H, W)` float32 in [0, 1].
    """

    features: Tensor
    score: Tensor


@dataclass(frozen=True)
class Teacher:
    """A detector that runs on a batch as it is, or enlarged twice, where it detects smaller faces.

    Attributes:
        graph: computes the features, stride by stride, and then the inputs of `scores`.
        strides: strides of the features, in the images that the graph runs on.
        channels: channels of the features at each stride.
        scores: computes scores `(N, H, W)` at each stride.
        rgb: whether the graph takes red first.
        enlarged: whether the graph runs on images twice as large.
    """

    graph: TorchGraph
    strides: tuple[int, ...]
    channels: int
    scores: Callable[[list[Tensor]], list[Tensor]]
    rgb: bool
    enlarged: bool = False

    @property
    def levels(self) -> dict[int, int]:
        """The network's levels with the same cells as the teacher's, and their indices in `strides`."""
        strides = [stride // 2 if self.enlarged else stride for stride in self.strides]
        return {STRIDES.index(stride): index for index, stride in enumerate(strides) if stride in STRIDES}

    @property
    def every(self) -> int:
        """Runs on every image of a batch; enlarged on every second one, as one costs as much as four."""
        return 2 if self.enlarged else 1

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> dict[int, TeacherCells]:
        """Runs on a batch; returns cells by level of the network.

        Args:
            pixels: `(N, 3, H, W)` uint8, BGR; H and W multiples of 32.
        """
        if self.rgb:
            pixels = pixels.flip(1)
        if self.enlarged:
            # Processors enlarge uint8 ten times as fast; torch's kernels for GPUs take floats only.
            pixels = pixels.float() if pixels.is_cuda else pixels
            pixels = functional.interpolate(pixels, scale_factor=2.0, mode="bilinear")
        count = len(pixels) if pixels.is_cuda else max(1, _CHUNK_PX // (pixels.shape[2] * pixels.shape[3]))
        chunks = [self.graph(chunk) for chunk in torch.split(pixels, count)]
        outputs = [torch.cat(parts) for parts in zip(*chunks, strict=True)]
        scores = self.scores(outputs[len(self.strides) :])
        return {level: TeacherCells(outputs[index], scores[index]) for level, index in self.levels.items()}
