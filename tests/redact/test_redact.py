from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checked import read_bgr
from samples import SCENES
from unionveil import AnonymizeConfig, ConfigError, Detections
from unionveil.config import Redaction
from unionveil.detections import Kind
from unionveil.images import Colour, Frame
from unionveil.redact import load_redactor, redacted, regions_of
from unionveil.redact.mask import cover
from unionveil.redact.overlay import load_picture

METHODS = tuple(
    kind.model_fields["method"].default
    for kind in get_args(get_args(Redaction)[0])
    if not kind.needs_whole_set
)
COLOURS = tuple(Colour)


def config(method, **more):
    return AnonymizeConfig.from_parameters({"method": method, **more})


def faces_at(boxes):
    return Detections.of(boxes, np.ones(len(boxes)))


def redact(frame, faces, settings):
    return redacted(frame, load_redactor(settings)(frame, faces))


def checkerboard(width, height, colour, dtype=np.uint8):
    """Neighbours differ by a third of the range and none is black or white: any smoothing moves every one."""
    white = np.iinfo(dtype).max
    y, x = np.mgrid[:height, :width]
    plane = np.where((x + y) % 2, white // 3, 2 * white // 3).astype(dtype)
    pixels = np.repeat(plane[..., None], colour.channels, axis=2)
    if colour.has_alpha:
        pixels[..., -1] = white // 2
    return Frame(pixels, colour)


@st.composite
def face_in(draw, width, height):
    """A box of 4 to 60 px, anywhere, across all borders too."""
    w, h = draw(st.floats(4, 60)), draw(st.floats(4, 60))
    x, y = draw(st.floats(-w / 2, width - w / 2)), draw(st.floats(-h / 2, height - h / 2))
    return [x, y, x + w, y + h]


@settings(max_examples=150)
@given(
    st.sampled_from(METHODS),
    st.sampled_from(COLOURS),
    st.sampled_from([np.uint8, np.uint16]),
    st.sampled_from(["box", "ellipse"]),
    st.lists(face_in(90, 70), min_size=1, max_size=3),
    st.sampled_from(["0", "0.15", "0.5"]),
    st.sampled_from(Kind),
    st.sampled_from(["fill", "same"]),
)
def test_covered_pixels_change_and_all_others_stay(
    method, colour, dtype, shape, boxes, margin, kind, text_method
):
    frame = checkerboard(90, 70, colour, dtype)
    before = frame.pixels.copy()
    faces = Detections.of(boxes, np.linspace(0.9, 0.5, len(boxes)), kind=kind)
    settings_ = config(method, shape=shape, margin=margin, text_margin=margin, text_method=text_method)
    after = redact(frame, faces, settings_)
    assert np.array_equal(frame.pixels, before), "the input was written into"
    covered = np.zeros((70, 90), bool)
    for rows, columns, mask in regions_of(faces, (90, 70), settings_):
        covered[rows, columns] |= True if mask is None else mask
    changed = (after.pixels != before).any(axis=2)
    assert not changed[~covered].any()
    if method == "overlay":
        # A picture may match a pixel's colour by chance; what counts is that the face has no influence on it.
        other = redact(Frame(frame.white - before, colour), faces, settings_)
        assert np.array_equal(after.pixels[covered], other.pixels[covered])
    elif method == "median":
        # The median of a checkerboard is one of its two values: every other pixel may keep its own.
        assert changed[covered].mean() > 0.25 or covered.sum() < 30
    else:
        assert changed[covered].all()
    if colour.has_alpha:
        assert (after.pixels[..., -1][covered] == after.white).all()
    assert after.pixels.dtype == dtype
    assert after.colour is colour


def test_median_changes_a_face():
    face = read_bgr(SCENES / "faces.png")[:, :128]
    after = redact(
        Frame(face, Colour.RGB), Detections.of([[0, 0, 128, 160]], [1]), config("median", margin="0")
    )
    changed = (after.pixels != face).any(axis=2)
    assert changed.mean() > 0.99


@given(face_in(90, 70), st.sampled_from([0.0, 0.15, 1.0]))
def test_the_ellipse_covers_the_whole_box(box, margin):
    box_regions = cover(faces_at([box]), (90, 70), "box", margin, 0)
    ellipse_regions = cover(faces_at([box]), (90, 70), "ellipse", margin, 0)
    in_box, in_ellipse = np.zeros((2, 70, 90), bool)
    for canvas, regions in ((in_box, box_regions), (in_ellipse, ellipse_regions)):
        for rows, columns, mask in regions:
            canvas[rows, columns] |= True if mask is None else mask
    assert not (in_box & ~in_ellipse).any()
    assert in_ellipse.sum() <= 1.8 * max(in_box.sum(), 1) + 200


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("corner", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_the_last_row_and_column_are_covered(method, corner):
    frame = checkerboard(64, 48, Colour.RGB)
    x, y = corner[0] * 34.5, corner[1] * 18.5
    after = redact(frame, Detections.of([[x, y, x + 29.5, y + 29.5]], [1]), config(method, margin="0"))
    changed = (after.pixels != frame.pixels).any(axis=2)
    column, row = (63 if corner[0] else 0), (47 if corner[1] else 0)
    if method != "median":
        assert changed[row, int(x) + 1 : int(x) + 28].all()
        assert changed[int(y) + 1 : int(y) + 28, column].all()


@pytest.mark.parametrize("size", [4, 12, 40, 160, 900])
@pytest.mark.parametrize(
    ("method", "weakest"),
    [
        ("pixelate", {"cells": "10"}),
        ("gaussian", {"strength": "4"}),
        ("median", {"strength": "4"}),
        ("bilateral", {"strength": "4"}),
        ("average", {"strength": "4"}),
    ],
)
def test_the_weakest_setting_leaves_as_little_of_a_large_face_as_of_a_small_one(method, weakest, size):
    """Noise at a tenth of the face's size, where eyes and mouths are, must be gone at every size."""
    rng = np.random.default_rng(size)
    cells = rng.integers(0, 2, (20, 20)).astype(np.uint8) * 200 + 20
    grey = cv2.resize(cells, (size, size), interpolation=cv2.INTER_NEAREST)
    pixels = np.asarray(grey, np.uint8)[..., None].repeat(3, axis=2)
    after = redact(
        Frame(pixels, Colour.RGB),
        Detections.of([[0, 0, size, size]], [1]),
        config(method, margin="0", **weakest),
    )
    seen = after.pixels[..., 0].ravel().astype(float)
    left = (
        np.corrcoef(pixels[..., 0].ravel(), seen)[0, 1] if seen.std() else 0.0
    )  # one colour: nothing is left
    spread = after.pixels.astype(float).std() / pixels.astype(float).std()
    assert spread < 0.72
    assert np.isnan(left) or left * spread < 0.5


def test_cells_are_exact_means():
    pixels = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    after = redact(
        Frame(pixels, Colour.RGB),
        Detections.of([[0, 0, 30, 20]], [1]),
        config("pixelate", cells="6", margin="0"),
    )
    assert np.array_equal(after.pixels[0, 0], np.rint(pixels[:5, :5].mean(axis=(0, 1))))
    assert len(np.unique(after.pixels.reshape(-1, 3), axis=0)) == 24


def test_fill_takes_its_colour_in_every_model():
    for colour, expected in (
        (Colour.RGB, [255, 128, 0]),
        (Colour.GREY, [151]),
        (Colour.CMYK, [0, 127, 255, 0]),
        (Colour.RGBA, [255, 128, 0, 255]),
    ):
        after = redact(
            checkerboard(20, 20, colour), Detections.of([[2, 2, 9, 9]], [1]), config("fill", color="#ff8000")
        )
        assert after.pixels[5, 5].tolist() == expected


def test_nothing_shines_through_an_overlay():
    light, dark = (Frame(np.full((80, 80, 3), value, np.uint8), Colour.RGB) for value in (250, 5))
    faces = Detections.of([[10, 10, 60, 70]], [1])
    for shape in ("box", "ellipse"):
        options = config("overlay", picture="fist", backing="#336699", shape=shape)
        a, b = redact(light, faces, options).pixels, redact(dark, faces, options).pixels
        for rows, columns, mask in cover(faces, (80, 80), shape, 0.15, 0):
            inside = ... if mask is None else mask
            assert np.array_equal(a[rows, columns][inside], b[rows, columns][inside])


def test_an_overlay_from_a_file(tmp_path):
    picture = np.zeros((10, 10, 4), np.uint8)
    picture[:, :5] = [0, 0, 255, 255]  # left half red, right half transparent
    path = tmp_path / "half.png"
    cv2.imwrite(str(path), picture)
    options = config("overlay", picture=str(path), backing="#00ff00", margin="0")
    after = redact(checkerboard(60, 60, Colour.RGB), Detections.of([[10, 10, 50, 50]], [1]), options)
    assert after.pixels[30, 15].tolist() == [255, 0, 0]
    assert after.pixels[30, 45].tolist() == [0, 255, 0]


def test_a_file_that_is_not_a_picture_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="neither an emoji"):
        load_picture("grin")
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ConfigError, match="cannot be read as a PNG"):
        load_picture(str(tmp_path / "text.png"))


