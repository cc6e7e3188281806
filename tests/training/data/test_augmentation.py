"""A painted face must be where its label says after every augmentation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.data.distractors import add_distractors
from training.data.labels import Labels
from training.data.mixing import copy_paste, mixup
from training.data.occlusion import occlude
from training.data.photometric import photometric
from training.data.scene import scene
from training.data.views import flip, mosaic, random_view, rotate, take_view

RED = (30, 30, 220)


def painted(box: tuple[int, int, int, int] = (60, 40, 100, 90)) -> tuple[np.ndarray, Labels]:
    """A black image with one red ellipse, labelled as a face whose eyes are its left and right ends."""
    image = np.zeros((160, 200, 3), np.uint8)
    x0, y0, x1, y1 = box
    y, x = np.mgrid[:160, :200] + 0.5
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    image[((x - cx) / ((x1 - x0) / 2)) ** 2 + ((y - cy) / ((y1 - y0) / 2)) ** 2 <= 1] = RED
    points = np.array([[x0, cy], [x1, cy], [cx, cy], [cx - 5, y1], [cx + 5, y1]], np.float32)
    return image, Labels(
        np.array([box], np.float32), points[None], np.ones(1, np.float32), *np.zeros((2, 1), bool)
    )


def extent(image: np.ndarray) -> np.ndarray:
    """xyxy of the red pixels."""
    rows, columns = np.nonzero((image[..., 2] > 130) & (image[..., 0] < 100))
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)


def test_flip_moves_the_box_and_swaps_left_and_right() -> None:
    image, labels = flip(*painted())
    np.testing.assert_allclose(labels.xyxy[0], extent(image), atol=1)
    left, right = labels.points[0, 0], labels.points[0, 1]
    assert left[0] < right[0]
    again_image, again = flip(image, labels)
    np.testing.assert_array_equal(again_image, painted()[0])
    np.testing.assert_allclose(again.points, painted()[1].points)


@pytest.mark.parametrize("degrees", [-30.0, 12.0, 90.0])
def test_rotate_moves_the_box(degrees: float) -> None:
    image, labels = rotate(*painted(), degrees)
    np.testing.assert_allclose(labels.xyxy[0], extent(image), atol=1.5)


@pytest.mark.parametrize("scale", [(0.4, 0.4), (1.0, 1.0), (2.3, 2.3), (0.6, 1.0), (1.2, 0.8)])
def test_view_scales_the_box(scale: tuple[float, float]) -> None:
    image, labels = painted()
    view, visible = take_view(image, labels, (128, 96), scale, (80, 65), np.random.default_rng(1))
    assert view.shape == (96, 128, 3)
    np.testing.assert_allclose(visible.xyxy[0], extent(view), atol=2)
    assert not visible.ignore[0] or scale[0] == 2.3  # there a part of the face is outside


def test_views_show_hard_faces_more_often_and_at_their_own_sizes() -> None:
    image, easy = painted((10, 10, 30, 30))
    _, hard = painted((150, 110, 170, 130))
    both = Labels.concat([easy, replace(hard, hard=np.ones(1, bool))])
    rng, sides, whole = np.random.default_rng(0), [], np.zeros(2)
    for _ in range(600):
        _, visible = random_view(lambda _: (image, both), (64, 64), rng, crowd=1.0)
        shown = visible[~visible.ignore]
        whole += [(~shown.hard).sum(), shown.hard.sum()]
        sides += np.sqrt((shown.xyxy[shown.hard, 2:] - shown.xyxy[shown.hard, :2]).prod(1)).tolist()
    assert whole[1] > 1.5 * whole[0]
    assert np.mean([18 <= side <= 60 for side in sides]) > 0.6


def test_face_cut_by_the_view_counts_is_ignored_or_dropped_by_what_is_left() -> None:
    image, labels = painted()
    rng = np.random.default_rng(0)
    _, half = take_view(image, labels, (36, 160), (1.0, 1.0), (100, 80), rng)  # from 82 on: almost half
    assert half.ignore.tolist() == [False]
    assert half.xyxy.tolist() == [[0, 40, 18, 90]]
    _, third = take_view(image, labels, (36, 160), (1.0, 1.0), (106, 80), rng)  # from 88 on: .3
    assert third.ignore.tolist() == [True]
    _, rest = take_view(image, labels, (40, 160), (1.0, 1.0), (116, 80), rng)  # from 96 on: a tenth
    assert len(rest) == 0


def test_hard_negative_stays_background_when_it_is_cut() -> None:
    image, labels = painted()
    negative = replace(labels, quality=np.zeros(1, np.float32))
    _, half = take_view(image, negative, (36, 160), (1.0, 1.0), (100, 80), np.random.default_rng(0))
    assert half.ignore.tolist() == half.face.tolist() == [False]


def test_tiny_face_is_ignored() -> None:
    image, labels = painted()
    _, visible = take_view(image, labels, (64, 64), (0.1, 0.1), (80, 65), np.random.default_rng(0))
    assert visible.ignore.tolist() == [True]


@pytest.mark.parametrize("seed", range(4))
def test_mosaic_boxes_hold_the_red_pixels(seed: int) -> None:
    image, labels = mosaic(lambda _: painted(), 320, np.random.default_rng(seed))
    assert image.shape == (320, 320, 3)
    assert len(labels) >= 1
    rest = image.copy()
    for x0, y0, x1, y1 in np.concatenate([labels.xyxy[:, :2] - 2, labels.xyxy[:, 2:] + 2], axis=1).astype(
        int
    ):
        box = image[max(0, y0) : y1, max(0, x0) : x1]
        assert (box[..., 2] > 130).mean() > 0.3
        rest[max(0, y0) : y1, max(0, x0) : x1] = 0
    # Red pixels outside the labels are rests of faces that a view cut: less than one face.
    assert ((rest[..., 2] > 130) & (rest[..., 0] < 100)).sum() < 0.02 * 320 * 320


def test_pasted_faces_are_labelled_where_they_lie() -> None:
    empty = np.zeros((200, 200, 3), np.uint8)
    image, labels = copy_paste(empty, Labels.empty(), lambda _: painted(), np.random.default_rng(3), 3)
    assert len(labels) == 3
    for x0, y0, x1, y1 in labels.xyxy:
        assert image[int((y0 + y1) / 2), int((x0 + x1) / 2), 2] > 130
    assert not empty.any()


@pytest.mark.parametrize("seed", range(5))
def test_mixup_changes_the_image_and_ignores_the_other_faces(seed: int) -> None:
    image, labels = painted()
    plain = np.full((160, 200, 3), 90, np.uint8)
    mixed, mixed_labels = mixup(plain, labels, lambda _: (image, labels), np.random.default_rng(seed))
    assert (plain == 90).all()
    np.testing.assert_array_equal(mixed_labels.xyxy[:1], labels.xyxy)
    assert not mixed_labels.ignore[0]
    assert mixed_labels.ignore[1:].all()
    for x0, y0, x1, y1 in mixed_labels.xyxy[1:].astype(int):
        inside = mixed[(y0 + y1) // 2, (x0 + x1) // 2].astype(int)
        assert 0.1 * 130 - 2 <= inside[2] - 90 * 0.6 <= 0.4 * 220 + 90 * 0.3 + 2
        assert inside[2] > inside[0]
    assert (mixed[..., 0] < 90).any()


def occluded(seed: int) -> np.ndarray:
    """`(160, 200)` whether occlusion changed the pixel, of a painted face on a green wall."""
    image, labels = painted()
    image[image.sum(axis=2) == 0] = (60, 90, 60)
    return (occlude(image, labels, np.random.default_rng(seed), chance=1.0) != image).any(axis=2)


def test_occlusion_changes_part_of_the_face_and_nothing_far_from_it() -> None:
    hidden = 0
    for seed in range(20):
        changed = occluded(seed)
        hidden += changed[40:90, 60:100].mean() > 0.02
        assert changed[40:90, 60:100].mean() < 0.6
        assert not changed[:, : 60 - 40 + 1].any()
        assert not changed[:, 100 + 40 :].any()
    assert hidden >= 12  # the others found no free patch


def test_some_faces_get_hats() -> None:
    hats = 0
    for seed in range(60):
        changed = occluded(seed)
        hats += bool(
            changed[28:40, 60:100].any() and changed[40:55, 60:100].mean() > 0.3 and not changed[70:].any()
        )
    assert hats >= 3


def test_occluding_patch_holds_no_face() -> None:
    """All but one corner of the image is another face: there is no free patch."""
    image, labels = painted()
    other = np.array([[0, 90, 200, 160]], np.float32)
    crowded = replace(
        labels, xyxy=np.concatenate([labels.xyxy, other]), points=labels.points[[0, 0]] * np.nan
    )
    crowded = replace(crowded, quality=np.array([1, 0.3], np.float32), ignore=np.zeros(2, bool))
    image[90:] = RED
    for seed in range(40):
        hidden = occlude(image, crowded, np.random.default_rng(seed), chance=1.0)
        assert not (hidden[:38] == RED).all(axis=2).any()
        np.testing.assert_array_equal(hidden[120:], image[120:])


def test_distractors_are_drawn_everywhere_but_on_a_face() -> None:
    image, labels = painted()
    drawn = add_distractors(image, labels, lambda _: painted(), np.random.default_rng(4), 60)
    changed = (drawn != image).any(axis=2)
    assert changed[60:, 110:].mean() > 0.2
    assert not changed[45:85, 65:95].any()
    assert extent(image).tolist() == extent(painted()[0]).tolist()


def test_distractors_hold_no_part_of_a_face() -> None:
    """The only other photo is one large red face: no patch of it may be used."""
    face = np.full((160, 200, 3), RED, np.uint8)
    box = np.array([[0, 0, 200, 160]], np.float32)
    labels = Labels(
        box, np.full((1, 5, 2), np.nan, np.float32), np.ones(1, np.float32), *np.zeros((2, 1), bool)
    )
    empty = np.zeros((160, 200, 3), np.uint8)
    drawn = add_distractors(empty, Labels.empty(), lambda _: (face, labels), np.random.default_rng(1), 60)
    assert drawn.any()
    assert not (drawn == RED).all(axis=2).any()


def test_hard_negatives_are_neither_pasted_nor_occluded() -> None:
    image, labels = painted()
    negative = replace(labels, quality=np.zeros(1, np.float32))
    rng = np.random.default_rng(0)
    for hard in (negative, replace(labels, quality=np.full(1, 0.4, np.float32))):
        np.testing.assert_array_equal(occlude(image, hard, rng, chance=1.0), image)
    pasted, pasted_labels = copy_paste(image, negative, lambda _: (image, negative), rng, 20)
    np.testing.assert_array_equal(pasted, image)
    assert not pasted_labels.face.any()


def test_photometric_keeps_the_shape_and_repeats_with_the_seed() -> None:
    image, _ = painted()
    for seed in range(12):
        one, two = (photometric(image, np.random.default_rng(seed)) for _ in range(2))
        assert one.shape == image.shape
        assert one.dtype == np.uint8
        np.testing.assert_array_equal(one, two)


def test_scene_has_finite_boxes_inside_the_image() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        image, labels = scene(lambda _: painted(), 160, rng, 1.0)
        assert image.shape == (160, 160, 3)
        assert np.isfinite(labels.xyxy).all()
        assert (labels.xyxy >= 0).all()
        assert (labels.xyxy <= 160).all()
        sides = (labels.xyxy[:, 2:] - labels.xyxy[:, :2])[~labels.ignore]
        assert (sides >= 6).all()


def test_lower_strength_augments_less() -> None:
    def most_faces(augment_strength: float) -> int:
        rng = np.random.default_rng(6)
        return max(len(scene(lambda _: painted(), 160, rng, augment_strength)[1]) for _ in range(20))

    assert most_faces(0.0) == 1
    assert most_faces(1.0) > 4
