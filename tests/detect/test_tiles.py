from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unionveil import Faces
from unionveil.detect.models import CARDS
from unionveil.detect.tiles import find_faces, plan_views

sizes = st.tuples(st.integers(1, 20000), st.integers(1, 20000))


@settings(max_examples=200)
@given(sizes, st.sampled_from(["fast", "standard", "crowd"]), st.sampled_from([None, (640, 640)]))
def test_views_cover_every_pixel_and_stay_bounded(size_wh, detail, fixed_wh):
    width, height = size_wh
    views = plan_views(size_wh, detail, fixed_wh)
    assert views
    for view in views:
        x0, y0, x1, y1 = view.xyxy
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        limit = fixed_wh or (1280, 1280)
        assert view.size_wh[0] <= limit[0]
        assert view.size_wh[1] <= limit[1]
        assert view.cut == (x0 > 0, y0 > 0, x1 < width, y1 < height)
    # Rows and columns are laid out alike, so covering each axis covers the picture.
    for axis, length in ((0, width), (1, height)):
        reached = 0
        for start, end in sorted({(view.xyxy[axis], view.xyxy[axis + 2]) for view in views}):
            assert start <= reached
            reached = max(reached, end)
        assert reached == length


@pytest.mark.parametrize("size_wh", [(6000, 4000), (12000, 9000), (3000, 2000)])
def test_crowd_sees_every_pixel_at_its_own_size_and_neighbours_overlap(size_wh):
    native = [
        view
        for view in plan_views(size_wh, "crowd")
        if view.size_wh == (view.xyxy[2] - view.xyxy[0], view.xyxy[3] - view.xyxy[1])
    ]
    columns = sorted({(view.xyxy[0], view.xyxy[2]) for view in native})
    assert columns[0][0] == 0
    assert columns[-1][1] == size_wh[0]
    for (_, end), (start, _) in pairwise(columns):
        assert end - start >= 160


@pytest.mark.parametrize(
    ("size_wh", "detail", "longest"),
    [
        ((400, 300), "fast", 640),
        ((4000, 3000), "fast", 640),
        ((800, 600), "standard", 1280),
        ((1600, 1200), "standard", 1280),
        ((4000, 3000), "standard", 2000),
        ((12000, 9000), "standard", 2560),
        ((416, 416), "crowd", 1248),
        ((1000, 800), "crowd", 2560),
        ((4000, 3000), "crowd", 4000),
    ],
)
def test_the_finest_scale_of_each_detail(size_wh, detail, longest):
    width = size_wh[0]
    finest = max(
        width * view.size_wh[0] / (view.xyxy[2] - view.xyxy[0]) for view in plan_views(size_wh, detail)
    )
    assert finest == pytest.approx(longest, rel=0.01)


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
