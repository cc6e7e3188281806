"""Metrics against pycocotools and against figures calculated by hand."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unionveil.measure.metrics import (
    Predicted,
    Truth,
    average_precision,
    bootstrap,
    coverage,
    false_per_picture,
    match,
    recall,
)


@st.composite
def pictures(draw):
    """Faces and boxes near each other, with whole pixels and few scores, so that everything ties."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        rows = draw(st.lists(st.tuples(*[st.integers(0, 8)] * 2, *[st.integers(1, 6)] * 2), max_size=6))
        faces = np.array(rows, np.float64).reshape(-1, 4)
        ignore = np.array([draw(st.integers(0, 4)) == 0 for _ in rows], bool)
        rows = draw(st.lists(st.tuples(*[st.integers(0, 8)] * 2, *[st.integers(1, 6)] * 2), max_size=8))
        rows += [tuple(face) for face in faces if draw(st.booleans())]
        boxes = np.array(rows, np.float64).reshape(-1, 4)
        score = np.array([draw(st.integers(1, 5)) / 5 for _ in rows], np.float32)
        found.append((faces, ignore, boxes, score))
    return found


def as_xyxy(xywh):
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


def ours(found, min_iou, band):
    truths = [Truth(as_xyxy(faces), ignore) for faces, ignore, _, _ in found]
    predictions = [Predicted(as_xyxy(boxes), score) for _, _, boxes, score in found]
    return average_precision(match(truths, predictions, min_iou, band))


def theirs(found, min_iou, band):
    """pycocotools' AP; its areas are set to heights, so that its ranges of area are ours of heights."""
    coco = pytest.importorskip(
        "pycocotools.coco", reason="pycocotools is not installed: pip install pycocotools"
    )
    from pycocotools.cocoeval import COCOeval

    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, (faces, ignore, boxes, score) in enumerate(found, 1):
        for face, is_ignored in zip(faces.tolist(), ignore.tolist(), strict=True):
            marks = {"iscrowd": int(is_ignored), "area": face[3], "category_id": 1, "image_id": number}
            annotations.append({"id": len(annotations) + 1, "bbox": face, **marks})
        for box, value in zip(boxes.tolist(), score.tolist(), strict=True):
            results.append({"image_id": number, "category_id": 1, "bbox": box, "score": value})
    with contextlib.redirect_stdout(io.StringIO()):
        truth, result = coco.COCO(), coco.COCO()
        images = [{"id": number} for number in range(1, len(found) + 1)]
        categories = [{"id": 1, "name": "face"}]
        truth.dataset = {"images": images, "annotations": annotations, "categories": categories}
        boxes_of = [
            box | {"id": number, "area": box["bbox"][3], "iscrowd": 0}
            for number, box in enumerate(results, 1)
        ]
        result.dataset = {"images": images, "annotations": boxes_of, "categories": categories}
        truth.createIndex()
        result.createIndex()
        evaluation = COCOeval(truth, result, "bbox")
        evaluation.params.iouThrs = np.array([min_iou])
        evaluation.params.maxDets = [1000]
        # Half-open like ours: its own ranges include both ends, and heights are whole here.
        evaluation.params.areaRng = [[band[0], band[1] - 0.5] if band else [0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    return float(evaluation.eval["precision"].mean())


@settings(max_examples=150, deadline=None)
@given(pictures(), st.sampled_from([0.4, 0.5, 0.75, 1.0]), st.sampled_from([None, (0, 4), (3, 9)]))
def test_average_precision_is_that_of_pycocotools(found, min_iou, band):
    reference = theirs(found, min_iou, band)
    if reference == -1:  # its word for no face
        with pytest.raises(ValueError, match="no face"):
            ours(found, min_iou, band)
    else:
        assert ours(found, min_iou, band) == pytest.approx(reference, abs=1e-6)


def test_coverage_counts_cut_pixels_in_part():
    mask = np.zeros((10, 10), bool)
    mask[2:6, 2:6] = True
    shares = coverage(
        np.array([[2, 2, 6, 6], [1.5, 2, 2.5, 6], [0, 0, 10, 10], [-4, 2, 4, 6], [20, 2, 24, 6]]), mask
    )
    np.testing.assert_allclose(shares, [1, 0.5, 0.16, 0.5, np.nan])


def test_intervals_hold_the_value_and_shrink_with_more_pictures():
    def interval(pictures):
        face = np.array([[0, 0, 9.0, 9]])
        truths = [Truth(face, np.zeros(1, bool))] * pictures
        shift = [0.0 if number % 4 else 50.0 for number in range(pictures)]
        predictions = [Predicted(face + by, np.ones(1, np.float32)) for by in shift]
        matches = match(truths, predictions)
        return bootstrap(lambda weights: recall(matches, 0.5, weights), pictures)

    few, many = interval(8), interval(400)
    assert few.value == many.value == 0.75
    assert few.low < many.low < 0.75 < many.high < few.high
    # The standard error of a share: 1.96 * sqrt(p (1 - p) / n).
    assert many.high - many.low == pytest.approx(2 * 1.96 * np.sqrt(0.75 * 0.25 / 400), rel=0.15)


def test_weights_count_pictures_so_often():
    face = np.array([[0, 0, 9.0, 9]])
    truth, score = Truth(face, np.zeros(1, bool)), np.ones(1, np.float32)
    seen, missed = Predicted(face, score), Predicted(face + 50, score)
    one = match([truth] * 2, [seen, missed])
    three = match([truth] * 3, [seen, seen, missed])
    weights = np.array([2.0, 1.0])
    assert average_precision(one, weights=weights) == average_precision(three)
    assert recall(one, 0.5, weights) == recall(three, 0.5)
    assert false_per_picture(one, 0.5, weights) == false_per_picture(three, 0.5)
