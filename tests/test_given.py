"""Boxes from other sources: those that do not fit are refused, never left out."""

from __future__ import annotations

import numpy as np
import pytest

from unionveil.detections import Detections, Kind
from unionveil.given import GivenBoxes, lay
from unionveil.images import Colour, Frame, ImageFormat, Picture
from unionveil.images.picture import writer
from unionveil.outcomes import Rejected
from unionveil.pipeline import Inspection

FOUND = Detections.of([[10, 10, 30, 30]], [0.9])


def inspection(frames: int = 1) -> Inspection:
    made = tuple(Frame(np.zeros((100, 200, 3), np.uint8), Colour.RGB) for _ in range(frames))
    return Inspection(Picture(ImageFormat.PNG, made, writer(made, lambda _: b"")), (FOUND,) * frames)


def boxes(*xyxy: tuple[float, float, float, float]) -> Detections:
    return Detections.of(np.reshape(xyxy, (-1, 4)), np.ones(len(xyxy)))


def test_boxes_replace_the_detectors():
    laid = lay(GivenBoxes((boxes((50, 50, 60, 60)),), "instead"), inspection(2))
    assert isinstance(laid, Inspection)
    assert [faces.xyxy.tolist() for faces in laid.faces] == [[[50, 50, 60, 60]], []]


def test_boxes_beside_the_detectors_cover_both():
    laid = lay(GivenBoxes((boxes((50, 50, 60, 60), (12, 10, 32, 30)),), "beside"), inspection())
    assert isinstance(laid, Inspection)
    # The second is the detector's face: one cover contains both boxes.
    assert sorted(laid.faces[0].xyxy.tolist()) == [[10, 10, 32, 30], [50, 50, 60, 60]]


def test_boxes_from_a_file_without_frames_hold_for_every_frame():
    laid = lay(GivenBoxes((boxes((50, 50, 60, 60)),), "beside", knows_frames=False), inspection(3))
    assert isinstance(laid, Inspection)
    assert [len(faces) for faces in laid.faces] == [2, 2, 2]


@pytest.mark.parametrize(
    ("given", "frames", "why"),
    [
        (GivenBoxes((boxes((200, 0, 210, 9)),), "beside"), 1, "outside"),
        (GivenBoxes((boxes((0, -9, 9, 0)),), "instead"), 1, "outside"),
        (GivenBoxes((boxes((9, 0, 5, 9)),), "instead"), 1, "outside"),
        (GivenBoxes((boxes(), boxes((1, 1, 9, 9))), "instead"), 1, "page 2"),
        (GivenBoxes((boxes((1, 1, 9, 9)),), "instead", knows_frames=False), 2, "2 frames"),
    ],
)
def test_boxes_that_do_not_fit_withhold_the_picture(given, frames, why):
    laid = lay(given, inspection(frames))
    assert isinstance(laid, Rejected)
    assert why in laid.detail


def test_a_digest_changes_with_everything_that_affects_the_covers():
    made = [
        GivenBoxes((boxes(),), "instead"),
        GivenBoxes((boxes(),), "beside"),
        GivenBoxes((boxes(),), "instead", knows_frames=False),
        GivenBoxes((boxes(),), "instead", photo="x"),
        GivenBoxes((boxes(), boxes()), "instead"),
        GivenBoxes((boxes((1, 1, 9, 9)),), "instead"),
        GivenBoxes((boxes((1, 1, 9, 9.5)),), "instead"),
        GivenBoxes((Detections.of([[1, 1, 9, 9]], [1.0], kind=Kind.TEXT),), "instead"),
    ]
    assert len({given.digest() for given in made}) == len(made)
