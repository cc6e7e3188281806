"""Optical flow carries boxes, and scenes differ where both measures say so."""

from __future__ import annotations

import numpy as np
import pytest

from unionveil.video.flow import Motion, looks_like, move, sketch


def texture(seed: int = 0, shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (60, 80), np.uint8).repeat(4, 0).repeat(4, 1)
    return np.ascontiguousarray(np.roll(noise, shift, axis=(0, 1)))


@pytest.mark.parametrize("shift", [(0, 6), (-5, 0), (4, -7)])
def test_a_box_moves_with_its_pixels(shift):
    field = Motion()(texture(), texture(shift=shift))
    moved = move(np.array([[100, 80, 160, 150]], np.float32), field, 1.0)
    assert moved[0] == pytest.approx([100 + shift[1], 80 + shift[0], 160 + shift[1], 150 + shift[0]], abs=1.0)


def test_a_field_of_a_reduced_frame_moves_boxes_of_the_frame():
    field = Motion()(texture(), texture(shift=(0, 5)))
    moved = move(np.array([[400, 320, 640, 600]], np.float32), field, 0.25)
    assert moved[0, 0] == pytest.approx(420, abs=4)


def test_boxes_outside_and_tiny_frames_are_carried_too():
    field = Motion()(texture(), texture(shift=(0, 5)))
    moved = move(np.array([[-50, -50, -20, -20], [310, 230, 400, 300]], np.float32), field, 1.0)
    assert np.isfinite(moved).all()
    assert Motion()(np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)).shape == (8, 8, 2)


def test_other_scenes_do_not_look_alike_and_the_same_scene_does():
    dark = sketch((texture(1) // 4).astype(np.uint8))
    bright = sketch((texture(2) // 4 + 180).astype(np.uint8))
    assert not looks_like(dark, bright)
    assert looks_like(sketch(texture()), sketch(texture(shift=(0, 12))))
    assert looks_like(sketch(texture()), sketch(np.clip(texture().astype(int) + 15, 0, 255).astype(np.uint8)))
