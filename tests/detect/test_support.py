"""Candidates that agree rank higher, and the mirrored picture is a second, independent opinion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checked import float32
from unionveil import Detections
from unionveil.boxes import nms
from unionveil.detect.support import LEAST_CANDIDATE, Supported, by_support
from unionveil.models.cards import CARDS

CARD = CARDS["retinaface"]
IMAGE = np.zeros((60, 100, 3), np.uint8)
IMAGE[:, 50:] = 255


def logit(score):
    return np.log(score / (1 - score))


def a_box(x, y=10, side=20):
    return [float(x), y, float(x) + side, y + side]


class Fixed:
    """A network that returns some candidates for the picture and others for the mirrored one."""

    card = CARD
    fixed_wh = None

    def __init__(self, straight, mirrored=None):
        self.views = {True: straight, False: mirrored}
        self.least = []

    def candidates(self, image, least):
        self.least.append(least)
        found = self.views[bool(image[0, 0, 0] == 0)]
        return found[found.score >= least]


def test_the_formula_of_the_score_and_of_the_box():
    candidates = Detections.of([a_box(10), a_box(12), a_box(40)], [0.8, 0.5, 0.8])
    faces = by_support([candidates], 0.4)
    overlap = 18 / 22
    weights = np.array([0.8, 0.5 * overlap]) / (0.8 + 0.5 * overlap)
    assert logit(faces.score.astype(float)) == pytest.approx(
        [logit(0.8) + np.log(1.3), logit(0.8) + np.log(0.8)], abs=1e-4
    )
    assert faces.xyxy[0] == pytest.approx(a_box(weights @ [10, 12]))


def test_many_that_agree_rank_above_one_that_scores_higher():
    crowd = [a_box(10 + i / 4) for i in range(8)]
    faces = by_support([Detections.of([a_box(60), *crowd], [0.8, *[0.7] * 8])], 0.4)
    assert faces.xyxy[0, 0] == pytest.approx(10.9, abs=0.3)
    assert faces.score[0] > 0.9 > 0.8 > faces.score[1]


def test_landmarks_are_means_as_the_box_is_and_may_be_missing():
    points = np.arange(10, dtype=np.float32).reshape(5, 2)
    both = Detections.of([a_box(10), a_box(10)], [0.6, 0.2], [points, points + 4])
    assert by_support([both], 0.4).landmarks[0] == pytest.approx(points + 1)
    assert np.isnan(by_support([Detections.of([a_box(10)], [0.6])], 0.4).landmarks).all()


def test_a_box_without_area_keeps_its_place():
    faces = by_support([Detections.of([[5, 5, 5, 9]], [0.9])], 0.4)
    assert faces.xyxy.tolist() == [[5, 5, 5, 9]]
    assert np.isfinite(faces.score).all()


@given(
    st.lists(st.tuples(st.floats(0, 200), st.floats(0, 200), st.floats(4, 80)), max_size=20),
    st.randoms(use_true_random=False),
)
def test_every_candidate_stays_near_a_face(places, random):
    """Ranking moves boxes within the range of their supporters, and never loses the boxes that nms keeps."""
    score = float32([random.uniform(0.05, 1) for _ in places])
    candidates = Detections.of([[x, y, x + side, y + side] for x, y, side in places], score)
    faces = by_support([candidates], 0.4)
    assert len(faces) == len(nms(candidates.xyxy, candidates.score, 0.4))
    assert (np.diff(faces.score) <= 0).all()
    assert ((faces.score >= 0) & (faces.score <= 1)).all()
    for box in faces.xyxy:
        near = np.abs(candidates.xyxy - box).max(axis=1) <= 80
        assert near.any()


def test_a_mirrored_picture_that_agrees_changes_nothing():
    straight = Detections.of([a_box(10)], [0.7])
    mirrored = Detections.of([a_box(100 - 30)], [0.7])
    once = Supported(Fixed(straight))(IMAGE, 0.1)
    twice = Supported(Fixed(straight, mirrored))(IMAGE, 0.1, mirror=True)
    assert twice.score == pytest.approx(once.score)
    assert twice.xyxy == pytest.approx(once.xyxy)


def test_a_face_that_only_the_mirrored_picture_shows_is_found_with_its_landmarks_in_order():
    points = float32([[72, 15], [80, 16], [76, 20], [73, 25], [79, 26]])
    mirrored = Detections.of([a_box(66)], [0.95], [points])
    faces = Supported(Fixed(Detections.empty(), mirrored))(IMAGE, 0.01, mirror=True)
    assert faces.xyxy[0] == pytest.approx(a_box(14))
    assert faces.landmarks[0].tolist() == [[20, 16], [28, 15], [24, 20], [21, 26], [27, 25]]
    alone = Supported(Fixed(mirrored))(IMAGE, 0.01)
    assert faces.score[0] < alone.score[0]


def test_scores_do_not_depend_on_the_threshold():
    candidates = Detections.of([a_box(10 + i) for i in range(5)], [0.9, 0.5, 0.3, 0.1, 0.06])
    network = Fixed(candidates)
    detector = Supported(network)
    low, high = detector(IMAGE, 0.001), detector(IMAGE, 0.9)
    assert high.score.tolist() == low.score[:1].tolist()
    assert detector(IMAGE, 0.999999).score.tolist() == []
    assert set(network.least) == {LEAST_CANDIDATE}
