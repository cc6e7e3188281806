"""Patches are laid into a frame's own planes, whole chroma samples at a time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from unionveil.errors import UnsupportedImage
from unionveil.images import Patch
from unionveil.video.colours import matrix_of, samples_of
from unionveil.video.planes import lay, planes_of, rgb_of, upright
from unionveil.video.shape import Colours, Shape

BT709 = Colours(1, 1, 1, False)


def frame(pixel_format: str, size_wh: tuple[int, int] = (38, 22)):
    import av

    rng = np.random.default_rng(3)
    made = av.VideoFrame(*size_wh, pixel_format)
    for plane in planes_of(made):
        plane[...] = rng.integers(30, 200, plane.shape)
    return made


@pytest.mark.parametrize(
    "pixel_format",
    ["yuv420p", "yuv422p", "yuv444p", "gray", "yuv420p10le", "yuv422p10le", "yuv444p10le", "gray10le"],
)
@pytest.mark.parametrize("odd", [0, 1])
def test_a_fill_covers_every_sample_that_it_touches_and_no_other(pixel_format, odd):
    made = frame(pixel_format, (38 - odd, 22 - odd))
    before = [plane.copy() for plane in planes_of(made)]
    black = np.zeros((1, 1, 3), np.uint8)
    lay(made, [Patch(slice(5, 16), slice(7, 30), black)], BT709)
    step = 4 if "10" in pixel_format else 1
    across = 2 if "420" in pixel_format or "422" in pixel_format else 1
    down = 2 if "420" in pixel_format else 1
    rows, columns = slice(5 // down * down, -(-16 // down) * down), slice(7 // across * across, 30)
    for number, (plane, old) in enumerate(zip(planes_of(made), before, strict=True)):
        part = (rows, columns)
        if number:
            part = (
                slice(rows.start // down, rows.stop // down),
                slice(columns.start // across, 30 // across),
            )
        assert (plane[part] == (128 if number else 16) * step).all()
        plane[part] = old[part]
        assert (plane == old).all()


def test_the_same_colour_comes_back():
    made = frame("yuv444p")
    patch = np.full((10, 12, 3), (200, 90, 40), np.uint8)
    lay(made, [Patch(slice(4, 14), slice(6, 18), patch)], BT709)
    seen = rgb_of(made, BT709)[5:13, 7:17].reshape(-1, 3).astype(int)
    assert np.abs(seen - (200, 90, 40)).max() <= 2


def test_a_mask_covers_no_more_than_its_chroma_samples():
    made = frame("yuv420p")
    before = planes_of(made)[0].copy()
    mask = np.eye(8, dtype=bool)
    lay(made, [Patch(slice(4, 12), slice(4, 12), np.zeros((8, 8, 3), np.uint8), mask)], BT709)
    changed = planes_of(made)[0] != before
    assert changed[4:12, 4:12][mask].all()
    assert not changed[4:6, 6:12].any()


@pytest.mark.parametrize(
    ("number", "white"), [(1, (235, 128, 128)), (9, (235, 128, 128)), (5, (235, 128, 128))]
)
def test_matrices_keep_white_and_know_blue(number, white):
    matrix = matrix_of(Colours(2, 2, number, False), (100, 100))
    values = samples_of(np.array([[[255, 255, 255], [0, 0, 255]]], np.uint8), matrix, 8, is_full=False)[0]
    assert tuple(values[0]) == white
    assert values[1, 1] == 240
    assert values[1, 0] == round(219 * matrix.blue + 16)


def test_unknown_matrices_are_refused_and_unspecified_ones_follow_the_size():
    with pytest.raises(UnsupportedImage, match="colour matrix"):
        matrix_of(Colours(9, 16, 14, False), (100, 100))
    assert matrix_of(Colours(2, 2, 2, False), (1920, 1080)).swscale == 1
    assert matrix_of(Colours(2, 2, 2, False), (640, 480)).swscale == 5


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_frames_are_turned_upright(turns, mirrored):
    shape = Shape(
        (38, 22), turns, mirrored, "yuv420p", Fraction(1, 30), Fraction(30), Fraction(1), BT709, 1.0
    )
    made = frame("yuv420p")
    before = planes_of(made)[0].copy()
    made.pts = 7
    turned = upright(made, shape)
    wanted = np.rot90(before[:, ::-1] if mirrored else before, -turns)
    assert (planes_of(turned)[0] == wanted).all()
    assert (turned.width, turned.height) == shape.size_wh
    assert turned.pts == 7
