from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unionveil import Faces
from unionveil.boxes import covered, iou
from unionveil.detect.models import CARDS
from unionveil.detect.tiles import _merge, _resize, find_faces, plan_sizes, plan_tiles

sides = st.integers(1, 20000)


@settings(max_examples=200)
@given(st.tuples(sides, sides), st.sampled_from([(1280, 1280), (640, 640), (320, 640)]))
def test_tiles_cover_every_pixel_overlap_and_stay_bounded(size_wh, tile_wh):
    tiles = plan_tiles(size_wh, tile_wh)
    for tile in tiles:
        x0, y0, x1, y1 = tile.xyxy
        assert 0 <= x0 < x1 <= size_wh[0]
        assert 0 <= y0 < y1 <= size_wh[1]
        assert x1 - x0 <= tile_wh[0]
        assert y1 - y0 <= tile_wh[1]
        assert tile.cut == (x0 > 0, y0 > 0, x1 < size_wh[0], y1 < size_wh[1])
    # Rows and columns are laid out alike, so covering each axis covers the picture.
    for axis in (0, 1):
        spans = sorted({(tile.xyxy[axis], tile.xyxy[axis + 2]) for tile in tiles})
        assert spans[0][0] == 0
        assert spans[-1][1] == size_wh[axis]
        for (_, end), (start, _) in pairwise(spans):
            assert end - start >= min(160, tile_wh[axis] // 3) - 1


@settings(max_examples=300)
@given(st.tuples(sides, sides), st.sampled_from(["fast", "standard", "crowd"]))
def test_sizes_fall_and_keep_the_proportions(size_wh, detail):
    sizes = plan_sizes(size_wh, detail)
    longest = [max(size) for size in sizes]
    assert longest == sorted(longest, reverse=True)
    for width, height in sizes:
        scale = max(width, height) / max(size_wh)
        assert scale <= 3.01
        assert abs(width - size_wh[0] * scale) <= 1
        assert abs(height - size_wh[1] * scale) <= 1


@pytest.mark.parametrize(
    ("longest", "detail", "expected"),
    [
        (400, "fast", [640]),
        (150, "fast", [450]),
        (4000, "fast", [640]),
        (400, "standard", [800, 200]),
        (1600, "standard", [1280, 320]),
        (4000, "standard", [2000, 500]),
        (12000, "standard", [2560, 640]),
        (416, "crowd", [1248, 832, 416, 208]),
        (1000, "crowd", [2560, 1280, 1000, 320]),
        (4000, "crowd", [4000, 2000, 500]),
        (12000, "crowd", [12000, 2560, 640]),
    ],
)
def test_the_sizes_of_each_detail(longest, detail, expected):
    assert [max(size) for size in plan_sizes((longest, longest * 3 // 4), detail)] == expected


def test_shrinking_skips_no_pixel():
    """A single bright pixel anywhere must leave a trace at every size."""
    for x, y in ((0, 0), (1001, 700), (3998, 2998)):
        image = np.zeros((3000, 4000, 3), np.uint8)
        image[y : y + 2, x : x + 2] = 255
        for size in ((2000, 1500), (1280, 960), (640, 480)):
            assert _resize(image, size).max() > 0


class Painted:
    """Finds the white square of a picture, wherever a view shows a part of it."""

    cards = (CARDS["retinaface"],)
    fixed_wh = None

    def __call__(self, image, threshold):
        y, x = np.nonzero(image[..., 0] > 128)
        if not len(x):
            return Faces.empty()
        return Faces.of([[x.min(), y.min(), x.max() + 1, y.max() + 1]], [0.9])


@pytest.mark.parametrize("place", [(100, 100), (1200, 700), (2560, 1300), (3900, 2900)])
@pytest.mark.parametrize("side", [40, 90])
def test_a_face_across_a_seam_is_one_whole_face(place, side):
    image = np.zeros((3000, 4000, 3), np.uint8)
    image[place[1] : place[1] + side, place[0] : place[0] + side] = 255
    faces = find_faces(image, Painted(), 0.5, "crowd")
    assert len(faces) == 1
    expected = np.clip([place[0], place[1], place[0] + side, place[1] + side], 0, [4000, 3000] * 2)
    assert np.abs(faces.xyxy[0] - expected).max() <= 7  # a pixel of the coarsest view


class Unsure(Painted):
    """As `Painted`, with a given score at each width of a picture, told only from the threshold on."""

    def __init__(self, scores):
        self.scores = scores

    def __call__(self, image, threshold):
        faces = super().__call__(image, threshold)
        score = np.full(len(faces), self.scores.get(image.shape[1], 0), np.float32)
        return replace(faces, score=score)[score >= threshold]


@pytest.mark.parametrize(
    ("scores", "threshold", "expected"),
    [
        ({1280: 0.3, 320: 0.3}, 0.5, 0.51),
        ({1280: 0.3, 320: 0.3}, 0.52, None),
        ({1280: 0.5}, 0.5, 0.5),
        ({1280: 0.49}, 0.5, None),
        ({1280: 0.9, 320: 0.05}, 0.5, 0.9),
        ({1280: 0.9, 320: 0.5}, 0.5, 0.95),
    ],
)
def test_a_face_seen_at_two_sizes_counts_for_more(scores, threshold, expected):
    image = np.zeros((960, 1280, 3), np.uint8)
    image[200:400, 300:500] = 255
    faces = find_faces(image, Unsure(scores), threshold, "standard")
    assert len(faces) == (0 if expected is None else 1)
    if expected is not None:
        assert faces.score[0] == pytest.approx(expected)


def test_what_is_no_face_takes_no_face_along():
    """A box below the threshold leaves the boxes inside it, though a cut one is dropped for a larger one."""
    faces = Faces.of([[0, 0, 100, 100], [10, 10, 40, 40]], [0.4, 0.6])
    cut, look = np.array([False, True]), np.array([0, 0])
    assert _merge(faces, cut, look, 1, 0.5, 0.4).xyxy.tolist() == [[10, 10, 40, 40]]
    assert _merge(faces, cut, look, 1, 0.3, 0.4).xyxy.tolist() == [[0, 0, 100, 100]]


face_boxes = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200), st.integers(4, 80)), max_size=12)


@settings(max_examples=200)
@given(face_boxes, st.data())
def test_whatever_one_size_is_sure_of_stays_covered(places, data):
    xyxy = np.float32([(x, y, x + side, y + side) for x, y, side in places]).reshape(-1, 4)
    shape = len(xyxy)
    score = data.draw(hnp.arrays(np.float32, shape, elements=st.floats(0.125, 1, width=32)))
    cut = data.draw(hnp.arrays(np.bool_, shape))
    look = data.draw(hnp.arrays(np.intp, shape, elements=st.integers(0, 2)))
    merged = _merge(Faces.of(xyxy, score), cut, look, 3, 0.5, 0.4)
    assert (merged.score >= 0.5).all()
    assert (np.diff(merged.score) <= 0).all()
    for box in xyxy[score >= 0.5]:
        same = iou(box[None], merged.xyxy) > 0.4
        # Or the box that replaced it lies in a larger one: .4 of both, less .15, the least that is covered.
        assert same.any() or covered(box[None], merged.xyxy, 0.25).any()
