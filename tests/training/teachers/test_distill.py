"""Adapters learn to predict a teacher's features and scores from the student's features."""

from __future__ import annotations

import onnx
import pytest

from unionveil.models.cards import WEIGHTS

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from torch import Tensor  # noqa: E402

from training.net.model import WIDTHS, FaceNet  # noqa: E402
from training.spec import STRIDES  # noqa: E402
from training.teachers.distill import Adapters, distill_loss  # noqa: E402
from training.teachers.graph import TorchGraph  # noqa: E402
from training.teachers.teacher import Teacher, TeacherCells  # noqa: E402

torch.set_num_threads(1)

COMMITTED = WEIGHTS / "retinaface.onnx"
CHANNELS = 40


def make_teacher(strides: tuple[int, ...] = STRIDES, *, enlarged: bool = False) -> Teacher:
    """A teacher that never runs."""
    graph = TorchGraph(onnx.load(COMMITTED), [], torch.float32)
    return Teacher(graph, strides, CHANNELS, lambda inputs: inputs, rgb=False, enlarged=enlarged)


def linear_teacher(side_px: int = 64) -> tuple[list[Tensor], dict[int, TeacherCells]]:
    """Features of a student, and of a teacher that are linear functions of them."""
    generator = torch.Generator().manual_seed(0)
    features, cells = [], {}
    for level, (channels, stride) in enumerate(zip(WIDTHS.features, STRIDES, strict=True)):
        student = torch.randn(2, channels, side_px // stride, side_px // stride, generator=generator)
        matrix = torch.randn(channels, CHANNELS, generator=generator)
        features.append(student)
        cells[level] = TeacherCells(torch.einsum("nchw,cd->ndhw", student, matrix), student[:, 0].sigmoid())
    return features, cells


def fit(
    adapters: Adapters, features: list[Tensor], cells: dict[int, TeacherCells], lr: float
) -> tuple[float, float]:
    """Loss and unexplained variance after three hundred steps."""
    optimizer = torch.optim.Adam(adapters.parameters(), lr=lr)
    for _ in range(300):
        loss, _ = distill_loss(adapters, features, cells)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    loss, unexplained = distill_loss(adapters, features, cells)
    return float(loss.detach()), float(unexplained)


def test_training_explains_the_teachers_features() -> None:
    torch.manual_seed(0)
    features, cells = linear_teacher()
    adapters = Adapters(make_teacher())
    first, before = distill_loss(adapters, features, cells)
    assert float(before) == pytest.approx(1.0, abs=0.01)
    loss, unexplained = fit(adapters, features, cells, 0.02)
    assert unexplained < 0.02
    assert loss < 0.1 * float(first.detach())


def test_training_predicts_the_teachers_scores() -> None:
    torch.manual_seed(0)
    features, cells = linear_teacher()
    adapters = Adapters(make_teacher())
    scores = {
        level: TeacherCells(torch.zeros_like(cell.features), cell.score) for level, cell in cells.items()
    }
    fit(adapters, features, scores, 0.05)
    for level, predicted in adapters(features).items():
        assert float((predicted[:, -1].detach().sigmoid() - cells[level].score).abs().max()) < 0.1


@pytest.mark.parametrize(
    ("strides", "enlarged", "levels"),
    [
        ((8, 16, 32), False, {1: 0, 2: 1, 3: 2}),
        ((8, 16, 32), True, {0: 0, 1: 1, 2: 2}),
        ((4, 8, 16, 32), False, {0: 0, 1: 1, 2: 2, 3: 3}),
        ((4, 8, 16, 32), True, {0: 1, 1: 2, 2: 3}),
    ],
)
def test_levels_are_those_with_the_same_cells(
    strides: tuple[int, ...], enlarged: bool, levels: dict[int, int]
) -> None:
    teacher = make_teacher(strides, enlarged=enlarged)
    assert teacher.levels == levels
    assert sorted(Adapters(teacher).project) == [str(level) for level in levels]


def test_gradients_reach_the_whole_student() -> None:
    torch.manual_seed(0)
    model, adapters = FaceNet(), Adapters(make_teacher())
    for level in adapters.project:
        torch.nn.init.normal_(adapters.get_parameter(f"project.{level}.weight"), std=0.1)
    for name, stage in (("stage4", model.stage4), ("stage8", model.stage8)):
        last = len(stage) - 1
        torch.nn.init.ones_(
            model.get_parameter(f"{name}.{last}.mix.norm.weight")
        )  # zero before training, which stops the gradient
    _, cells = linear_teacher()
    loss, _ = distill_loss(adapters, model.features(torch.randn(2, 3, 64, 64)), cells)
    loss.backward()
    assert all(
        parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        for name, parameter in model.named_parameters()
        if name.endswith("conv.weight") and not name.startswith("heads")
    )
