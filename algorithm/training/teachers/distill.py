"""Feature distillation (FitNets, arXiv:1412.6550).

Labels say where a face is. The features of YuNet and CenterFace describe every cell, in darkness, blur and
crowds too. Both were trained on far more photos, so a network whose features predict theirs generalises to
photos unlike its own training set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..net.loss import quality_focal
from ..net.model import WIDTHS
from .teacher import Teacher, TeacherCells

__all__ = ["Adapters", "distill_loss", "make_adapters"]


class Adapters(nn.Module):
    """Projects the student's features onto a teacher's; only training needs it.

    Args:
        teacher: the teacher whose features and scores are predicted.
    """

    def __init__(self, teacher: Teacher) -> None:
        super().__init__()
        self.project = nn.ModuleDict(
            {str(level): _zero_projection(level, teacher.channels + 1) for level in teacher.levels}
        )

    def forward(self, features: list[Tensor]) -> dict[int, Tensor]:
        """`(N, C + 1, H, W)` for each level: normalised features of the teacher, and its score's logit."""
        return {int(level): projection(features[int(level)]) for level, projection in self.project.items()}


def _zero_projection(level: int, outputs: int) -> nn.Conv2d:
    projection = nn.Conv2d(WIDTHS.features[level], outputs, 1)
    for parameter in projection.parameters():
        nn.init.zeros_(parameter)
    return projection


def make_adapters(teachers: Mapping[str, Teacher]) -> nn.ModuleDict:
    """Makes adapters for each teacher, by name."""
    return nn.ModuleDict({name: Adapters(teacher) for name, teacher in teachers.items()})


def distill_loss(
    adapters: Callable[[list[Tensor]], dict[int, Tensor]],
    features: list[Tensor],
    cells: Mapping[int, TeacherCells],
) -> tuple[Tensor, Tensor]:
    """Distance of the student's predictions from a teacher's features and scores.

    Squared distance of the normalised features over their variance, over all cells and over those where the
    teacher detects a face, plus quality focal loss of the score.

    Args:
        adapters: the teacher's `Adapters`, which predict its output.
        features: the student's features by level, `(N, widths.features[i], H, W)`.
        cells: the teacher's output by level.

    Returns:
        The loss, and the share of the variance of the teacher's features that is still unexplained.
    """
    total, unexplained = torch.zeros(()), torch.zeros(())
    for level, predicted in adapters(features).items():
        cell = cells[level]
        # Over the batch, so that every channel has the same weight.
        target = functional.batch_norm(cell.features, None, None, training=True)
        distance = (predicted[:, :-1] - target).square().mean(1)
        variance = (target.square().mean(1) * cell.score).sum().clamp(min=1.0)
        at_faces = (distance * cell.score).sum() / variance
        score = quality_focal(predicted[:, -1], cell.score).sum() / cell.score.sum().clamp(min=1.0)
        total = total + distance.mean() + at_faces + score
        unexplained = unexplained + distance.detach().mean()
    return total / len(cells), unexplained / len(cells)
