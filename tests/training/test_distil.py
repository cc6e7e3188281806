"""What the network learns from detectors' own features; needs torch, which the tests do not install."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from unionveil.detect.centerface import CenterFace
from unionveil.detect.yunet import YuNet
from unionveil.models.cards import CARDS

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")

from training.data import to_input  # noqa: E402
from training.distil import (  # noqa: E402
    Adapters,
    Cells,
    Look,
    centerface,
    distillation_loss,
    looks,
    yunet,
)
from training.graph import Graph  # noqa: E402
from training.model import FEATURES, FaceNet  # noqa: E402
from training.photos import DataError, read_photo  # noqa: E402
from training.spec import STRIDES  # noqa: E402

torch.set_num_threads(1)

WEIGHTS = Path(__file__).parents[2] / "algorithm" / "unionveil" / "weights" / "retinaface.onnx"
CHANNELS = 40


def look_of(strides: tuple[int, ...] = STRIDES, *, enlarged: bool = False) -> Look:
    """A detector that nobody asks to look."""
    graph = Graph(onnx.load(WEIGHTS), [], torch.float32)
    return Look(graph, strides, CHANNELS, lambda told: told, red_first=False, enlarged=enlarged)


def made_up(side_px: int = 64) -> tuple[list[torch.Tensor], dict[int, Cells]]:
    """Features of a network, and of a detector that computes each of its own from them."""
    made = torch.Generator().manual_seed(0)
    seen, cells = [], {}
    for level, (own, stride) in enumerate(zip(FEATURES, STRIDES, strict=True)):
        own_features = torch.randn(2, own, side_px // stride, side_px // stride, generator=made)
        told = torch.einsum("nchw,cd->ndhw", own_features, torch.randn(own, CHANNELS, generator=made))
        seen.append(own_features)
        cells[level] = Cells(told, own_features[:, 0].sigmoid())
    return seen, cells


def learned(
    adapters: Adapters, seen: list[torch.Tensor], cells: dict[int, Cells], rate: float
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
    adapters = Adapters(look_of())
    first, untold = distillation_loss(adapters, seen, cells)
    assert untold == pytest.approx(1.0, abs=0.01)
    value, untold = learned(adapters, seen, cells, 0.02)
    assert untold < 0.02
    assert value < 0.1 * float(first.detach())


def test_scores_are_told_beside_the_features() -> None:
    torch.manual_seed(0)
    seen, cells = made_up()
    adapters = Adapters(look_of())
    scores = {level: Cells(torch.zeros_like(cell.features), cell.score) for level, cell in cells.items()}
    learned(adapters, seen, scores, 0.05)
    for level, read in adapters(seen).items():
        assert float((read[:, -1].detach().sigmoid() - cells[level].score).abs().max()) < 0.1


@pytest.mark.parametrize(
    ("strides", "enlarged", "levels"),
    [
        ((8, 16, 32), False, {1: 0, 2: 1, 3: 2}),
        ((8, 16, 32), True, {0: 0, 1: 1, 2: 2}),
        ((4, 8, 16, 32), False, {0: 0, 1: 1, 2: 2, 3: 3}),
        ((4, 8, 16, 32), True, {0: 1, 1: 2, 2: 3}),
    ],
)
def test_levels_are_those_whose_cells_lie_alike(
    strides: tuple[int, ...], enlarged: bool, levels: dict[int, int]
) -> None:
    look = look_of(strides, enlarged=enlarged)
    assert look.levels == levels
    assert sorted(Adapters(look).reads) == [str(level) for level in levels]


def test_the_network_learns_too() -> None:
    torch.manual_seed(0)
    model, adapters = FaceNet(), Adapters(look_of())
    for read in adapters.reads.values():
        torch.nn.init.normal_(read.weight, std=0.1)
    for stage in (model.stage4, model.stage8):
        torch.nn.init.ones_(stage[-1].mix.norm.weight)  # adds nothing before training, and passes nothing on
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
def test_cells_have_the_scores_of_yunet(shared: Path) -> None:
    image = photo(shared)
    look = yunet(shared / "models" / "yunet_n_dynamic.onnx", torch.float32)
    cells = look(to_input(image)[None])
    assert {level: tuple(cell.features.shape) for level, cell in cells.items()} == {
        level: (1, 64, 256 // STRIDES[level], 256 // STRIDES[level]) for level in (1, 2, 3)
    }
    highest = YuNet(CARDS["yunet"], 1)(np.ascontiguousarray(image[..., ::-1]), 0.05).score.max()
    assert max(float(cell.score.max()) for cell in cells.values()) == pytest.approx(float(highest), abs=1e-4)
    assert all(float(cell.features.min()) >= 0 for cell in cells.values())


@pytest.mark.shared
def test_cells_have_the_scores_of_centerface(shared: Path) -> None:
    image = photo(shared)
    cells = centerface(torch.float32)(torch.cat([to_input(image)[None], to_input(image[::-1])[None]]))
    faces = CenterFace(CARDS["centerface"], 1)(np.ascontiguousarray(image[..., ::-1]), 0.3)
    assert len(faces)
    assert sorted(cells) == [0, 1, 2, 3]
    for level, cell in cells.items():
        stride = STRIDES[level]
        assert cell.features.shape == (2, 24, 256 // stride, 256 // stride)
        assert float(cell.score[0].max()) == pytest.approx(float(faces.score.max()), abs=1e-4)
        x, y = ((faces.xyxy[0, :2] + faces.xyxy[0, 2:]) / 2 / stride).astype(int)
        around = cell.score[0, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        assert float(around.max()) >= float(faces.score[0]) - 1e-4
        assert float(cell.features.min()) >= 0
        assert float(cell.features.std()) > 0.05


@pytest.mark.shared
@pytest.mark.parametrize("name", ["yunet", "centerface"])
def test_enlarged_look_tells_of_the_picture_twice_as_large(shared: Path, name: str) -> None:
    image = photo(shared)[:128, :128]
    found = looks(shared / "models" / "yunet_n_dynamic.onnx", torch.float32)
    large = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    plain, enlarged = found[name](to_input(large)[None]), found[f"{name}_enlarged"](to_input(image)[None])
    assert sorted(enlarged) == [0, 1, 2]
    for level, cell in enlarged.items():
        same = plain[level + 1]
        assert float((cell.features - same.features).square().mean()) < 0.01 * float(same.features.var())
        assert float((cell.score - same.score).abs().max()) < 0.1


@pytest.mark.shared
@pytest.mark.parametrize("name", ["yunet", "centerface"])
def test_half_the_bits_tell_nearly_the_same(shared: Path, name: str) -> None:
    path = shared / "models" / "yunet_n_dynamic.onnx"
    batch = to_input(photo(shared))[None]
    half, whole = (looks(path, dtype)[name](batch) for dtype in (torch.bfloat16, torch.float32))
    for level, cell in whole.items():
        off = (half[level].features - cell.features).square().mean()
        assert 0 < float(off) < 0.01 * float(cell.features.square().mean())
        assert float((half[level].score - cell.score).abs().max()) < 0.1


def test_another_network_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not YuNet"):
        yunet(WEIGHTS, torch.float32)
    with pytest.raises(DataError, match="is not there"):
        yunet(tmp_path / "yunet.onnx", torch.float32)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(DataError, match="no ONNX file"):
        yunet(broken, torch.float32)
