"""The network's outputs, folding, and initialisation from exported weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from checked import present
from unionveil.models.cards import CARDS, WEIGHTS

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from training.export import to_onnx  # noqa: E402
from training.net.model import FaceNet, Unit, Widths, folded, restored  # noqa: E402
from training.net.onnx_weights import load_onnx  # noqa: E402
from training.net.priors import priors_of  # noqa: E402

SIZE = (128, 96)
NARROW = Widths(
    stem=8, stage2=16, stage4=32, stage8=48, stage16=64, stage32=128, neck=48, squeezed=24, residual=False
)

torch.set_num_threads(1)


def test_network_predicts_for_every_prior() -> None:
    loc, logit, landms = FaceNet().eval()(torch.zeros(2, 3, SIZE[1], SIZE[0]))
    count = len(priors_of(SIZE))
    assert loc.shape == (2, count, 4)
    assert logit.shape == (2, count, 1)
    assert landms.shape == (2, count, 10)


def test_folding_keeps_the_outputs(trained_like: Callable[..., FaceNet]) -> None:
    model = trained_like()
    image = torch.randn(1, 3, 64, 64) * 60
    for one, two, three in zip(
        model(image), folded(model)(image), restored(folded(model).state_dict()).eval()(image), strict=True
    ):
        torch.testing.assert_close(one, two, atol=2e-4, rtol=1e-3)
        torch.testing.assert_close(two, three)


def test_strided_layers_compute_in_32_bits_under_autocast() -> None:
    """Torch's gradient of a strided depthwise convolution is slow in 16 bits."""
    strided = Unit(16, 16, 3, 2, depthwise=True, active=False)
    strided.fold()
    x = torch.randn(2, 16, 32, 32).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        out = strided(x)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, strided(x.float()).bfloat16(), rtol=0, atol=0)
    out.backward(torch.ones_like(out))
    grad = present(strided.conv.weight.grad).clone()
    strided.conv.weight.grad = None
    strided(x.float()).sum().backward()
    torch.testing.assert_close(grad, strided.conv.weight.grad)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "other", [], [])), path)
    with pytest.raises(ValueError, match="no layer of this network"):
        load_onnx(FaceNet(), path)
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="not an ONNX file"):
        load_onnx(FaceNet(), path)


def test_committed_weights_can_be_trained_on() -> None:
    assert load_onnx(FaceNet(), WEIGHTS / CARDS["retinaface"].file) == []


def test_weights_of_a_narrower_network_grow(tmp_path: Path, trained_like: Callable[..., FaceNet]) -> None:
    """The wider network starts with the outputs of the narrower one, and all of it has gradients."""
    path = tmp_path / "narrow.onnx"
    narrow = trained_like(NARROW)
    to_onnx(narrow, path)
    torch.manual_seed(1)
    grown = FaceNet()
    assert load_onnx(grown, path) == ["stage4.4.mix", "stage4.4.near", "stage8.2.mix", "stage8.2.near"]
    image = torch.randn(1, 3, 64, 96) * 60
    for one, two in zip(narrow(image), grown.eval()(image), strict=True):
        torch.testing.assert_close(one, two, atol=1e-3, rtol=1e-3)
    torch.stack([output.square().sum() for output in grown.train()(image)]).sum().backward()
    wider = present(grown.get_parameter("stage16.3.1.conv.weight").grad)[:64, 64:]
    for grad in (wider, present(grown.get_parameter("stage4.4.mix.conv.weight").grad)):
        assert (grad != 0).any()


def test_weights_of_a_wider_network_are_refused(tmp_path: Path, trained_like: Callable[..., FaceNet]) -> None:
    path = tmp_path / "wide.onnx"
    to_onnx(trained_like(), path)
    with pytest.raises(ValueError, match="does not fit"):
        load_onnx(FaceNet(NARROW), path)
