"""Priors, assignment and loss."""

from __future__ import annotations

import numpy as np
import pytest

from unionveil.detect.retinaface import decode, make_priors

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from training.data.batches import Batch  # noqa: E402
from training.net.assign import assign, candidates, pair_iou  # noqa: E402
from training.net.loss import LossWeights, detection_loss, ignored_priors, quality_focal  # noqa: E402
from training.net.model import FaceNet  # noqa: E402
from training.net.priors import (  # noqa: E402
    decode_boxes,
    decode_points,
    encode_points,
    level_starts,
    priors_of,
)
from training.spec import PRIORS_PX, STRIDES, VARIANCES  # noqa: E402

SIZE = (128, 96)

torch.set_num_threads(1)


def batch_of(xyxy: list[list[float]], ignore: list[list[float]] | None = None) -> Batch:
    faces = torch.tensor(xyxy, dtype=torch.float32).reshape(-1, 4)
    others = torch.tensor(ignore or [], dtype=torch.float32).reshape(-1, 4)
    return Batch(
        images=torch.randn(1, 3, SIZE[1], SIZE[0], generator=torch.Generator().manual_seed(0)) * 50,
        face_image=torch.zeros(len(faces), dtype=torch.long),
        xyxy=faces,
        points=torch.full((len(faces), 5, 2), float("nan")),
        quality=torch.ones(len(faces)),
        ignore_image=torch.zeros(len(others), dtype=torch.long),
        ignore_xyxy=others,
    )


def fresh(seed: int = 0) -> FaceNet:
    torch.manual_seed(seed)
    return FaceNet()


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


def test_encoded_landmarks_are_decoded_to_the_same_points() -> None:
    priors = priors_of(SIZE)[:50]
    points = torch.rand(50, 5, 2) * 100
    torch.testing.assert_close(
        decode_points(priors, encode_points(priors, points)), points, atol=1e-3, rtol=0
    )


@pytest.mark.parametrize(("side", "level"), [(9.0, 0), (13.0, 0), (30.0, 1), (75.0, 2)])
def test_face_is_assigned_to_the_level_of_its_size(side: float, level: int) -> None:
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


def test_no_prior_is_assigned_twice_and_every_face_has_one() -> None:
    priors = priors_of(SIZE)
    boxes = decode_boxes(priors, torch.zeros(len(priors), 4))[None]
    faces = torch.tensor([[40.0, 40.0, 52.0, 52.0], [43.0, 41.0, 56.0, 53.0], [90.0, 60.0, 99.0, 70.0]])
    pairs = assign(boxes, torch.zeros(1, len(priors)), torch.zeros(3, dtype=torch.long), faces, SIZE)
    assert len(pairs.prior.unique()) == len(pairs.prior)
    assert set(pairs.face.tolist()) == {0, 1, 2}


def test_candidates_stay_in_the_image() -> None:
    corner = torch.tensor([[0.0, 0.0, 6.0, 6.0], [122.0, 90.0, 128.0, 96.0]])
    prior, valid = candidates(corner, SIZE)
    assert int(prior.min()) >= 0
    assert int(prior.max()) < len(priors_of(SIZE))
    assert (~valid).any()
    assert valid.any(dim=1).all()


def test_batch_without_faces_trains_the_background() -> None:
    batch = batch_of([])
    model = fresh().train()
    loc, logit, landms = model(batch.images)
    value, parts = detection_loss(loc, logit, landms, batch)
    value.backward()
    assert parts["score"] > 0
    assert parts["box"] == parts["points"] == 0


def test_priors_in_ignored_boxes_are_ignored() -> None:
    batch = batch_of([], ignore=[[32.0, 32.0, 64.0, 64.0]])
    ignored = ignored_priors(priors_of(SIZE), batch, 1)[0]
    centres = priors_of(SIZE)[ignored, :2]
    assert ignored.any()
    assert ((centres >= 32) & (centres <= 64)).all()


def test_parts_of_an_ignored_box_are_background() -> None:
    """A face cut by the edge is uncertain, but its eye alone is not a face."""
    batch = batch_of([], ignore=[[10.0, 5.0, 100.0, 95.0]])
    priors = priors_of(SIZE)
    ignored = ignored_priors(priors, batch, 1)[0]
    sides = priors[:, 2]
    assert not ignored[sides * 3 < 90].any()
    assert ignored[sides * 3 >= 90].any()


def test_weights_follow_the_size_of_a_face() -> None:
    weights = LossWeights(band=1.5, large=1.25, fine=1.2)
    side_px = torch.tensor([8.0, 16.0, 20.0, 49.0, 50.0, 200.0])
    assert weights.of_scores(side_px).tolist() == [1, 1, 1.5, 1.5, 1.25, 1.25]
    torch.testing.assert_close(weights.of_boxes(side_px), torch.tensor([1.2, 1, 1, 1, 1, 1]))


@pytest.mark.parametrize(("side", "part"), [(30.0, "score"), (10.0, "box")])
def test_weighted_face_counts_more(side: float, part: str) -> None:
    batch = batch_of([[40.0, 10.0, 40 + side, 10 + side]])
    loc, logit, landms = fresh().eval()(batch.images)
    _, plain = detection_loss(loc, logit, landms, batch)
    _, weighted = detection_loss(loc, logit, landms, batch, LossWeights(band=2.0, fine=2.0))
    assert [name for name in plain if weighted[name] > plain[name]] == [part]


def test_background_of_the_finest_level_alone_counts_more() -> None:
    batch = batch_of([])
    loc, logit, landms = fresh().eval()(batch.images)
    _, plain = detection_loss(loc, logit, landms, batch)
    _, weighted = detection_loss(loc, logit, landms, batch, LossWeights(background=2.0))
    fine = level_starts(SIZE)[1]
    parts = quality_focal(logit, torch.zeros_like(logit))
    share = parts[:, :fine].sum() / parts.sum()
    torch.testing.assert_close(weighted["score"], plain["score"] * (1 + share))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_loss_is_the_same_on_a_gpu() -> None:
    batch = batch_of([[40.0, 10.0, 70.0, 40.0], [5.0, 5.0, 17.0, 19.0]], ignore=[[60.0, 60.0, 95.0, 95.0]])
    loc, logit, landms = fresh().eval()(batch.images)
    gpu = torch.device("cuda")
    here, _ = detection_loss(loc, logit, landms, batch)
    there, _ = detection_loss(loc.to(gpu), logit.to(gpu), landms.to(gpu), batch.to(gpu))
    torch.testing.assert_close(there.cpu(), here)


def test_training_reduces_the_loss_and_finds_the_face() -> None:
    batch = batch_of([[40.0, 40.0, 52.0, 54.0]])
    model = fresh().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = last = 0.0
    for step in range(25):
        loc, logit, landms = model(batch.images)
        value, parts = detection_loss(loc, logit, landms, batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        last = float(value.detach())
        first = first or last
        assert np.isfinite(last), step
    assert last < 0.5 * first
    assert parts["iou"] > 0.5
