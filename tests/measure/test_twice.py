import numpy as np
import pytest

from unionveil import Detections
from unionveil.detect.tiles import find_faces
from unionveil.measure.twice import detect_twice
from white_detector import WhiteDetector

SQUARE = np.zeros((3000, 4000, 3), np.uint8)
SQUARE[600:640, 600:640] = 255


class Doubtful(WhiteDetector):
    """A white detector that barely sees in a large tile what it is sure of in the surroundings of a box."""

    def __call__(self, image, threshold, *, mirror=False):
        found = super().__call__(image, 0.1, mirror=mirror)
        score = found.score * (0.02 if max(image.shape) > 500 else 1)
        return Detections.of(found.xyxy, score)[score >= threshold]


@pytest.mark.parametrize("low", [0.001, 0.05, 0.2, 0.5])
def test_a_face_that_is_faint_at_half_size_is_found_as_in_a_run(low):
    faint, faces = detect_twice([SQUARE], Doubtful(), low, 0.5, detail="standard", mirror=False)
    run = find_faces(SQUARE, Doubtful(), 0.5, "standard", mirror=False)
    assert len(run) == 1 and np.array_equal(faces.xyxy, run.xyxy) and np.array_equal(faces.score, run.score)
    assert faint.score.min() >= low


def test_each_tile_is_searched_once():
    once, twice = Doubtful(), Doubtful()
    find_faces(SQUARE, once, 0.5, "standard", mirror=False)
    detect_twice([SQUARE], twice, 0.05, 0.5, detail="standard", mirror=False)
    assert twice.sizes_wh == once.sizes_wh
