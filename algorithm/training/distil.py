"""What YuNet computes in every cell of the very pictures that the network learns from.

Labels tell where a face is. YuNet's features tell what it sees everywhere, in darkness, blur and crowds too:
as it learned from far more photos, a network that can tell its features from its own (FitNets,
arXiv:1412.6550) sees more in photos that are not like these. YuNet looks twice, at the picture and at the
picture twice as large, where it sees smaller faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from google.protobuf.message import DecodeError
from torch import Tensor, nn
from torch.nn import functional

from .model import FEATURES
from .photos import DataError
from .spec import MEAN_BGR

__all__ = ["Adapters", "Cells", "Watching", "distillation_loss"]

_STRIDES = (8, 16, 32)
_CHANNELS = 64
"""Strides of YuNet, and the channels of what its heads read."""

_HEAD = "bbox_head.multi_level_cls.{}.conv1.weight"
"""Weights whose input is what the heads of a stride read, in OpenCV's export."""

_LEVELS = (((1, 0),), ((1, 1), (0, 0)), ((1, 2), (0, 1)), ((0, 2),))
"""For each level of the network, `(enlarged, stride)` of YuNet's whose cells lie where its own do: a cell at
stride 8 of a picture twice as large is one at stride 4."""


@dataclass(frozen=True)
class Cells:
    """What YuNet makes of one level's cells.

    Attributes:
        features: `(N, C, H, W)` float32, not negative.
        score: `(N, H, W)` float32 in [0, 1], the highest of the looks.
    """

    features: Tensor
    score: Tensor


class Watching:
    """YuNet, which looks at batches.

    Args:
        path: `yunet_n_dynamic.onnx`, as OpenCV's zoo exports it.

    Raises:
        DataError: the file is not there, no ONNX file, or of another network.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError(
                f"--distil {path} is not there: name YuNet's folder with MODELS=FOLDER, or leave it out"
            )
        try:
            model = onnx.load(path)
        except DecodeError as error:
            raise DataError(f"--distil {path} is no ONNX file: {error}") from error
        heard = {name: node.input[0] for node in model.graph.node for name in node.input[1:]}
        try:
            features = [heard[_HEAD.format(level)] for level in range(len(_STRIDES))]
        except KeyError as error:
            raise DataError(f"--distil {path} is not YuNet: it has no weights {error}") from error
        for name in features:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        scores = [f"{kind}_{stride}" for stride in _STRIDES for kind in ("cls", "obj")]
        self._outputs = [*features, *scores]

    def __call__(self, images: Tensor) -> list[Cells]:
        """Both looks at a batch, by level of the network.

        Args:
            images: `(N, 3, H, W)` as the network takes them; H and W multiples of 32.
        """
        plain = (images + torch.tensor(MEAN_BGR)[:, None, None]).contiguous()
        enlarged = functional.interpolate(plain, scale_factor=2.0, mode="bilinear").clamp(0, 255)
        seen = [self._look(picture.numpy()) for picture in (plain, enlarged.contiguous())]
        levels = []
        for looks in _LEVELS:
            parts = [seen[large][stride] for large, stride in looks]
            features = torch.cat([part.features for part in parts], 1)
            levels.append(Cells(features, torch.stack([part.score for part in parts]).amax(0)))
        return levels

    def _look(self, images: npt.NDArray[np.float32]) -> list[Cells]:
        """Features and scores at each stride, score = sqrt(cls * obj) as in `unionveil.detect.yunet`."""
        answers = [torch.from_numpy(answer) for answer in self._session.run(self._outputs, {"input": images})]
        features, scores = answers[: len(_STRIDES)], answers[len(_STRIDES) :]
        return [
            Cells(at, (cls.clamp(0, 1) * obj.clamp(0, 1)).sqrt().reshape(at.shape[0], *at.shape[2:]))
            for at, cls, obj in zip(features, scores[::2], scores[1::2], strict=True)
        ]


class Adapters(nn.Module):
    """Reads YuNet's features and scores from the network's own; only training needs it."""

    def __init__(self) -> None:
        super().__init__()
        wanted = [_CHANNELS * len(looks) for looks in _LEVELS]
        self.reads = nn.ModuleList(
            nn.Conv2d(own, count + 1, 1) for own, count in zip(FEATURES, wanted, strict=True)
        )
        for read in self.reads:
            nn.init.zeros_(read.weight)
            nn.init.zeros_(read.bias)

    def forward(self, seen: list[Tensor]) -> list[Tensor]:
        """For each level `(N, C + 1, H, W)`: features, normalised, and the score's logit."""
        return [read(level) for read, level in zip(self.reads, seen, strict=True)]


def distillation_loss(adapters: Adapters, seen: list[Tensor], cells: list[Cells]) -> tuple[Tensor, float]:
    """How far the network's features are from telling YuNet's.

    Squared distance of the normalised features as a share of their own square, over all cells alike and over
    those where YuNet sees a face, and quality focal loss of the score (arXiv:2006.04388, equation 5).

    Args:
        adapters: what reads them.
        seen: the network's features by level, `(N, FEATURES[i], H, W)`.
        cells: YuNet's.

    Returns:
        The loss, and the share of the features' variance that is not told yet.
    """
    total, untold = torch.zeros(()), 0.0
    for got, cell in zip(adapters(seen), cells, strict=True):
        # Over the batch, so that every channel counts alike, whatever its size.
        wanted = functional.batch_norm(cell.features, None, None, training=True)
        far = (got[:, :-1] - wanted).square().mean(1)
        at_faces = (far * cell.score).sum() / (wanted.square().mean(1) * cell.score).sum().clamp(min=1.0)
        logit = got[:, -1]
        near = (cell.score - logit.sigmoid()).square()
        entropy = functional.binary_cross_entropy_with_logits(logit, cell.score, reduction="none")
        total = total + far.mean() + at_faces + (near * entropy).sum() / cell.score.sum().clamp(min=1.0)
        untold += float(far.detach().mean()) / len(cells)
    return total / len(cells), untold
