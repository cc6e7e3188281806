from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from unionveil.detections import Detections, Kind, KindCounts


def test_shapes_and_dtypes_are_checked():
    two = Detections.of([[0, 0, 1, 1], [2, 2, 3, 3]], [0.5, 0.5])
    wide: Any = np.zeros((2, 4))
    with pytest.raises(ValueError, match=r"score must be float32 \(2,\), got float32 \(3,\)"):
        replace(two, score=np.zeros(3, np.float32))
    with pytest.raises(ValueError, match=r"xyxy must be float32 \(2, 4\), got float64"):
        replace(two, xyxy=wide)
    with pytest.raises(ValueError, match=r"identity must be int32 \(2,\), got int64"):
        replace(two, identity=np.zeros(2, np.int64))


def test_kind_and_identity_travel_along():
    faces = Detections.of([[0, 0, 1, 1], [2, 2, 3, 3]], [0.5, 0.9])
    assert faces.kind.tolist() == [Kind.FACE, Kind.FACE]
    assert faces.identity.tolist() == [-1, -1]
    known = replace(faces, identity=np.array([7, -1], np.int32))
    assert Detections.concat([faces, known[:1]]).identity.tolist() == [-1, -1, 7]
    assert known.transform(scale_xy=(2, 2)).identity.tolist() == [7, -1]


def test_picking_concatenating_and_moving():
    faces = Detections.of([[0, 0, 2, 4], [10, 10, 20, 30]], [0.5, 0.9], np.ones((2, 5, 2)))
    assert faces[faces.score > 0.6].xyxy.tolist() == [[10, 10, 20, 30]]
    both = Detections.concat([faces, Detections.empty(), faces[np.array([1])]])
    assert both.score.tolist() == pytest.approx([0.5, 0.9, 0.9])
    moved = faces.transform(scale_xy=(2, 0.5), offset_xy=(1, -1))
    assert moved.xyxy.tolist() == [[1, -1, 5, 1], [21, 4, 41, 14]]
    assert moved.landmarks[0, 0].tolist() == [3, -0.5]


def test_missing_landmarks_are_nan():
    assert np.isnan(Detections.of([[0, 0, 1, 1]], [1]).landmarks).all()
    assert len(Detections.concat([])) == 0


def test_wrong_kinds_cannot_be():
    text = Detections.of([[0, 0, 9, 3]], [0.5], kind=Kind.TEXT)
    with pytest.raises(ValueError, match="only faces and heads have landmarks and an identity"):
        replace(text, landmarks=np.zeros((1, 5, 2), np.float32))
    with pytest.raises(ValueError, match="only faces and heads have landmarks and an identity"):
        replace(text, identity=np.zeros(1, np.int32))
    with pytest.raises(ValueError, match=r"kind must be of .*, got 9"):
        replace(text, kind=np.array([9], np.uint8))


@pytest.mark.parametrize(
    ("kinds", "counts", "words"),
    [
        ([], (0, 0, 0), ""),
        ([Kind.FACE], (1, 0, 0), "1 face"),
        ([Kind.FACE, Kind.HEAD, Kind.PLATE], (2, 0, 1), "2 faces and 1 number plate"),
        ([Kind.TEXT], (0, 1, 0), "1 line of text"),
        (
            [Kind.PLATE, Kind.TEXT, Kind.PLATE, Kind.TEXT, Kind.FACE],
            (1, 2, 2),
            "1 face, 2 lines of text and 2 number plates",
        ),
    ],
)
def test_detections_are_counted_as_people_count_them(kinds, counts, words):
    found = KindCounts.of(kinds)
    assert (found.faces, found.texts, found.plates) == counts
    assert found.words == words


def test_kinds_are_picked_joined_and_mirrored():
    mixed = Detections.of([[0, 0, 9, 3], [2, 2, 4, 4]], [0.5, 0.9], kind=[Kind.TEXT, Kind.FACE])
    assert mixed.of_kind(Kind.TEXT).tolist() == [True, False]
    assert mixed.of_kind(Kind.FACE, Kind.HEAD).tolist() == [False, True]
    every = Detections.of(np.zeros((len(Kind), 4)), np.ones(len(Kind)), kind=list(Kind))
    assert every.is_person.tolist() == [kind.is_person for kind in Kind]
    assert mixed[mixed.of_kind(Kind.TEXT)].kind.tolist() == [Kind.TEXT]
    assert mixed.mirror(20).kind.tolist() == [Kind.TEXT, Kind.FACE]
    assert Detections.concat([mixed, Detections.empty(), mixed[:1]]).kind.tolist() == [2, 0, 2]
