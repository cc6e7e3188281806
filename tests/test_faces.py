import numpy as np
import pytest

from unionveil import Faces


def test_shapes_and_dtypes_are_checked():
    with pytest.raises(ValueError, match=r"score must be float32 \(2,\), got float32 \(3,\)"):
        Faces(np.zeros((2, 4), np.float32), np.zeros(3, np.float32), np.zeros((2, 5, 2), np.float32))
    with pytest.raises(ValueError, match="xyxy must be float32"):
        Faces(np.zeros((1, 4)), np.zeros(1, np.float32), np.zeros((1, 5, 2), np.float32))


def test_picking_concatenating_and_moving():
    faces = Faces.of([[0, 0, 2, 4], [10, 10, 20, 30]], [0.5, 0.9], np.ones((2, 5, 2)))
    assert faces[faces.score > 0.6].xyxy.tolist() == [[10, 10, 20, 30]]
    both = Faces.concat([faces, Faces.empty(), faces[np.array([1])]])
    assert both.score.tolist() == pytest.approx([0.5, 0.9, 0.9])
    moved = faces.transform(scale_xy=(2, 0.5), offset_xy=(1, -1))
    assert moved.xyxy.tolist() == [[1, -1, 5, 1], [21, 4, 41, 14]]
    assert moved.landmarks[0, 0].tolist() == [3, -0.5]


def test_missing_landmarks_are_nan():
    assert np.isnan(Faces.of([[0, 0, 1, 1]], [1]).landmarks).all()
    assert len(Faces.concat([])) == 0
