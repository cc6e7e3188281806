"""Drawn plates, the cars and photos around them, and the maps that are learned."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import ImageFont

pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from training.plates.cars import Car, draw_car, warp_in
from training.plates.layouts import LAYOUTS, Drawer, draw_words
from training.plates.net import STRIDE_PX
from training.plates.scenes import SHRINK, SIDE_PX, Scenes, shrunk
from training.plates.wear import photographed, worn


def drawer(seed: int = 0) -> Drawer:
    font = ImageFont.load_default(64)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return Drawer([font], [], np.random.default_rng(seed))


def scenes(seed: int = 0) -> Scenes:
    rng = np.random.default_rng(seed)
    draw = drawer(seed)
    photos = [rng.integers(0, 256, (120, 200, 3), np.uint8), np.full((300, 80, 3), 90, np.uint8)]
    return Scenes(photos, [draw() for _ in range(9)], [draw_words(draw, rng) for _ in range(5)], rng)


def test_plates_have_the_shapes_of_their_countries() -> None:
    rng = np.random.default_rng(0)
    for layout in set(LAYOUTS):
        height, width = layout(drawer(), rng).shape[:2]
        assert 1.6 < width / height < 4.9


def test_a_number_is_dark_on_light_or_light_on_dark() -> None:
    for seed in range(20):
        plate = drawer(seed)().astype(int).sum(axis=2)
        assert np.ptp(np.percentile(plate, [3, 97])) > 100


def test_cores_are_smaller_by_a_share_of_area_over_perimeter() -> None:
    corners = np.array([[10, 20], [110, 20], [110, 45], [10, 45]], np.float64)
    by = SHRINK * 100 * 25 / 250
    assert shrunk(corners) == pytest.approx(corners + by * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]))


def test_the_core_of_a_sliver_stays_inside_of_it() -> None:
    corners = np.array([[0, 0], [100, 0], [100, 0.5], [0, 0.5]])
    core = shrunk(corners)
    assert (core.min(axis=0) >= corners.min(axis=0)).all() and (core.max(axis=0) <= corners.max(axis=0)).all()


def test_a_patch_lies_where_its_corners_are_and_nowhere_else() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    corners = np.array([[20, 10], [60, 15], [58, 40], [22, 38]], np.float64)
    warp_in(image, np.full((20, 40, 3), 200, np.uint8), corners)
    inside = np.zeros((60, 80), np.uint8)
    cv2.fillConvexPoly(inside, np.round(corners).astype(np.int32), (1,))
    assert (image[cv2.erode(inside, np.ones((5, 5))) > 0] == 200).all()
    assert not image[cv2.dilate(inside, np.ones((5, 5))) == 0].any()


def test_a_patch_may_reach_beyond_the_image() -> None:
    image = np.zeros((30, 30, 3), np.uint8)
    warp_in(
        image, np.full((9, 9, 3), 9, np.uint8), np.array([[-9, -9], [9, -9], [9, 9], [-9, 9]], np.float64)
    )
    assert image[:8, :8].all() and not image[12:].any()


def test_a_car_is_drawn_around_its_plate() -> None:
    place = np.array([[0.1, 0, 128], [0, 0.1, 140], [0, 0, 1]])
    for seed in range(10):
        image = np.full((SIDE_PX, SIDE_PX, 3), [255, 0, 255], np.uint8)
        texture = np.zeros_like(image)
        draw_car(Car(image, place, (520, 110), [texture[:9, :30]], texture, np.random.default_rng(seed)))
        assert (image[128:148, 90:166] != [255, 0, 255]).any(axis=2).all()
        assert (image[:, :5] == [255, 0, 255]).all()


def test_scenes_mark_plates_and_nothing_else() -> None:
    make = scenes()
    found = [make() for _ in range(60)]
    for scene in found:
        assert scene.image.shape == (SIDE_PX, SIDE_PX, 3) and scene.image.dtype == np.uint8
        assert scene.core.shape == scene.weight.shape == (SIDE_PX // STRIDE_PX,) * 2
        assert set(np.unique(scene.core)) <= {0, 1} and set(np.unique(scene.weight)) <= {0, 1}
    marked = [scene.core.mean() for scene in found]
    assert 0.3 < np.mean([share > 0 for share in marked]) < 0.95
    assert max(marked) < 0.4


def test_equal_seeds_give_equal_scenes() -> None:
    a, b = scenes(3), scenes(3)
    for _ in range(4):
        assert np.array_equal(a().image, b().image)


def test_wear_and_cameras_keep_sizes_and_change_pixels() -> None:
    rng = np.random.default_rng(0)
    plate = drawer()()
    for _ in range(30):
        height, width = worn(plate, 20, rng).shape[:2]
        assert height == 30 and width == pytest.approx(plate.shape[1] * 30 / plate.shape[0], abs=1)
        image = rng.integers(0, 256, (64, 64, 3), np.uint8)
        assert photographed(image.copy(), rng).shape == image.shape
