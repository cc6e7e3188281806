import numpy as np
import pytest

from unionveil import Detections
from unionveil.detect.plan import plan_sizes, plan_tiles
from unionveil.detect.tiles import _resize, find_faces
from unionveil.measure.twice import detect_twice
from white_detector import WhiteDetector


def test_shrinking_skips_no_pixel():
    """A single bright pixel anywhere must leave a trace at every size."""
    for x, y in ((0, 0), (1001, 700), (3998, 2998)):
        image = np.zeros((3000, 4000, 3), np.uint8)
        image[y : y + 2, x : x + 2] = 255
        for size in ((2000, 1500), (1280, 960), (640, 480)):
            assert _resize(image, size).max() > 0


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


# In a picture of 4000x3000, beside its largest size: half of it in four tiles and an eighth at crowd, half in
# one at standard.
OTHERS = {"standard": 1, "crowd": 4 + 1}


@pytest.mark.parametrize(("detail", "around"), [("standard", 1), ("crowd", 4)])
def test_the_largest_size_is_searched_only_where_its_half_shows_anything(detail, around):
    """`around` is the number of that search."""
    detector = WhiteDetector()
    assert len(find_faces(white_square((4000, 3000), (0, 0), 0), detector, 0.5, detail)) == 0
    assert len(detector.sizes_wh) == OTHERS[detail]
    detector = WhiteDetector()
    faces = find_faces(white_square((4000, 3000), (600, 600), 20), detector, 0.5, detail)
    assert np.abs(faces.xyxy[0] - [600, 600, 620, 620]).max() <= 4
    assert len(detector.sizes_wh) == OTHERS[detail] + 1
    assert max(detector.sizes_wh[around]) < 500  # not the whole tile


@pytest.mark.parametrize(("detail", "clear_px", "smaller"), [("standard", 256, 1), ("crowd", 128, 0)])
def test_what_is_clear_at_half_of_the_largest_size_is_not_searched_there(detail, clear_px, smaller):
    """At standard detail, a quarter of that size is searched instead."""
    for side, again in ((clear_px, smaller), (clear_px - 8, 1)):
        detector = WhiteDetector()
        faces = find_faces(white_square((4000, 3000), (800, 400), side), detector, 0.5, detail)
        assert np.abs(faces.xyxy[0] - [800, 400, 800 + side, 400 + side]).max() <= 7
        assert len(detector.sizes_wh) == OTHERS[detail] + again


@pytest.mark.parametrize(("side", "quarter"), [(248, False), (256, True), (2900, True)])
def test_standard_searches_a_quarter_only_if_half_shows_something_large(side, quarter):
    detector = WhiteDetector()
    assert len(find_faces(white_square((4000, 3000), (80, 80), side), detector, 0.5, "standard")) == 1
    assert ((500, 375) in detector.sizes_wh) == quarter


def test_standard_searches_a_quarter_if_half_of_the_size_does_not_fit_into_a_tile():
    """A face that fills the picture is then whole in none of them."""
    detector = WhiteDetector()
    detector.fixed_wh = (640, 640)
    find_faces(np.zeros((3000, 4000, 3), np.uint8), detector, 0.5, "standard")
    assert (500, 375) in detector.sizes_wh


@pytest.mark.parametrize("detail", ["standard", "crowd"])
def test_a_detector_that_does_not_glimpse_searches_everything(detail):
    detector = WhiteDetector()
    detector.glimpses = ()
    size_wh = (4000, 3000)
    find_faces(np.zeros((3000, 4000, 3), np.uint8), detector, 0.5, detail)
    tiles = sum(len(plan_tiles(size, (1280, 1280))) for size in plan_sizes(size_wh, detail))
    assert len(detector.sizes_wh) == tiles


def test_what_is_weak_at_half_and_full_size_is_not_a_face():
    detector = WhiteDetector()
    assert len(find_faces(white_square((4000, 3000), (600, 600), 6), detector, 0.5, "crowd")) == 0
    assert len(detector.sizes_wh) == 4 + 1 + 1


class Faint(WhiteDetector):
    """A white detector that is never sure."""

    def __call__(self, image, threshold, *, mirror=False):
        found = super().__call__(image, 0.1, mirror=mirror)
        return Detections.of(found.xyxy, found.score / 500) if threshold < 0.002 else Detections.empty()


def test_the_same_tiles_are_searched_at_any_threshold():
    """What is too faint for a glimpse is found at a low threshold, but is not searched again."""
    faint = Faint()
    image = white_square((4000, 3000), (600, 600), 40)
    low, sure = detect_twice([image], faint, 0.001, 0.5, detail="standard", mirror=False)
    assert (len(low), len(sure)) == (1, 0)
    assert len(faint.sizes_wh) == OTHERS["standard"]


@pytest.mark.parametrize("longest", [400, 1000, 2559])
def test_small_pictures_are_searched_in_full_whatever_they_show(longest):
    detector = WhiteDetector()
    size_wh = (longest, longest * 3 // 4)
    find_faces(np.zeros((size_wh[1], size_wh[0], 3), np.uint8), detector, 0.5, "crowd")
    tiles = sum(len(plan_tiles(size, (1280, 1280))) for size in plan_sizes(size_wh, "crowd"))
    assert len(detector.sizes_wh) == tiles


@pytest.mark.parametrize("scale", [2, 4])
def test_faces_of_a_reduced_picture_are_in_pixels_of_the_whole(scale):
    image = white_square((4000, 3000), (800, 400), 240)
    small = np.ascontiguousarray(image[::scale, ::scale])
    faces = find_faces(small, WhiteDetector(), 0.5, "fast", size_wh=(4000, 3000))
    assert np.abs(faces.xyxy[0] - [800, 400, 1040, 640]).max() <= 7
