"""A network that follows earlier weights: what it is shown, and what its distance is."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from unionveil.models.cards import CARDS, WEIGHTS

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from torch import Tensor  # noqa: E402

from training.data.files import DataError  # noqa: E402
from training.net.model import FaceNet  # noqa: E402
from training.net.onnx_weights import load_heads, load_onnx  # noqa: E402
from training.teachers.earlier import Earlier, feature_loss, output_loss  # noqa: E402

COMMITTED = WEIGHTS / CARDS["retinaface"].file

torch.set_num_threads(1)


def test_it_computes_what_the_weights_compute() -> None:
    model = FaceNet()
    load_onnx(model, COMMITTED)
    image = torch.randn(2, 3, 64, 96) * 60
    with torch.no_grad():
        expected = model.eval().features(image)
        outputs = model.predict(expected)
    features, predicted = Earlier(COMMITTED, torch.float32)(image)
    assert len(features) == len(expected) == 4
    for ours, theirs in zip([*features, *predicted], [*expected, *outputs], strict=True):
        assert theirs.std() > 0.01
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def test_heads_are_copied_and_nothing_else() -> None:
    model, whole = FaceNet(), FaceNet()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    load_heads(model, COMMITTED)
    load_onnx(whole, COMMITTED)
    for name, value in model.state_dict().items():
        expected = whole.state_dict()[name] if name.startswith("heads.") else before[name]
        torch.testing.assert_close(value, expected, rtol=0, atol=0)


def test_weights_without_these_heads_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "other", [], [])), path)
    with pytest.raises(DataError, match=r"no layer heads\.0\.score"):
        Earlier(path, torch.float32)
    model = onnx.load(COMMITTED)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "heads.1.box.weight")
    array = onnx.numpy_helper.to_array(weight)[:, :48]
    weight.CopyFrom(onnx.numpy_helper.from_array(array.copy(), weight.name))
    onnx.save(model, path)
    with pytest.raises(DataError, match=r"its layer heads\.1\.box is \(4, 48, 1, 1\), here \(4, 96, 1, 1\)"):
        Earlier(path, torch.float32)


def test_distance_of_features_is_one_for_a_constant_whatever_their_scale() -> None:
    torch.manual_seed(0)
    wanted = [torch.randn(2, 8, 20, 20) * scale + 5 for scale in (1.0, 30.0)]
    constant = [level.mean((0, 2, 3), keepdim=True).expand_as(level) for level in wanted]
    assert float(feature_loss(constant, wanted)) == pytest.approx(1.0, rel=0.01)
    assert float(feature_loss(wanted, wanted)) == 0.0


def cells(scores: list[float]) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs of one image with these scores, whose boxes and landmarks are zero."""
    logit = torch.logit(torch.tensor(scores)).reshape(1, -1, 1)
    return torch.zeros(1, len(scores), 4), logit, torch.zeros(1, len(scores), 10)


def test_false_face_costs_what_a_lost_one_does_and_more_than_background() -> None:
    empty, face = cells([0.001, 0.001]), cells([0.9, 0.001])
    lost, false = output_loss(empty, face)["score"], output_loss(face, empty)["score"]
    assert float(lost) == pytest.approx(float(false))
    darker = output_loss(cells([0.0001, 0.0001]), empty)["score"]
    assert 0 < float(darker) < 0.001 * float(lost)
    assert all(float(part) == 0 for part in output_loss(face, face).values())


def test_boxes_and_landmarks_count_where_a_face_is_wanted() -> None:
    wanted = cells([0.9, 0.05])
    loc, logit, landms = (tensor.clone() for tensor in wanted)
    loc[0, 1], landms[0, 1] = 3.0, 3.0
    parts = output_loss((loc, logit, landms), wanted)
    assert float(parts["box"]) == float(parts["points"]) == 0.0
    loc[0, 0, 2], landms[0, 0, :5] = 2.0, 2.0
    parts = output_loss((loc, logit, landms), wanted)
    assert float(parts["box"]) == pytest.approx(0.9 * 4.0 / 4)
    assert float(parts["points"]) == pytest.approx(0.3 * 0.9 * 2.0)
