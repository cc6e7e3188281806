"""Average precision and recall against figures calculated by hand."""

from __future__ import annotations

import numpy as np
import pytest

from metric_cases import boxes, predicted, truth
from unionveil.measure.metrics import (
    average_precision,
    match,
)


def test_average_precision_of_a_hit_a_miss_and_a_late_hit() -> None:
    faces = boxes((0, 0, 10, 10), (20, 0, 30, 10))
    predictions = predicted(boxes((0, 0, 10, 10), (50, 50, 60, 60), (20, 0, 30, 10)), 0.9, 0.8, 0.7)
    # Recall .5 at precision 1, then recall 1 at precision 2/3.
    assert average_precision(match([truth(faces)], [predictions], 0.5), levels=None) == pytest.approx(
        0.5 * 1 + 0.5 * 2 / 3
    )


def test_average_precision_ranks_over_all_images() -> None:
    face = boxes((0, 0, 10, 10))
    matches = match(
        [truth(face), truth(face)], [predicted(face, 0.6), predicted(boxes((40, 40, 50, 50)), 0.9)], 0.5
    )
    # The false box comes first: precision 1/2 at recall 1/2, and nothing after it.
    assert average_precision(matches, levels=None) == pytest.approx(0.25)


def test_second_box_on_a_face_is_false() -> None:
    face = boxes((0, 0, 10, 10))
    matches = match([truth(face)], [predicted(boxes((0, 0, 10, 10), (0, 0, 10, 9)), 0.9, 0.8)], 0.5)
    assert matches.true.tolist() == [True, False]


def test_boxes_on_ignored_faces_count_neither_way() -> None:
    faces = boxes((0, 0, 10, 10), (20, 0, 60, 40))
    predictions = predicted(boxes((0, 0, 10, 10), (20, 0, 60, 40), (30, 10, 40, 20)), 0.5, 0.9, 0.8)
    matches = match([truth(faces, False, True)], [predictions], 0.5)
    assert matches.true.tolist() == [True]
    assert average_precision(matches) == 1.0


def test_iou_below_the_minimum_is_a_miss() -> None:
    matches = match([truth(boxes((0, 0, 10, 10)))], [predicted(boxes((0, 0, 10, 4)), 0.9)], 0.5)
    assert matches.true.tolist() == [False]
    assert np.isneginf(matches.face_score).all()


def test_no_face_to_find_is_an_error() -> None:
    with pytest.raises(ValueError, match="no face"):
        average_precision(match([truth(boxes())], [predicted(boxes((0, 0, 1, 1)), 0.9)], 0.5))
