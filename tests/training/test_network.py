"""Priors, assignment, loss and export of the network; needs torch, which the tests do not install."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unionveil.detect.retinaface import RetinaFace, decode, make_priors
from unionveil.models.cards import CARDS, ModelCard
from unionveil.models.store import sha256_of

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")

from training import export  # noqa: E402
from training import model as model_module  # noqa: E402
from training.assign import assign, candidates, pair_iou  # noqa: E402
from training.data import Batch, batch_at  # noqa: E402
from training.labels import Labels  # noqa: E402
from training.loss import ignored_priors, loss  # noqa: E402
from training.model import FaceNet, Unit, folded, load_onnx, read_graph, restored, units  # noqa: E402
from training.priors import decode_boxes, decode_points, encode_points, level_starts, priors_of  # noqa: E402
from training.spec import PRIORS_PX, STRIDES, VARIANCES  # noqa: E402

SIZE = (128, 96)

torch.set_num_threads(1)


def batch_of(xyxy: list[list[float]], ignore: list[list[float]] | None = None) -> Batch:
    faces = torch.tensor(xyxy, dtype=torch.float32).reshape(-1, 4)
    others = torch.tensor(ignore or [], dtype=torch.float32).reshape(-1, 4)
    return Batch(
        images=torch.randn(1, 3, SIZE[1], SIZE[0], generator=torch.Generator().manual_seed(0)) * 50,
        of=torch.zeros(len(faces), dtype=torch.long),
        xyxy=faces,
        points=torch.full((len(faces), 5, 2), float("nan")),
        quality=torch.ones(len(faces)),
        ignore_of=torch.zeros(len(others), dtype=torch.long),
        ignore_xyxy=others,
    )


def fresh(seed: int = 0) -> FaceNet:
    torch.manual_seed(seed)
    return FaceNet()


def shaken(model: FaceNet) -> FaceNet:
    """With batch norm away from where it starts, and heads that say something."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
        for _, unit in units(model):
            unit.norm.running_mean.add_(torch.randn_like(unit.norm.running_mean) * 0.1)
            unit.norm.running_var.mul_(1.3)
    return model.eval()


def test_priors_and_boxes_are_the_detectors_own() -> None:
    priors = priors_of(SIZE)
    own = make_priors(SIZE, STRIDES, PRIORS_PX)
    np.testing.assert_array_equal(priors.numpy(), own)
    rng = np.random.default_rng(0)
    loc = rng.normal(0, 2, (len(own), 4)).astype(np.float32)
    landms = rng.normal(0, 2, (len(own), 10)).astype(np.float32)
    boxes, points = decode(own, loc, landms, VARIANCES)
    np.testing.assert_allclose(decode_boxes(priors, torch.from_numpy(loc)).numpy(), boxes, atol=2e-3)
    np.testing.assert_allclose(decode_points(priors, torch.from_numpy(landms)).numpy(), points, atol=2e-3)


def test_landmarks_survive_the_way_there_and_back() -> None:
    priors = priors_of(SIZE)[:50]
    points = torch.rand(50, 5, 2) * 100
    torch.testing.assert_close(
        decode_points(priors, encode_points(priors, points)), points, atol=1e-3, rtol=0
    )


def test_network_answers_for_every_prior() -> None:
    loc, logit, landms = fresh().eval()(torch.zeros(2, 3, SIZE[1], SIZE[0]))
    count = len(priors_of(SIZE))
    assert loc.shape == (2, count, 4)
    assert logit.shape == (2, count, 1)
    assert landms.shape == (2, count, 10)


@pytest.mark.parametrize(("side", "level"), [(9.0, 0), (13.0, 0), (30.0, 1), (75.0, 2)])
def test_face_goes_to_the_level_of_its_size(side: float, level: int) -> None:
    priors = priors_of(SIZE)
    boxes = decode_boxes(priors, torch.zeros(len(priors), 4))[None]
    face = torch.tensor([[40.0, 10.0, 40 + side, 10 + side]])
    pairs = assign(boxes, torch.zeros(1, len(priors)), torch.zeros(1, dtype=torch.long), face, SIZE)
    assert len(pairs.prior) >= 1
    starts = [*level_starts(SIZE), len(priors)]
    best = pairs.prior[pair_iou(boxes[0, pairs.prior], face[pairs.face]).argmax()]
    assert starts[level] <= int(best) < starts[level + 1]
    distance = (priors[pairs.prior, :2] - (40 + side / 2)).abs()[:, 0]
    assert (distance <= 2.5 * max(STRIDES)).all()


