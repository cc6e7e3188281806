"""Batches of two sizes, and photos drawn by weight."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from training.data.labels import Labels
from training.data.photos import Image
from training.data.views import Rng

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from training.data.batches import PhotoSampler, batch_at, to_input  # noqa: E402
from training.spec import MEAN_BGR  # noqa: E402

PHOTO = np.full((160, 200, 3), 90, np.uint8)
BOX = np.array([[60, 40, 100, 90]], np.float32)
LABELS = Labels(BOX, np.full((1, 5, 2), np.nan, np.float32), np.ones(1, np.float32), *np.zeros((2, 1), bool))


def sampler(rng: Rng) -> tuple[Image, Labels]:
    return PHOTO, LABELS


def test_every_other_batch_has_fewer_and_larger_images() -> None:
    rng = np.random.default_rng(5)
    for step, (count, side) in enumerate(((8, 96), (2, 192), (8, 96), (2, 192))):
        batch = batch_at(step, sampler, 8, 96, rng, 1.0)
        assert batch.images.shape == (count, 3, side, side)
        assert batch.face_image.max() < count
        assert len(batch.face_image) == len(batch.xyxy) == len(batch.quality)
        assert batch.xyxy.min() >= 0
        assert batch.xyxy.max() <= side


def test_input_is_planar_without_the_mean() -> None:
    image = np.zeros((2, 4, 3), np.uint8)
    image[1, 2] = (1, 2, 3)
    tensor = to_input(image)
    assert tensor.shape == (3, 2, 4)
    np.testing.assert_allclose(tensor[:, 1, 2], np.array([1, 2, 3]) - MEAN_BGR)


def record(source: str = "made", *, negative: bool = False, faces: int = 1) -> dict[str, Any]:
    return {"source": source, "negative": negative, "faces": [{"ignore": False}] * faces}


def test_photos_with_hard_boxes_are_drawn_more_often() -> None:
    images = {i: np.full((2, 2, 3), i, np.uint8) for i in range(2)}
    draw = PhotoSampler(images, [record()] * 2, {0: LABELS, 1: replace(LABELS, hard=np.ones(1, bool))})
    rng = np.random.default_rng(0)
    assert np.mean([draw(rng)[0][0, 0, 0] for _ in range(4000)]) == pytest.approx(1.6 / 2.7, abs=0.03)


def test_portraits_are_drawn_less_and_crowds_and_negatives_more_often() -> None:
    records = [record("lfw"), record(), record(negative=True, faces=0), record(faces=50)]
    images = {i: np.full((2, 2, 3), i, np.uint8) for i in range(4)}
    draw = PhotoSampler(images, records, dict.fromkeys(range(4), LABELS))
    rng = np.random.default_rng(0)
    drawn = np.bincount([draw(rng)[0][0, 0, 0] for _ in range(4000)], minlength=4) / 4000
    expected = np.array([0.5, 1.1, 2.5, 3.0])
    np.testing.assert_allclose(drawn, expected / expected.sum(), atol=0.03)
