"""The detector's own boxes mark what is hard, and raise the qualities of faces that it is sure of."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.labels import Labels
from training.data.own_scores import with_own_scores
from training.teachers.boxes import TeacherBoxes

FACE, OTHER, ELSEWHERE = [10.0, 10.0, 30.0, 34.0], [100.0, 100.0, 120.0, 124.0], [200.0, 50.0, 230.0, 90.0]
NOTHING: list[tuple[list[float], float]] = []


def boxes(*rows: tuple[list[float], float]) -> TeacherBoxes:
    xyxy = np.array([box for box, _ in rows], np.float32).reshape(-1, 4)
    return TeacherBoxes(xyxy, np.array([score for _, score in rows], np.float32))


def labels(box: list[float], quality: float, *, ignore: bool = False) -> Labels:
    return Labels(
        np.array([box], np.float32),
        np.full((1, 5, 2), np.nan, np.float32),
        np.array([quality], np.float32),
        np.array([ignore]),
        np.zeros(1, bool),
    )


def test_sure_own_score_raises_the_quality_of_a_face_and_no_score_lowers_it() -> None:
    raised = with_own_scores(labels(FACE, 0.7), boxes((FACE, 1.0)), boxes())
    assert raised.quality.tolist() == pytest.approx([0.85])
    for own in (boxes(), boxes((FACE, 0.25))):
        assert with_own_scores(labels(FACE, 0.7), own, boxes()).quality.tolist() == pytest.approx([0.7])


@pytest.mark.parametrize("score", [0.9, 0.0])
def test_a_doubtful_face_keeps_its_quality(score: float) -> None:
    weighed = with_own_scores(labels(FACE, 0.3), boxes((FACE, score)), boxes())
    assert weighed.quality.tolist() == pytest.approx([0.3])
    assert not weighed.hard.any()


@pytest.mark.parametrize(
    ("box", "score", "hard"), [(FACE, 0.9, False), (FACE, 0.5, True), ([10.0, 10.0, 18.0, 34.0], 0.5, False)]
)
def test_face_that_scores_low_is_hard_unless_it_is_small(box: list[float], score: float, hard: bool) -> None:
    assert with_own_scores(labels(box, 1.0), boxes((box, score)), boxes()).hard.tolist() == [hard]
    missed = with_own_scores(labels(FACE, 1.0), boxes(), boxes())
    assert missed.hard.tolist() == [True]


def test_own_box_that_nobody_else_saw_is_a_hard_negative() -> None:
    weighed = with_own_scores(labels(FACE, 1.0), boxes((FACE, 0.9), (OTHER, 0.5)), boxes((ELSEWHERE, 0.9)))
    assert weighed.xyxy[1:].tolist() == [OTHER]
    assert weighed.quality[1:].tolist() == [0]
    assert weighed.hard.tolist() == [False, True]
    assert not weighed.ignore.any()
    assert weighed.face.tolist() == [True, False]


@pytest.mark.parametrize(
    ("own", "third"),
    [
        ((OTHER, 0.25), NOTHING),  # scores too low
        (([100.0, 100.0, 107.0, 110.0], 0.5), NOTHING),  # too small
        ((OTHER, 0.5), [(OTHER, 0.2)]),  # CenterFace saw it too
        ((OTHER, 0.5), [([96.0, 96.0, 108.0, 112.0], 0.3)]),  # or saw something beside it
        (([20.0, 20.0, 60.0, 60.0], 0.5), NOTHING),  # shares a part with a face
        (([0.0, 0.0, 90.0, 90.0], 0.5), NOTHING),  # holds a face
    ],
)
def test_own_box_that_may_be_a_face_is_no_negative(
    own: tuple[list[float], float], third: list[tuple[list[float], float]]
) -> None:
    assert len(with_own_scores(labels(FACE, 1.0), boxes(own), boxes(*third))) == 1
    assert len(with_own_scores(labels(FACE, 0.0, ignore=True), boxes(own), boxes(*third))) == 1


def test_high_own_score_is_ignored_instead_of_background() -> None:
    weighed = with_own_scores(labels(FACE, 1.0), boxes((OTHER, 0.95)), boxes())
    assert weighed.ignore.tolist() == [False, True]
    assert not weighed.hard[1]


def test_without_centerface_no_box_is_a_negative() -> None:
    assert len(with_own_scores(labels(FACE, 1.0), boxes((OTHER, 0.5)), None)) == 1