def test_no_prior_answers_for_two_faces_and_no_face_goes_without() -> None:
    priors = priors_of(SIZE)
    boxes = decode_boxes(priors, torch.zeros(len(priors), 4))[None]
    faces = torch.tensor([[40.0, 40.0, 52.0, 52.0], [43.0, 41.0, 56.0, 53.0], [90.0, 60.0, 99.0, 70.0]])
    pairs = assign(boxes, torch.zeros(1, len(priors)), torch.zeros(3, dtype=torch.long), faces, SIZE)
    assert len(pairs.prior.unique()) == len(pairs.prior)
    assert set(pairs.face.tolist()) == {0, 1, 2}


def test_candidates_stay_in_the_picture() -> None:
    corner = torch.tensor([[0.0, 0.0, 6.0, 6.0], [122.0, 90.0, 128.0, 96.0]])
    prior, valid = candidates(corner, SIZE)
    assert int(prior.min()) >= 0
    assert int(prior.max()) < len(priors_of(SIZE))
    assert (~valid).any()
    assert valid.any(dim=1).all()


def test_nothing_to_find_still_teaches_the_background() -> None:
    batch = batch_of([])
    model = fresh().train()
    value, parts = loss(*model(batch.images), batch)
    value.backward()
    assert parts["score"] > 0
    assert parts["box"] == parts["points"] == 0


def test_ignored_boxes_teach_nothing() -> None:
    batch = batch_of([], ignore=[[32.0, 32.0, 64.0, 64.0]])
    ignored = ignored_priors(priors_of(SIZE), batch, 1)[0]
    centres = priors_of(SIZE)[ignored, :2]
    assert ignored.any()
    assert ((centres >= 32) & (centres <= 64)).all()


def test_parts_of_an_ignored_box_are_background() -> None:
    """A face cut by the edge may be a face or none, but its eye is none."""
    batch = batch_of([], ignore=[[10.0, 5.0, 100.0, 95.0]])
    priors = priors_of(SIZE)
    ignored = ignored_priors(priors, batch, 1)[0]
    sides = priors[:, 2]
    assert not ignored[sides * 3 < 90].any()
    assert ignored[sides * 3 >= 90].any()


def test_training_makes_the_loss_smaller_and_finds_the_face() -> None:
    batch = batch_of([[40.0, 40.0, 52.0, 54.0]])
    model = fresh().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = last = 0.0
    for step in range(25):
        value, parts = loss(*model(batch.images), batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        last = float(value.detach())
        first = first or last
        assert np.isfinite(last), step
    assert last < 0.5 * first
    assert parts["iou"] > 0.5


def test_folding_changes_nothing() -> None:
    model = shaken(fresh())
    image = torch.randn(1, 3, 64, 64) * 60
    for one, two, three in zip(
        model(image), folded(model)(image), restored(folded(model).state_dict()).eval()(image), strict=True
    ):
        torch.testing.assert_close(one, two, atol=2e-4, rtol=1e-3)
        torch.testing.assert_close(two, three)


def test_strided_layers_compute_in_32_bits_whatever_the_others_do() -> None:
    """Torch's gradient of a strided depthwise convolution is slow in 16 bits."""
    strided = Unit(16, 16, 3, 2, depthwise=True, active=False)
    strided.fold()
    x = torch.randn(2, 16, 32, 32).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        out = strided(x)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, strided(x.float()).bfloat16(), rtol=0, atol=0)
    out.backward(torch.ones_like(out))
    grad = strided.conv.weight.grad.clone()
    strided.conv.weight.grad = None
    strided(x.float()).sum().backward()
    torch.testing.assert_close(grad, strided.conv.weight.grad)


