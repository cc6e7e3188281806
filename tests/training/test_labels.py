"""How three teachers' opinions become what is taught."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from training.labels import labels_of, read_third_teacher
from training.photos import DataError, Pixels, read_jsonl


def face(box: list[float], retina: float, yunet: float, **more: Any) -> dict[str, Any]:
    return {
        "box": box, "landmarks": None, "score_retinaface": retina, "score_yunet": yunet,
        "human": False, "basis": "teachers", "ignore": False, **more,
    }  # fmt: skip


def third(*rows: tuple[list[float], float]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    boxes = np.array([box for box, _ in rows], np.float32).reshape(-1, 4)
    return {"a.jpg": (boxes, np.array([score for _, score in rows], np.float32))}


HERE, THERE = [10.0, 10.0, 30.0, 34.0], [100.0, 100.0, 120.0, 124.0]


def test_surer_teachers_make_better_faces_and_yunet_counts_most() -> None:
    line = {"name": "a.jpg", "faces": [face(HERE, 0.9, 0.5), face(HERE, 0.5, 0.9), face(HERE, 0.9, 0.9)]}
    by_retinaface, by_yunet, by_both = labels_of(line, {}).quality
    assert 0.5 < by_retinaface < by_yunet < by_both <= 1


def test_what_a_person_marked_is_certain() -> None:
    labels = labels_of({"name": "a.jpg", "faces": [face(HERE, 0, 0, human=True)]}, {})
    assert labels.quality.tolist() == [1.0]
    assert not labels.ignore[0]


def test_third_teacher_promotes_what_one_other_saw() -> None:
    line = {"name": "a.jpg", "faces": [face(HERE, 0.1, 0.6, ignore=True), face(THERE, 0.1, 0.2, ignore=True)]}
    assert labels_of(line, {}).agreed.tolist() == [False, False]
    assert labels_of(line, third((HERE, 0.8), (THERE, 0.8))).agreed.tolist() == [True, False]


def test_faces_in_doubt_are_taught_by_half_and_more_the_surer_the_teachers() -> None:
    further = [200.0, 100.0, 220.0, 124.0]
    scores = [(HERE, 0.3, 0.3), (THERE, 0.3, 0.5), (further, 0.6, 0.9)]
    line = {"name": "a.jpg", "faces": [face(box, *two, ignore=True) for box, *two in scores]}
    labels = labels_of(line, {})
    assert labels.face.all()
    assert not labels.agreed.any()
    assert 0 < labels.quality[0] < labels.quality[1] < labels.quality[2] < 0.5


def test_face_in_doubt_beneath_a_surer_one_is_ignored() -> None:
    near = [18.0, 10.0, 38.0, 34.0]
    doubted = [face(HERE, 0.3, 0.5, ignore=True), face(near, 0.3, 0.3, ignore=True)]
    assert labels_of({"name": "a.jpg", "faces": doubted}, {}).ignore.tolist() == [False, True]
    sure = [face(near, 0.9, 0.9), face(HERE, 0.3, 0.5, ignore=True)]
    assert labels_of({"name": "a.jpg", "faces": sure}, {}).ignore.tolist() == [False, True]


def test_head_that_only_a_person_saw_stays_ignored() -> None:
    head = face(HERE, 0.9, 0.9, ignore=True, human=True, basis="human_head_no_teacher")
    assert labels_of({"name": "a.jpg", "faces": [head]}, third((HERE, 0.9))).ignore.tolist() == [True]


def test_what_the_third_teacher_alone_saw_is_ignored() -> None:
    labels = labels_of({"name": "a.jpg", "faces": [face(HERE, 0.9, 0.9)]}, third((HERE, 0.9), (THERE, 0.6)))
    assert labels.ignore.tolist() == [False, True]
    np.testing.assert_array_equal(labels.xyxy[1], np.float32(THERE))


LARGE = [100.0, 100.0, 130.0, 140.0]


@pytest.mark.parametrize(
    ("box", "saw", "refuted"),
    [
        (LARGE, [], True),
        (LARGE, [(HERE, 0.9)], True),
        (LARGE, [(LARGE, 0.25)], False),
        (LARGE, [([90.0, 90.0, 118.0, 130.0], 0.3)], False),  # a face may lie under a part of it
        (THERE, [], True),
        ([100.0, 100.0, 119.0, 130.0], [], False),  # too small for CenterFace to be sure
    ],
)
def test_what_one_teacher_doubts_and_the_third_does_not_see_is_no_face(
    box: list[float], saw: list[tuple[list[float], float]], refuted: bool
) -> None:
    line = {"name": "a.jpg", "faces": [face(box, 0.6, 0.2, ignore=True)]}
    labels = labels_of(line, third(*saw))
    assert (labels.quality[0] == 0) == refuted
    assert not labels.ignore[0]
    assert labels.face[0] != refuted
    assert not labels.agreed[0]
    assert labels_of(line, {}).face.tolist() == [True]


def test_large_head_that_no_teacher_saw_is_background_where_no_face_is_near() -> None:
    head = face(LARGE, 0, 0, ignore=True, human=True, basis="human_head_no_teacher")
    line = {"name": "a.jpg", "faces": [head]}
    alone = labels_of(line, third())
    assert alone.ignore.tolist() == alone.face.tolist() == [False]
    assert labels_of(line, third((LARGE, 0.3))).ignore.tolist() == [True]
    assert labels_of(line, {}).ignore.tolist() == [True]


def test_large_boxes_in_a_photo_without_faces_are_background() -> None:
    """Whoever saw them: a person said that there is no face, but may have missed tiny ones."""
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
    boxes, scores = read_third_teacher(path)["a.jpg"]
    assert boxes.tolist() == [HERE]
    assert scores.tolist() == [0.5]


def test_missing_photos_are_told_of(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="PEOPLE=FOLDER"):
        read_jsonl(tmp_path / "labels.jsonl")
    line = {"shard": "train-00.zip", "name": "a.jpg", "width": 8, "height": 8}
    with pytest.raises(DataError, match=r"a\.jpg cannot be read"):
        Pixels.open(tmp_path, [line], tmp_path / "pixels.u8")
    assert not (tmp_path / "pixels.u8").exists()


def test_photos_come_out_of_the_shards_as_they_are(tmp_path: Path) -> None:
    lines = []
    pictures = [np.full((8 + 8 * i, 16, 3), 40 * i, np.uint8) for i in range(3)]
    with zipfile.ZipFile(tmp_path / "train-00.zip", "w") as shard:
        for i, picture in enumerate(pictures):
            shard.writestr(f"{i}.png", cv2.imencode(".png", picture)[1].tobytes())
            lines.append({"shard": "train-00.zip", "name": f"{i}.png", "width": 16, "height": 8 + 8 * i})
    pixels = Pixels.open(tmp_path, lines, tmp_path / "cache" / "pixels.u8")
    for i, picture in enumerate(pictures):
        np.testing.assert_array_equal(pixels[i], picture)
    lines[1]["height"] = 9
    with pytest.raises(DataError, match="its label says"):
        Pixels.open(tmp_path, lines, tmp_path / "again.u8")
