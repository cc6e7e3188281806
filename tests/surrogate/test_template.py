"""The landmark frame: the region that a surrogate covers."""

import numpy as np
import pytest

from unionveil.surrogate.template import (
    EYES_PX,
    HEAD,
    SIZE_WH,
    TEMPLATE,
    Laid,
    chips,
    covered_share,
    lay,
    oval_region,
    to_frame,
    yaw_of,
)

SAME = np.eye(2, 3)


def landmarks(centre=(120, 100), eyes_px=40.0, degrees=0.0) -> np.ndarray:
    """`(1, 5, 2)` landmarks of a face of that size, turned in the picture's plane."""
    angle = np.deg2rad(degrees)
    turn = np.asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shape = (TEMPLATE - TEMPLATE.mean(axis=0)) / EYES_PX * eyes_px
    return (shape @ turn.T + centre)[None].astype(np.float32)


def face() -> np.ndarray:
    """A face of one colour."""
    return np.full((*SIZE_WH[::-1], 3), (200, 100, 50), np.uint8)


def laid_over(face_pixels: np.ndarray, matrix: np.ndarray, size_wh: tuple[int, int]) -> Laid:
    laid = lay(face_pixels, SAME, matrix, size_wh)
    assert laid is not None
    return laid


@pytest.mark.parametrize("degrees", [0, 30, -75, 180])
@pytest.mark.parametrize("eyes_px", [6, 40, 90])
def test_a_face_is_replaced_whole_inside_the_oval(degrees, eyes_px):
    points = landmarks((300, 300), eyes_px, degrees)
    laid = laid_over(face(), to_frame(points)[0], (600, 600))
    rows, columns = np.mgrid[laid.rows, laid.columns]
    angle = np.deg2rad(degrees)
    middle = points[0, :2].mean(axis=0) + 0.42 * eyes_px * np.asarray([-np.sin(angle), np.cos(angle)])
    x, y = columns + 0.5 - middle[0], rows + 0.5 - middle[1]
    across, along = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius = np.hypot(across / (1.43 * eyes_px), along / (1.88 * eyes_px))
    alpha = laid.alpha[..., 0]
    assert (alpha[radius <= 1] == 1).all()
    assert (alpha[radius > 1.18 + 2 / min(eyes_px, EYES_PX)] == 0).all()
    assert np.abs(laid.rgb[radius <= 1] - (200, 100, 50)).max() < 1


def test_a_face_pasted_where_it_was_cut_is_the_same():
    rng = np.random.default_rng(1)
    image = np.repeat(np.repeat(rng.integers(0, 255, (20, 24, 3), np.uint8), 10, axis=0), 10, axis=1)
    matrix = to_frame(landmarks(eyes_px=EYES_PX, degrees=20))
    laid = laid_over(chips(image, matrix)[0], matrix[0], image.shape[1::-1])
    inside = laid.alpha[..., 0] == 1
    difference = np.abs(laid.rgb - image[laid.rows, laid.columns])[inside]
    assert np.median(difference) < 2


def test_a_face_at_the_edge_stays_in_the_picture():
    laid = laid_over(face(), to_frame(landmarks((3, 4)))[0], (100, 80))
    assert laid.rows.start == laid.columns.start == 0
    assert laid.rgb.shape[:2] == laid.alpha.shape[:2] == laid.mask.shape


def test_a_face_outside_of_the_picture_is_nowhere():
    matrix = to_frame(landmarks((-500, 20)))[0]
    assert lay(face(), SAME, matrix, (100, 80)) is None
    assert oval_region(matrix, HEAD, (100, 80)) is None


def test_the_head_contains_the_whole_oval():
    matrix = to_frame(landmarks((300, 300), degrees=25))[0]
    laid = laid_over(face(), matrix, (600, 600))
    region = oval_region(matrix, HEAD, (600, 600))
    assert region is not None
    rows, columns, mask = region
    covered = np.zeros((600, 600), bool)
    covered[rows, columns] = mask
    assert covered[laid.rows, laid.columns][laid.mask].all()


def test_landmarks_that_do_not_fit_their_box_cover_little_of_it():
    points = landmarks((100, 100), eyes_px=40)
    matrices = to_frame(np.concatenate([points] * 4))
    matrices[3] = np.nan
    boxes = np.asarray([[55, 40, 145, 160], [100, 40, 240, 240], [0, 0, 400, 400], [55, 40, 145, 160]])
    share = covered_share(matrices, boxes.astype(np.float32))
    assert share[0] > 0.97
    assert share[1] < 0.6
    assert share[2] < 0.2
    assert share[3] == 0


def test_a_turned_head_has_its_nose_to_the_side():
    points = landmarks(eyes_px=50, degrees=33)
    turned = landmarks(eyes_px=50)
    turned[0, 2, 0] += 10
    assert yaw_of(points)[0] == pytest.approx(0, abs=1e-4)
    assert 0.1 < yaw_of(turned)[0] < 0.25
