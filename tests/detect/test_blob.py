"""Tensors equal those of OpenCV's own function exactly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from unionveil.detect.blob import to_blob


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize(
    ("mean", "scale"),
    [((0.0, 0.0, 0.0), 1 / 255), ((104.0, 117.0, 123.0), 1.0), ((123.675, 116.28, 103.53), 1 / 58)],
)
def test_equals_opencv(channels: str, mean: tuple[float, float, float], scale: float) -> None:
    image = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    expected = cv2.dnn.blobFromImage(image, scale, mean=mean, swapRB=channels == "bgr")
    np.testing.assert_array_equal(to_blob(image, channels=channels, mean=mean, scale=scale), expected)


def test_pads_with_the_mean_on_the_right_and_below() -> None:
    image = np.zeros((33, 10, 3), np.uint8)
    blob = to_blob(image, channels="bgr", mean=(10.0, 20.0, 30.0))
    assert blob.shape == (1, 3, 64, 32)
    np.testing.assert_array_equal(
        blob[0, :, :33, :10], np.broadcast_to([[[-10]], [[-20]], [[-30]]], (3, 33, 10))
    )
    assert not blob[0, :, 33:].any() and not blob[0, :, :, 10:].any()
