"""Alignment against Umeyama's own formula, and against a warp of the whole picture."""

import cv2
import numpy as np
import pytest

from unionveil.identity.align import ARCFACE_112, aligned, similarity


def umeyama(source, target):
    """Equations 40 to 42 of the paper, by singular value decomposition, reflections excluded."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = source - source_mean, target - target_mean
    u, s, vt = np.linalg.svd(b.T @ a / len(source))
    sign = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ sign @ vt
    scale = np.trace(np.diag(s) @ sign) / (a**2).sum() * len(source)
    return np.column_stack([scale * rotation, target_mean - scale * rotation @ source_mean])


def faces(count, seed=0):
    rng = np.random.default_rng(seed)
    angle, size = rng.uniform(-3, 3, count), rng.uniform(0.2, 20, count)
    turn = np.stack(
        [np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], 1
    )
    points = size[:, None, None] * (ARCFACE_112 - 56) @ turn.transpose(0, 2, 1)
    return (
        points + rng.uniform(0, 4000, (count, 1, 2)) + rng.normal(0, 3, (count, 5, 2)) * size[:, None, None]
    )


def test_similarities_are_those_of_umeyama():
    landmarks = faces(50)
    expected = [umeyama(points, ARCFACE_112.astype(float)) for points in landmarks]
    np.testing.assert_allclose(similarity(landmarks, ARCFACE_112), expected, rtol=1e-7, atol=1e-7)


def test_missing_and_degenerate_landmarks_have_no_similarity():
    landmarks = faces(4).astype(np.float32)
    landmarks[1, 2] = np.nan
    landmarks[2] = 7
    assert np.isfinite(similarity(landmarks, ARCFACE_112)).all(axis=(1, 2)).tolist() == [
        True,
        False,
        False,
        True,
    ]
    assert similarity(np.zeros((0, 5, 2)), ARCFACE_112).shape == (0, 2, 3)


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.9])
def test_crops_equal_a_warp_of_the_whole_picture(scale):
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (300, 400, 3), np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)
    landmarks = (ARCFACE_112 - 56) * scale + [[210, 140]]
    (matrix,) = similarity(landmarks[None], ARCFACE_112)
    expected = cv2.warpAffine(image, matrix, (112, 112))
    (crop,) = aligned(image, matrix[None], 112)
    assert np.abs(crop.astype(int) - expected).max() <= 2  # fixed-point coordinates of the warp


def test_pixels_beyond_the_picture_are_black():
    image = np.full((80, 80, 3), 200, np.uint8)
    inside, outside = ARCFACE_112 - 60, ARCFACE_112 + 5000
    crops = aligned(image, similarity(np.stack([inside, outside]), ARCFACE_112), 112)
    assert (crops[0][:50, :50] == 0).all() and (crops[0][70:100, 70:100] == 200).all()
    assert not crops[1].any()


def test_large_faces_are_averaged_not_skipped_through():
    """Stripes of one pixel become grey; a bare warp would show some of them."""
    image = np.zeros((1200, 1200, 3), np.uint8)
    image[:, ::2] = 255
    landmarks = (ARCFACE_112 - 56) * 8 + 600
    (crop,) = aligned(image, similarity(landmarks[None], ARCFACE_112), 112)
    assert np.abs(crop.astype(int) - 127).max() <= 2


def test_a_large_face_lands_where_a_small_one_does():
    """Shrunk in one step and averaged first, both sizes of the picture give the same crop."""
    rng = np.random.default_rng(2)
    noise = rng.integers(0, 256, (150, 150, 3), np.uint8)
    small = np.asarray(cv2.GaussianBlur(noise, (0, 0), 4), np.uint8)
    large = np.asarray(cv2.resize(small, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC), np.uint8)
    at = ARCFACE_112 + 15
    (one,) = aligned(small, similarity(at[None], ARCFACE_112), 112)
    (other,) = aligned(large, similarity((at[None] + 0.5) * 6 - 0.5, ARCFACE_112), 112)
    assert np.abs(one.astype(int) - other).max() <= 4