def test_export_keeps_the_contract_and_can_be_trained_on(tmp_path: Path) -> None:
    model = shaken(fresh())
    path = tmp_path / "retinaface.onnx"
    export.to_onnx(model, path)
    assert path.stat().st_size < 4_000_000
    assert "Cast" not in {node.op_type for node in read_graph(path).graph.node}  # all of it is float32
    assert export.compare(model, path) < 1e-3
    written = export.card(model, path, threshold=0.4)
    card = ModelCard(
        name="retinaface", file=str(path), sha256=sha256_of(path), licence="MIT", source="a test",
        outputs=tuple(written["outputs"]), strides=tuple(written["strides"]),
        priors_px=tuple(tuple(sides) for sides in written["priors_px"]),
        mean_bgr=tuple(written["input"]["mean"]), threshold=written["threshold"],
    )  # fmt: skip
    faces = RetinaFace(card, threads=1)(np.zeros((100, 70, 3), np.uint8), 0.0001)
    assert np.isfinite(faces.xyxy).all()
    again = fresh(seed=1)
    assert load_onnx(again, path) == []
    image = torch.randn(1, 3, 64, 64) * 60
    for one, two in zip(folded(model)(image), again.eval()(image), strict=True):
        torch.testing.assert_close(one, two)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "other.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "other", [], [])), path)
    with pytest.raises(ValueError, match="no layer of this network"):
        load_onnx(fresh(), path)
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="no ONNX file"):
        load_onnx(fresh(), path)


def test_committed_weights_can_be_trained_on() -> None:
    card = CARDS["retinaface"]
    path = Path(__file__).parents[2] / "algorithm" / "unionveil" / "weights" / card.file
    assert load_onnx(fresh(), path) == []


def test_weights_of_a_smaller_network_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The larger network begins by computing what the smaller one does, and then all of it learns."""
    pytest.importorskip("onnx")
    path = tmp_path / "narrow.onnx"
    channels = {
        "_STEM": 8, "_STAGE2": 16, "_STAGE4": 32, "_STAGE8": 48, "_STAGE16": 64, "_STAGE32": 128, "_NECK": 48,
    }  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(model_module, "_Deeper", torch.nn.Identity)
        for name, count in channels.items():
            patched.setattr(model_module, name, count)
        narrow = shaken(fresh())
        export.to_onnx(narrow, path)
    grown = fresh(seed=1)
    assert load_onnx(grown, path) == ["stage4.4.mix", "stage4.4.near", "stage8.2.mix", "stage8.2.near"]
    image = torch.randn(1, 3, 64, 96) * 60
    for one, two in zip(narrow(image), grown.eval()(image), strict=True):
        torch.testing.assert_close(one, two, atol=1e-3, rtol=1e-3)
    batch = batch_of([[40.0, 40.0, 52.0, 54.0]])
    loss(*grown.train()(batch.images), batch)[0].backward()
    for new in (grown.stage16[3][1].conv.weight.grad[:64, 64:], grown.stage4[4].mix.conv.weight.grad):
        assert (new != 0).any()
    export.to_onnx(grown, path)
    for name, count in channels.items():
        monkeypatch.setattr(model_module, name, count)
    with pytest.raises(ValueError, match="does not fit"):
        load_onnx(fresh(), path)


def test_every_other_batch_has_fewer_and_larger_pictures() -> None:
    box = np.array([[60, 40, 100, 90]], np.float32)
    unknown = np.full((1, 5, 2), np.nan, np.float32)
    labels = Labels(box, unknown, np.ones(1, np.float32), np.zeros(1, bool))
    photo = np.full((160, 200, 3), 90, np.uint8)
    rng = np.random.default_rng(5)
    for step, (count, side) in enumerate(((8, 96), (2, 192), (8, 96), (2, 192))):
        batch = batch_at(step, lambda _: (photo, labels), 8, 96, rng, 1.0)
        assert batch.images.shape == (count, 3, side, side)
        assert batch.of.max() < count
        assert len(batch.of) == len(batch.xyxy) == len(batch.quality)
        assert batch.xyxy.min() >= 0
        assert batch.xyxy.max() <= side
