from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unionveil.detect.tiles import (
    _resize,
    closer,
    find_faces,
    mirror_is_cheap,
    plan_pieces,
    plan_sizes,
    plan_tiles,
    reduction,
)
from white_detector import WhiteDetector

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
    # Rows and columns are arranged in the same way, so covering each axis covers the picture.
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
        (12000, "crowd", [12000, 6000, 2560, 640]),
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


@settings(max_examples=200)
@given(st.integers(1, 20000), st.integers(1, 20000))
def test_pictures_of_ordinary_proportions_stay_whole(width, height):
    pieces = plan_pieces((width, height))
    if max(width, height) <= max(4 * min(width, height), 1280):
        assert [piece.xyxy for piece in pieces] == [(0, 0, width, height)]
        assert pieces[0].cut == (False,) * 4


@settings(max_examples=200)
@given(st.integers(8, 400), st.integers(2000, 200000), st.booleans())
def test_any_face_lies_whole_in_a_piece_of_a_long_picture(shortest, longest, upright):
    size_wh = (shortest, longest) if upright else (longest, shortest)
    axis = int(upright)
    spans = [(piece.xyxy[axis], piece.xyxy[axis + 2]) for piece in plan_pieces(size_wh)]
    assert spans[0][0] == 0
    assert spans[-1][1] == longest
    for (_, end), (start, _) in pairwise(spans):
        assert end - start >= min(shortest, max(4 * shortest, 1280) // 3) - 1
    assert max(end - start for start, end in spans) <= max(4 * shortest, 1280)


def test_a_picture_too_narrow_for_a_face_stays_whole():
    assert len(plan_pieces((1, 200_000_000))) == 1


@pytest.mark.parametrize("detail", ["fast", "standard", "crowd"])
@pytest.mark.parametrize("place", [300, 1250, 9000, 19900])
@pytest.mark.parametrize("upright", [False, True])
def test_a_face_of_a_very_long_picture_is_found_once(detail, place, upright):
    image = np.zeros((200, 20000, 3), np.uint8)
    image[60:120, place : place + 60] = 255
    if upright:
        image = np.ascontiguousarray(image.transpose(1, 0, 2))
    faces = find_faces(image, WhiteDetector(), 0.5, detail)
    expected = [60, place, 120, place + 60] if upright else [place, 60, place + 60, 120]
    assert len(faces) == 1
    assert np.abs(faces.xyxy[0] - expected).max() <= 7


@pytest.mark.parametrize("place", [(100, 100), (1200, 700), (2560, 1300), (3900, 2900)])
@pytest.mark.parametrize("side", [40, 90])
def test_a_face_across_a_seam_is_one_whole_face(place, side):
    image = np.zeros((3000, 4000, 3), np.uint8)
    image[place[1] : place[1] + side, place[0] : place[0] + side] = 255
    faces = find_faces(image, WhiteDetector(), 0.5, "crowd")
    assert len(faces) == 1
    expected = np.clip([place[0], place[1], place[0] + side, place[1] + side], 0, [4000, 3000] * 2)
    assert np.abs(faces.xyxy[0] - expected).max() <= 7  # a pixel of the coarsest view


@pytest.mark.parametrize(
    ("size_wh", "detail", "expected"),
    [
        ((150, 200), "fast", False),
        ((400, 300), "standard", True),
        ((1600, 1200), "standard", True),
        ((2500, 2500), "standard", False),
        ((4000, 3000), "standard", False),
        ((200, 20000), "standard", False),  # many pieces
        ((12000, 9000), "crowd", True),
    ],
)
def test_small_pictures_and_crowds_are_seen_mirrored_too(size_wh, detail, expected):
    assert mirror_is_cheap(size_wh, detail) == expected


@settings(max_examples=100)
@given(st.tuples(sides, sides))
def test_no_mirrored_picture_costs_more_than_a_photo_of_12_megapixels(size_wh):
    pixels = [
        sum(width * height for width, height in plan_sizes(size, "standard"))
        for size in (size_wh, (4000, 3000))
    ]
    if mirror_is_cheap(size_wh, "standard"):
        assert 2 * pixels[0] <= 1.01 * pixels[1]  # sides are rounded


def test_the_mirrored_picture_can_be_left_out():
    detector = WhiteDetector()
    image = np.zeros((300, 400, 3), np.uint8)
    find_faces(image, detector, 0.5, "standard")
    find_faces(image, detector, 0.5, "standard", mirror=False)
    assert detector.mirrored == [True, True, False, False]


def white_square(size_wh, place, side):
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    image[place[1] : place[1] + side, place[0] : place[0] + side] = 255
    return image


def test_a_large_picture_is_searched_in_full_only_where_its_half_shows_anything():
    detector = WhiteDetector()
    assert len(find_faces(white_square((4000, 3000), (0, 0), 0), detector, 0.5, "crowd")) == 0
    assert len(detector.sizes_wh) == 4 + 1  # tiles of the half, and the eighth
    detector = WhiteDetector()
    faces = find_faces(white_square((4000, 3000), (600, 600), 12), detector, 0.5, "crowd")
    assert faces.xyxy.tolist() == [[600, 600, 612, 612]]
    assert len(detector.sizes_wh) == 4 + 1 + 1


def test_what_is_weak_at_half_and_full_size_is_not_a_face():
    detector = WhiteDetector()
    assert len(find_faces(white_square((4000, 3000), (600, 600), 6), detector, 0.5, "crowd")) == 0
    assert len(detector.sizes_wh) == 4 + 1 + 1


@pytest.mark.parametrize("longest", [400, 1000, 2560])
def test_small_pictures_are_searched_in_full_whatever_they_show(longest):
    detector = WhiteDetector()
    size_wh = (longest, longest * 3 // 4)
    find_faces(np.zeros((size_wh[1], size_wh[0], 3), np.uint8), detector, 0.5, "crowd")
    tiles = sum(len(plan_tiles(size, (1280, 1280))) for size in plan_sizes(size_wh, "crowd"))
    assert len(detector.sizes_wh) == tiles


@given(st.lists(st.tuples(st.floats(-50, 4050), st.floats(-50, 3050), st.floats(1, 900)), max_size=5))
def test_tiles_are_cut_down_to_the_boxes_that_touch_them(places):
    tiles = plan_tiles((4000, 3000), (1280, 1280))
    corners = [[x, y, x + side, y + side] for x, y, side in places]
    xyxy = np.array(corners, np.float32).reshape(-1, 4)
    chosen = closer(tiles, xyxy)
    touched = 0
    for tile in tiles:
        x0, y0, x1, y1 = tile.xyxy
        boxes = [box for box in xyxy if box[0] < x1 and box[2] > x0 and box[1] < y1 and box[3] > y0]
        if not boxes:
            continue
        part = chosen[touched]
        touched += 1
        for low in (0, 1):
            least, most = min(box[low] for box in boxes), max(box[low + 2] for box in boxes)
            start, end = tile.xyxy[low], tile.xyxy[low + 2]
            assert (part.xyxy[low] - start) % 32 == 0
            assert max(start, least - 160 - 32) <= part.xyxy[low] <= max(start, least - 160)
            assert min(end, most + 160) <= part.xyxy[low + 2] <= min(end, most + 160 + 32)
        for part_edge, edge, own, cut in zip(part.xyxy, tile.xyxy, tile.cut, part.cut, strict=True):
            assert cut == (own or part_edge != edge)
    assert len(chosen) == touched


@settings(max_examples=200)
@given(st.tuples(sides, sides), st.sampled_from(["fast", "standard", "crowd"]))
def test_no_picture_is_reduced_below_the_largest_size_searched(size_wh, detail):
    scale = reduction(size_wh, detail)
    assert scale in (1, 2, 4, 8)
    if scale > 1:
        assert max(plan_sizes(size_wh, detail)[0]) <= max(size_wh) / scale
        assert len(plan_pieces(size_wh)) == 1


@pytest.mark.parametrize(
    ("size_wh", "detail", "expected"),
    [
        ((4000, 3000), "standard", 2),
        ((12000, 9000), "standard", 4),
        ((2000, 1500), "standard", 1),
        ((4000, 3000), "fast", 4),
        ((12000, 9000), "fast", 8),
        ((4000, 3000), "crowd", 1),
        ((200, 20000), "fast", 1),
    ],
)
def test_the_reductions_of_each_detail(size_wh, detail, expected):
    assert reduction(size_wh, detail) == expected


@pytest.mark.parametrize("scale", [2, 4])
def test_faces_of_a_reduced_picture_are_in_pixels_of_the_whole(scale):
    image = white_square((4000, 3000), (800, 400), 240)
    small = np.ascontiguousarray(image[::scale, ::scale])
    faces = find_faces(small, WhiteDetector(), 0.5, "fast", size_wh=(4000, 3000))
    assert np.abs(faces.xyxy[0] - [800, 400, 1040, 640]).max() <= 7
