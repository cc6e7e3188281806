"""The network of plates, its loss, and a run of a few steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from torch import Tensor  # noqa: E402

from training.plates.net import STRIDE_PX, PlateNet, Whole, loss  # noqa: E402
from training.plates.train import State, export, load, save, train  # noqa: E402


def batches() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """A bright rectangle on dark ground, always the same."""
    images, core = torch.zeros(2, 3, 64, 64, dtype=torch.uint8), torch.zeros(2, 1, 16, 16, dtype=torch.uint8)
    images[:, :, 20:40, 12:52] = 255
    core[:, :, 6:9, 4:12] = 1
    while True:
        yield images, core, torch.ones_like(core)


def test_the_map_has_a_value_per_stride_and_the_exported_one_per_pixel() -> None:
    images = torch.zeros(1, 3, 64, 96)
    assert PlateNet()(images).shape == (1, 1, 64 // STRIDE_PX, 96 // STRIDE_PX)
    probability = Whole(PlateNet().eval())(images)
    assert probability.shape == (1, 1, 64, 96)
    assert ((probability >= 0) & (probability <= 1)).all()


def test_the_weights_stay_below_two_megabytes() -> None:
    assert 4 * sum(parameter.numel() for parameter in PlateNet().parameters()) < 2_000_000


def test_loss_is_small_for_the_truth_and_ignores_what_is_unknown() -> None:
    _, core, weight = next(batches())
    truth, core, weight = 20 * core.float() - 10, core.float(), weight.float()
    assert loss(truth, core, weight) < 0.01 < 1 < loss(-truth, core, weight)
    wrong = truth.clone()
    wrong[:, :, 0] = 10
    unknown = weight.clone()
    unknown[:, :, 0] = 0
    assert loss(wrong, core, unknown) == pytest.approx(float(loss(truth, core, unknown)))
    assert loss(wrong, core, weight) > 0.5


def test_a_run_learns_is_kept_and_goes_on(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state, lines = State(), list[str]()
    images, core, _ = next(batches())
    blob = images.float().sub(127.5).div(127.5)

    def now() -> float:
        with torch.no_grad():
            return float(loss(state.net(blob), core.float(), torch.ones_like(core).float()))

    before = now()
    train(state, batches(), 0.03, lines.append)
    assert now() < before
    assert "steps, loss" in lines[-1]
    save(state, tmp_path / "plates.pt")
    again = load(tmp_path / "plates.pt")
    for one, other in zip(state.net.parameters(), again.net.parameters(), strict=True):
        assert torch.equal(one, other)
    assert (tmp_path / "plates.onnx").stat().st_size < 2_000_000


def test_the_exported_graph_gives_what_torch_gives_at_any_size(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = PlateNet().eval()
    export(net, tmp_path / "net.onnx")
    net.eval()
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    for height, width in ((64, 96), (160, 32)):
        images = torch.rand(1, 3, height, width) * 2 - 1
        (there,) = session.run(["probability"], {"x": images.numpy()})
        with torch.no_grad():
            here = Whole(net).eval()(images).numpy()
        assert np.abs(there - here).max() < 1e-4
