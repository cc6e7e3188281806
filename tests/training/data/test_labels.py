"""How three teachers' opinions become training targets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.data.files import DataError
from training.data.labels import labels_of
from training.teachers.boxes import TeacherBoxes, ThirdTeacher, read_teacher_boxes


def face(box: list[float], retina: float, yunet: float, **more: Any) -> dict[str, Any]:
    return {
        "box": box, "landmarks": None, "score_retinaface": retina, "score_yunet": yunet,
        "human": False, "basis": "teachers", "ignore": False, **more,
    }  # fmt: skip


def third(*rows: tuple[list[float], float]) -> ThirdTeacher:
    boxes = np.array([box for box, _ in rows], np.float32).reshape(-1, 4)
    return {"a.jpg": TeacherBoxes(boxes, np.array([score for _, score in rows], np.float32))}


HERE, THERE = [10.0, 10.0, 30.0, 34.0], [100.0, 100.0, 120.0, 124.0]


def test_quality_grows_with_the_scores_and_yunet_counts_most() -> None:
    line = {"name": "a.jpg", "faces": [face(HERE, 0.9, 0.5), face(HERE, 0.5, 0.9), face(HERE, 0.9, 0.9)]}
    by_retinaface, by_yunet, by_both = labels_of(line, {}).quality
    assert 0.5 < by_retinaface < by_yunet < by_both <= 1


def test_face_that_a_person_marked_is_certain() -> None:
    labels = labels_of({"name": "a.jpg", "faces": [face(HERE, 0, 0, human=True)]}, {})
    assert labels.quality.tolist() == [1.0]
    assert not labels.ignore[0]


def test_third_teacher_promotes_a_box_that_one_other_detected() -> None:
    line = {"name": "a.jpg", "faces": [face(HERE, 0.1, 0.6, ignore=True), face(THERE, 0.1, 0.2, ignore=True)]}
    assert labels_of(line, {}).agreed.tolist() == [False, False]
    assert labels_of(line, third((HERE, 0.8), (THERE, 0.8))).agreed.tolist() == [True, False]


def test_doubtful_faces_have_a_quality_below_half_that_grows_with_the_scores() -> None:
    further = [200.0, 100.0, 220.0, 124.0]
    scores = [(HERE, 0.3, 0.3), (THERE, 0.3, 0.5), (further, 0.6, 0.9)]
    line = {"name": "a.jpg", "faces": [face(box, *two, ignore=True) for box, *two in scores]}
    labels = labels_of(line, {})
    assert labels.face.all()
    assert not labels.agreed.any()
    assert 0 < labels.quality[0] < labels.quality[1] < labels.quality[2] < 0.5


def test_doubtful_face_that_a_surer_one_covers_is_ignored() -> None:
    near = [18.0, 10.0, 38.0, 34.0]
    doubted = [face(HERE, 0.3, 0.5, ignore=True), face(near, 0.3, 0.3, ignore=True)]
    assert labels_of({"name": "a.jpg", "faces": doubted}, {}).ignore.tolist() == [False, True]
    sure = [face(near, 0.9, 0.9), face(HERE, 0.3, 0.5, ignore=True)]
    assert labels_of({"name": "a.jpg", "faces": sure}, {}).ignore.tolist() == [False, True]


def test_head_that_only_a_person_marked_stays_ignored() -> None:
    head = face(HERE, 0.9, 0.9, ignore=True, human=True, basis="human_head_no_teacher")
    assert labels_of({"name": "a.jpg", "faces": [head]}, third((HERE, 0.9))).ignore.tolist() == [True]


def test_box_of_the_third_teacher_alone_is_ignored() -> None:
    labels = labels_of({"name": "a.jpg", "faces": [face(HERE, 0.9, 0.9)]}, third((HERE, 0.9), (THERE, 0.6)))
    assert labels.ignore.tolist() == [False, True]
    np.testing.assert_array_equal(labels.xyxy[1], np.array(THERE, np.float32))


LARGE = [100.0, 100.0, 130.0, 140.0]


@pytest.mark.parametrize(
    ("box", "third_boxes", "refuted"),
    [
        (LARGE, [], True),
        (LARGE, [(HERE, 0.9)], True),
        (LARGE, [(LARGE, 0.25)], False),
        (LARGE, [([90.0, 90.0, 118.0, 130.0], 0.3)], False),  # a face may be under a part of it
        (THERE, [], True),
        ([100.0, 100.0, 119.0, 130.0], [], False),  # too small for CenterFace to be sure
    ],
)
def test_doubtful_box_that_the_third_teacher_does_not_confirm_is_a_hard_negative(
    box: list[float], third_boxes: list[tuple[list[float], float]], refuted: bool
) -> None:
    line = {"name": "a.jpg", "faces": [face(box, 0.6, 0.2, ignore=True)]}
    labels = labels_of(line, third(*third_boxes))
    assert (labels.quality[0] == 0) == refuted
    assert not labels.ignore[0]
    assert labels.face[0] != refuted
    assert not labels.agreed[0]
    assert labels_of(line, {}).face.tolist() == [True]


def test_large_head_that_no_teacher_detected_is_background_where_no_face_is_near() -> None:
    head = face(LARGE, 0, 0, ignore=True, human=True, basis="human_head_no_teacher")
    line = {"name": "a.jpg", "faces": [head]}
    alone = labels_of(line, third())
    assert alone.ignore.tolist() == alone.face.tolist() == [False]
    assert labels_of(line, third((LARGE, 0.3))).ignore.tolist() == [True]
    assert labels_of(line, {}).ignore.tolist() == [True]


def test_large_boxes_in_a_photo_without_faces_are_background() -> None:
    """A person declared the photo free of faces, but may have missed tiny ones."""
    doubted = [face(LARGE, 0.9, 0.3, ignore=True), face([5.0, 5.0, 15.0, 15.0], 0.9, 0.3, ignore=True)]
    line = {"name": "a.jpg", "negative": True, "faces": doubted}
    labels = labels_of(line, third((LARGE, 0.4), ([200.0, 200.0, 240.0, 240.0], 0.4)))
    assert labels.ignore.tolist() == [False, True, False]
    assert labels.quality[[0, 2]].tolist() == [0, 0]
    assert not labels.face.any()


def test_photo_without_labels_has_no_faces() -> None:
    assert len(labels_of({"name": "a.jpg", "faces": []}, {})) == 0
    assert len(labels_of({"name": "a.jpg", "faces": []}, third())) == 0


def test_third_teacher_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "third.jsonl"
    path.write_text(json.dumps({"name": "a.jpg", "boxes": [HERE], "scores": [0.5]}) + "\n")
    boxes = read_teacher_boxes(path, "--teacher-boxes")["a.jpg"]
    assert boxes.xyxy.tolist() == [HERE]
    assert boxes.score.tolist() == [0.5]


@pytest.mark.parametrize(
    "faces", [None, [3], [{**face(HERE, 0.9, 0.9), "box": [1, 2, "x", 4]}], [{"box": HERE}]]
)
def test_invalid_label_is_an_error(faces: Any) -> None:
    with pytest.raises(DataError, match=r"labels of a\.jpg are not valid"):
        labels_of({"name": "a.jpg", "faces": faces}, {})


def test_other_file_than_teacher_boxes_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "third.jsonl"
    with pytest.raises(DataError, match=r"--teacher-boxes: .* is missing"):
        read_teacher_boxes(path, "--teacher-boxes")
    path.write_text(json.dumps({"name": "a.jpg", "faces": []}) + "\n")
    with pytest.raises(DataError, match="does not hold a teacher's boxes"):
        read_teacher_boxes(path, "--teacher-boxes")
