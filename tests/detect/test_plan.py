from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unionveil.detect.plan import (
    closer,
    is_glimpsed,
    mirror_is_cheap,
    plan_pieces,
    plan_sizes,
    plan_tiles,
    reduction,
)

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


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        (400, [800, 200]),
        (1279, [1280, 320]),  # enlarged
        (1280, [1280, 640, 320]),
        (4000, [2000, 1000, 500]),
        (12000, [2560, 1280, 640]),
    ],
)
def test_standard_is_halved_unless_it_is_enlarged(longest, expected):
    size_wh = (longest, longest * 3 // 4)
    sizes = plan_sizes(size_wh, "standard", halved=True)
    assert [max(size) for size in sizes] == expected
    assert is_glimpsed(sizes, size_wh) == (len(expected) == 3)


@pytest.mark.parametrize(
    ("longest", "detail", "expected"),
    [(4000, "fast", False), (4000, "standard", False), (2559, "crowd", False), (2560, "crowd", True)],
)
def test_what_has_no_half_size_or_is_enlarged_is_searched_everywhere(longest, detail, expected):
    size_wh = (longest * 3 // 4, longest)
    assert is_glimpsed(plan_sizes(size_wh, detail), size_wh) == expected


@settings(max_examples=300)
@given(st.tuples(sides, sides), st.sampled_from(["standard", "crowd"]))
def test_glimpses_are_at_half_of_the_largest_size(size_wh, detail):
    sizes = plan_sizes(size_wh, detail, halved=True)
    if is_glimpsed(sizes, size_wh):
        assert max(sizes[1]) - 1 <= max(sizes[0]) / 2 <= max(sizes[1]) + 1


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


@pytest.mark.parametrize(
    ("size_wh", "detail", "expected"),
    [
        ((150, 200), "fast", False),
        ((400, 300), "standard", True),
        ((1600, 1200), "standard", True),
        ((3000, 2000), "standard", True),
        ((3200, 2133), "standard", False),
        ((640, 640), "standard", True),  # enlarged to 1280 px
        ((2500, 2500), "standard", True),
        ((2700, 2700), "standard", False),
        ((4000, 3000), "standard", False),
        ((200, 20000), "standard", False),  # many pieces
        ((12000, 9000), "crowd", True),
    ],
)
def test_small_pictures_and_crowds_are_seen_mirrored_too(size_wh, detail, expected):
    assert mirror_is_cheap(size_wh, detail) == expected


@settings(max_examples=100)
@given(st.tuples(sides, sides))
def test_no_mirrored_picture_costs_a_tenth_more_than_a_photo_of_12_megapixels(size_wh):
    pixels = [
        sum(width * height for width, height in plan_sizes(size, "standard"))
        for size in (size_wh, (4000, 3000))
    ]
    if mirror_is_cheap(size_wh, "standard"):
        assert 2 * pixels[0] <= 1.1 * pixels[1]


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