def test_a_face_outside_the_picture_changes_nothing():
    frame = checkerboard(30, 30, Colour.RGB)
    after = redact(
        frame, Detections.of([[100, 100, 120, 120], [-50, -50, -20, -20]], [1, 1]), config("gaussian")
    )
    assert np.array_equal(after.pixels, frame.pixels)


def test_the_best_face_lies_on_top():
    frame = checkerboard(60, 60, Colour.RGB)
    both = Detections.of([[10, 10, 40, 40], [20, 20, 58, 58]], [0.9, 0.5])
    alone = both[np.array([0])]
    options = config("overlay", picture="smile")
    region = np.s_[10:40, 10:40]
    assert np.array_equal(
        redact(frame, both, options).pixels[region], redact(frame, alone, options).pixels[region]
    )


def test_text_is_covered_by_boxes_with_any_shape_for_faces():
    frame = checkerboard(90, 70, Colour.RGB)
    found = Detections.of([[20, 30, 60, 40]], [0.9], kind=Kind.TEXT)
    after = redact(frame, found, config("gaussian", shape="ellipse", text_margin="0.2")).pixels
    assert (after[28:42, 18:62] == 0).all()
    changed = (after != frame.pixels).any(axis=2)
    assert changed.sum() == 14 * 44


def test_the_fill_of_text_has_the_colour_of_faces():
    found = Detections.of([[20, 30, 60, 40]], [0.9], kind=Kind.TEXT)
    after = redact(checkerboard(90, 70, Colour.RGB), found, config("fill", color="#102030")).pixels
    assert after[35, 40].tolist() == [0x10, 0x20, 0x30]


def test_faces_lie_on_top_of_text():
    found = Detections.of([[20, 30, 60, 60], [20, 30, 60, 60]], [0.9, 0.5], kind=[Kind.TEXT, Kind.FACE])
    wanted = config("overlay", picture="heart", backing="#ffffff", margin="0", text_margin="0")
    after = redact(checkerboard(90, 70, Colour.RGB), found, wanted).pixels
    assert after[31, 21].tolist() == [255, 255, 255]
