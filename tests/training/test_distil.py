"""What the network learns from YuNet's own features; needs torch, which the tests do not install."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unionveil.detect.models import CARDS
from unionveil.detect.yunet import YuNet

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")

from training.data import to_input  # noqa: E402
from training.distil import Adapters, Cells, Watching, distillation_loss  # noqa: E402
from training.model import FEATURES, FaceNet  # noqa: E402
from training.photos import DataError, read_photo  # noqa: E402
from training.spec import STRIDES  # noqa: E402

CHANNELS = (64, 128, 128, 64)

torch.set_num_threads(1)


def made_up(side_px: int = 64) -> tuple[list[torch.Tensor], list[Cells]]:
    """Features of a network, and of a YuNet that computes each of its own from them."""
    made = torch.Generator().manual_seed(0)
    seen, cells = [], []
    for own, count, stride in zip(FEATURES, CHANNELS, STRIDES, strict=True):
        level = torch.randn(2, own, side_px // stride, side_px // stride, generator=made)
        told = torch.einsum("nchw,cd->ndhw", level, torch.randn(own, count, generator=made))
        seen.append(level)
        cells.append(Cells(told, level[:, 0].sigmoid()))
    return seen, cells


def test_nothing_is_told_at_first_and_all_once_it_is_learned() -> None:
    torch.manual_seed(0)
    seen, cells = made_up()
    adapters = Adapters()
    first, untold = distillation_loss(adapters, seen, cells)
    assert untold == pytest.approx(1.0, abs=0.01)
    steps = torch.optim.Adam(adapters.parameters(), lr=0.02)
    for _ in range(300):
        value, untold = distillation_loss(adapters, seen, cells)
        steps.zero_grad()
        value.backward()
        steps.step()
    assert untold < 0.02
    assert float(value.detach()) < 0.1 * float(first.detach())


def test_scores_are_told_beside_the_features() -> None:
    torch.manual_seed(0)
    seen, cells = made_up()
    adapters = Adapters()
    bare = [Cells(torch.zeros_like(cell.features), cell.score) for cell in cells]
    steps = torch.optim.Adam(adapters.parameters(), lr=0.05)
    for _ in range(300):
        value, _ = distillation_loss(adapters, seen, bare)
        steps.zero_grad()
        value.backward()
        steps.step()
    for read, cell in zip(adapters(seen), cells, strict=True):
        assert float((read[:, -1].detach().sigmoid() - cell.score).abs().max()) < 0.1


def test_the_network_learns_too() -> None:
    torch.manual_seed(0)
    model, adapters = FaceNet(), Adapters()
    for read in adapters.reads:
        torch.nn.init.normal_(read.weight, std=0.1)
    _, cells = made_up()
    value, _ = distillation_loss(adapters, model.features(torch.randn(2, 3, 64, 64)), cells)
    value.backward()
    assert all(
        parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        for name, parameter in model.named_parameters()
        if name.endswith("conv.weight") and not name.startswith("heads")
    )


@pytest.mark.shared
def test_both_looks_score_cells_as_the_detector_does(shared: Path) -> None:
    path = sorted((shared / "people" / "validation" / "natural").iterdir())[0]
    image = np.ascontiguousarray(read_photo(path.read_bytes(), path.name)[:256, :256])
    assert image.shape[:2] == (256, 256)
    cells = Watching(shared / "models" / "yunet_n_dynamic.onnx")(to_input(image)[None])
    height, width = image.shape[:2]
    assert [tuple(cell.features.shape[1:]) for cell in cells] == [
        (count, height // stride, width // stride) for count, stride in zip(CHANNELS, STRIDES, strict=True)
    ]
    detector = YuNet(CARDS["yunet"], 1)
    once = detector(np.ascontiguousarray(image[..., ::-1]), 0.05).score.max()
    highest = max(float(cell.score.max()) for cell in cells)
    assert highest >= once - 1e-4
    assert float(cells[3].score.max()) <= once + 1e-4  # only the plain look has stride 32
    assert all(float(cell.features.min()) >= 0 for cell in cells)


def test_another_network_is_told_of(tmp_path: Path) -> None:
    weights = Path(__file__).parents[2] / "algorithm" / "unionveil" / "weights" / "retinaface.onnx"
    with pytest.raises(DataError, match="is not YuNet"):
        Watching(weights)
    with pytest.raises(DataError, match="is not there"):
        Watching(tmp_path / "yunet.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(DataError, match="no ONNX file"):
        Watching(broken)
