"""What the network learns from detectors' own features; needs torch, which the tests do not install."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unionveil.detect.centerface import CenterFace
from unionveil.detect.models import CARDS
from unionveil.detect.yunet import YuNet

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")

from training.data import to_input  # noqa: E402
from training.distil import (  # noqa: E402
    Adapters,
    Cells,
    CenterFaceLook,
    YuNetLooks,
    distillation_loss,
    looks,
)
from training.model import FEATURES, FaceNet  # noqa: E402
from training.photos import DataError, read_photo  # noqa: E402
from training.spec import STRIDES  # noqa: E402

CHANNELS = (64, 128, 128, 64)

torch.set_num_threads(1)


def made_up(side_px: int = 64) -> tuple[list[torch.Tensor], list[Cells]]:
    """Features of a network, and of a detector that computes each of its own from them."""
    made = torch.Generator().manual_seed(0)
    seen, cells = [], []
    for own, count, stride in zip(FEATURES, CHANNELS, STRIDES, strict=True):
        level = torch.randn(2, own, side_px // stride, side_px // stride, generator=made)
        told = torch.einsum("nchw,cd->ndhw", level, torch.randn(own, count, generator=made))
        seen.append(level)
        cells.append(Cells(told, level[:, 0].sigmoid()))
    return seen, cells


def learned(
    adapters: Adapters, seen: list[torch.Tensor], cells: list[Cells], rate: float
) -> tuple[float, float]:
    """Loss and untold share after three hundred steps."""
    steps = torch.optim.Adam(adapters.parameters(), lr=rate)
    for _ in range(300):
        value, _ = distillation_loss(adapters, seen, cells)
        steps.zero_grad()
        value.backward()
        steps.step()
    value, untold = distillation_loss(adapters, seen, cells)
    return float(value.detach()), untold


def test_nothing_is_told_at_first_and_all_once_it_is_learned() -> None:
    torch.manual_seed(0)
    seen, cells = made_up()
    adapters = Adapters(CHANNELS)
    first, untold = distillation_loss(adapters, seen, cells)
    assert untold == pytest.approx(1.0, abs=0.01)
    value, untold = learned(adapters, seen, cells, 0.02)
    assert untold < 0.02
    assert value < 0.1 * float(first.detach())


def test_scores_are_told_beside_the_features() -> None:
    torch.manual_seed(0)
    seen, cells = made_up()
    adapters = Adapters(CHANNELS)
    learned(adapters, seen, [Cells(torch.zeros_like(cell.features), cell.score) for cell in cells], 0.05)
    for read, cell in zip(adapters(seen), cells, strict=True):
        assert float((read[:, -1].detach().sigmoid() - cell.score).abs().max()) < 0.1


def test_the_network_learns_too() -> None:
    torch.manual_seed(0)
    model, adapters = FaceNet(), Adapters(CHANNELS)
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


def photo(shared: Path) -> np.ndarray:
    """A part of a photo with faces, `(256, 256, 3)`, blue first."""
    path = sorted((shared / "people" / "validation" / "natural").iterdir())[0]
    image = np.ascontiguousarray(read_photo(path.read_bytes(), path.name)[:256, :256])
    assert image.shape[:2] == (256, 256)
    return image


@pytest.mark.shared
def test_both_looks_score_cells_as_yunet_does(shared: Path) -> None:
    image = photo(shared)
    cells = YuNetLooks(shared / "models" / "yunet_n_dynamic.onnx", torch.float32)(to_input(image)[None])
    assert [tuple(cell.features.shape) for cell in cells] == [
        (1, count, 256 // stride, 256 // stride) for count, stride in zip(CHANNELS, STRIDES, strict=True)
    ]
    assert YuNetLooks.channels == CHANNELS
    once = YuNet(CARDS["yunet"], 1)(np.ascontiguousarray(image[..., ::-1]), 0.05).score.max()
    highest = max(float(cell.score.max()) for cell in cells)
    assert highest >= once - 1e-4
    assert float(cells[3].score.max()) <= once + 1e-4  # only the plain look has stride 32
    assert all(float(cell.features.min()) >= 0 for cell in cells)


@pytest.mark.shared
def test_cells_have_the_scores_of_centerface(shared: Path) -> None:
    image = photo(shared)
    cells = CenterFaceLook(torch.float32)(torch.cat([to_input(image)[None], to_input(image[::-1])[None]]))
    assert [tuple(cell.features.shape) for cell in cells] == [
        (2, count, 256 // stride, 256 // stride)
        for count, stride in zip(CenterFaceLook.channels, STRIDES, strict=True)
    ]
    faces = CenterFace(CARDS["centerface"], 1)(np.ascontiguousarray(image[..., ::-1]), 0.3)
    assert len(faces)
    for cell, stride in zip(cells, STRIDES, strict=True):
        assert float(cell.score[0].max()) == pytest.approx(float(faces.score.max()), abs=1e-4)
        x, y = ((faces.xyxy[0, :2] + faces.xyxy[0, 2:]) / 2 / stride).astype(int)
        around = cell.score[0, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        assert float(around.max()) >= float(faces.score[0]) - 1e-4
        assert float(cell.features.min()) >= 0
        assert float(cell.features.std()) > 0.05


@pytest.mark.shared
@pytest.mark.parametrize("name", ["yunet", "centerface"])
def test_half_the_bits_tell_nearly_the_same(shared: Path, name: str) -> None:
    yunet = shared / "models" / "yunet_n_dynamic.onnx"
    batch = to_input(photo(shared))[None]
    for cell, whole in zip(
        looks(yunet, torch.bfloat16)[name](batch), looks(yunet, torch.float32)[name](batch), strict=True
    ):
        off = (cell.features - whole.features).square().mean()
        assert 0 < float(off) < 0.01 * float(whole.features.square().mean())
        assert float((cell.score - whole.score).abs().max()) < 0.1


def test_another_network_is_told_of(tmp_path: Path) -> None:
    weights = Path(__file__).parents[2] / "algorithm" / "unionveil" / "weights" / "retinaface.onnx"
    with pytest.raises(DataError, match="is not YuNet"):
        YuNetLooks(weights, torch.float32)
    with pytest.raises(DataError, match="is not there"):
        YuNetLooks(tmp_path / "yunet.onnx", torch.float32)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(DataError, match="no ONNX file"):
        YuNetLooks(broken, torch.float32)
