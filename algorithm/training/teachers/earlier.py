"""Earlier weights of this project as a teacher, for a network of another shape with the same heads.

Such a network can learn the heads' inputs themselves, channel by channel, with no adapter in between, and
what the heads make of them. Every cell of every photo says what the right answer is, so it takes a fraction
of the time that labels take.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..data.files import DataError
from ..net.model import FaceNet
from ..net.onnx_weights import load_heads, read_onnx
from ..spec import STRIDES
from .graph import TorchGraph, layers_of

__all__ = ["Earlier", "Predicted", "feature_loss", "output_loss"]

_LEAST_VARIANCE = 1e-4
"""Added to a channel's variance, so that one that is nearly always zero does not outweigh the others."""

_SEEN, _EMPTY_WEIGHT = 0.02, 2e-3
"""Score from which a cell weighs as much as its score, and the weight of the many cells below."""

_FACE = 0.1
"""Score from which boxes and landmarks count; no one reads those of lower scores."""

_SCORE_WEIGHT, _BOX_WEIGHT, _POINTS_WEIGHT = 0.3, 1.0, 0.3

Predicted = tuple[Tensor, Tensor, Tensor]
"""`loc (N, P, 4)`, score logits `(N, P, 1)` and `landms (N, P, 10)`, as `FaceNet` returns them."""


class Earlier:
    """The network that is followed.

    Args:
        path: ONNX file that this project exported.
        dtype: dtype that the features are computed in.
        device: where they are computed; None is the processor.

    Raises:
        DataError: the file is missing, or its heads are not those of the network that learns.
    """

    def __init__(self, path: Path, dtype: torch.dtype, device: torch.device | None = None) -> None:
        if not path.is_file():
            raise DataError(f"--follow: {path} is missing")
        heads = FaceNet()
        try:
            model = read_onnx(path)
            load_heads(heads, path)
        except ValueError as error:
            raise DataError(f"--follow: {error}") from error
        layers = layers_of(model)
        inputs = [layers[f"heads.{level}.score.weight"].input[0] for level in range(len(STRIDES))]
        self._graph = TorchGraph(model, inputs, dtype, device)
        self._predict = heads.to(device).predict

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[list[Tensor], Predicted]:
        """The heads' inputs by level, and their outputs, float32, for images `(N, 3, H, W)`."""
        features = self._graph(images)
        return features, self._predict(features)


def feature_loss(features: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Mean squared distance over the variance of each channel of `wanted`, averaged over the levels.

    Args:
        features: the network's features by level, `(N, widths.features[i], H, W)`.
        wanted: the earlier network's, of the same shapes.

    Returns:
        A scalar; 1 is what a constant would leave.
    """
    distances = [
        ((ours - theirs).square() / (theirs.var((0, 2, 3), keepdim=True) + _LEAST_VARIANCE)).mean()
        for ours, theirs in zip(features, wanted, strict=True)
    ]
    return torch.stack(distances).mean()


def output_loss(predicted: Predicted, wanted: Predicted) -> dict[str, Tensor]:
    """Weighted mean squared distances of logits, boxes and landmarks, by name; their sum is the loss.

    Logits count by the higher of the two scores, so that a false face costs what a lost one does. Boxes and
    landmarks count by the wanted score.
    """
    (loc, logit, landms), (loc_wanted, logit_wanted, landms_wanted) = predicted, wanted
    score = logit_wanted.sigmoid()
    higher = torch.maximum(score, logit.detach().sigmoid())
    weight = torch.where(higher > _SEEN, higher, 0.0) + _EMPTY_WEIGHT
    face = torch.where(score > _FACE, score, 0.0)
    return {
        "score": _SCORE_WEIGHT * _mean(logit, logit_wanted, weight),
        "box": _BOX_WEIGHT * _mean(loc, loc_wanted, face),
        "points": _POINTS_WEIGHT * _mean(landms, landms_wanted, face),
    }


def _mean(ours: Tensor, theirs: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of the squared distance; weights that sum to less than one cell count as one."""
    total = (weight * (ours - theirs).square().mean(-1, keepdim=True)).sum()
    return total / weight.sum().clamp(min=1.0)
