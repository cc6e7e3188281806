from functools import partial

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checked import float32, read_rgb
from samples import SCENES
from unionveil.boxes import iou, nms
from unionveil.detect import load_detector
from unionveil.detect.retinaface import RetinaFace, decode, make_priors
from unionveil.models.cards import CARDS, DetectorCard
from unionveil.models.onnx_session import OnnxSession

STRIDES, SIDES = (8, 16, 32), ((16, 32), (64, 128), (256, 512))


def test_priors_lie_at_the_centres_of_cells_level_by_level():
    priors = make_priors((64, 32), STRIDES, SIDES)
    assert len(priors) == 2 * (8 * 4 + 4 * 2 + 2 * 1)
    assert priors[:4].tolist() == [[4, 4, 16], [4, 4, 32], [12, 4, 16], [12, 4, 32]]
    assert priors[2 * 8].tolist() == [4, 12, 16]
    assert priors[-1].tolist() == [48, 16, 512]


@given(st.integers(0, 83), st.floats(-40, 40), st.floats(-40, 40), st.floats(4, 600), st.floats(4, 600))
def test_decode_is_the_inverse_of_ssds_encoding(index, dx, dy, w, h):
    prior = make_priors((64, 32), STRIDES, SIDES)[index : index + 1]
    (cx, cy, side), centre = prior[0], prior[0, :2] + [dx, dy]
    loc = [(centre[0] - cx) / side / 0.1, (centre[1] - cy) / side / 0.1]
    loc += [np.log(w / side) / 0.2, np.log(h / side) / 0.2]
    points = np.array([[cx + 3, cy - 2]] * 5)
    landms = ((points - [cx, cy]) / side / 0.1).reshape(1, 10)
    xyxy, landmarks = decode(prior, float32([loc]), float32(landms), (0.1, 0.2))
    expected = [centre[0] - w / 2, centre[1] - h / 2, centre[0] + w / 2, centre[1] + h / 2]
    limit = side * np.exp(3) / 2
    if max(w, h) / 2 < limit:
        assert np.allclose(xyxy[0], expected, rtol=1e-3, atol=1e-2)
    assert np.allclose(landmarks[0], points, atol=1e-3)


def test_wild_regressions_stay_finite():
    priors = make_priors((32, 32), STRIDES, SIDES)
    xyxy, _ = decode(
        priors,
        np.full((len(priors), 4), 1e4, np.float32),
        np.zeros((len(priors), 10), np.float32),
        (0.1, 0.2),
    )
    assert np.isfinite(xyxy).all()


@pytest.fixture(scope="module")
def market():
    return read_rgb(SCENES / "market.jpg")


def test_landmarks_lie_in_their_faces_in_the_order_of_the_card(market):
    faces = load_detector("retinaface", 1)(market, 0.9)
    assert len(faces) >= 8
    left_eye, right_eye, nose, left_mouth, right_mouth = faces.landmarks.transpose(1, 2, 0)
    assert (left_eye[0] < right_eye[0]).all()
    assert (left_mouth[0] < right_mouth[0]).all()
    assert (left_eye[1] < nose[1]).all()
    assert (nose[1] < left_mouth[1]).all()
    assert ((faces.landmarks >= faces.xyxy[:, None, :2]) & (faces.landmarks <= faces.xyxy[:, None, 2:])).all()


def test_padding_moves_nothing(market):
    detector = load_detector("retinaface", 1)
    whole = detector(market[:1056, :1600], 0.5)
    odd = detector(np.ascontiguousarray(market[:1051, :1597]), 0.5)
    overlap = iou(whole.xyxy, odd.xyxy).max(axis=1)
    assert (overlap[whole.score > 0.8] > 0.9).all()


@pytest.mark.shared
def test_the_published_weights_give_the_same_faces_fixed_and_free(shared):
    """The free-size export of the same weights is the reference for our letterboxing of the fixed one."""
    opener = partial(OnnxSession, threads=1)
    fixed = RetinaFace(CARDS["retinaface-mnet025"], opener)
    free = RetinaFace(
        DetectorCard(
            **CARDS["retinaface-mnet025"].model_dump(
                exclude={"file", "sha256", "input_wh", "outputs", "name"}
            ),
            name="free",
            file="retinaface_mnet025_dynamic.onnx",
            sha256="db72786c87d387ac1808abe13f2b0a1d1ce368737ee9e05a6bef7dbd09e3bcfe",
            outputs=("loc", "conf", "landms"),
        ),
        opener,
    )
    seen = 0
    for path in sorted((shared / "people" / "validation" / "wider").iterdir())[:12]:
        image = np.asarray(cv2.resize(read_rgb(path), (640, 640)), np.uint8)
        a, b = (
            every[nms(every.xyxy, every.score, 0.4)]
            for every in (fixed.candidates(image, 0.5), free.candidates(image, 0.5))
        )
        seen += len(a)
        assert len(a) == len(b)
        assert np.allclose(a.xyxy, b.xyxy, atol=0.05)
        assert np.allclose(a.score, b.score, atol=1e-3)
    assert seen > 100
