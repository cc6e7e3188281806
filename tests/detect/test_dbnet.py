"""From a map of probabilities to lines of text."""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionveil import AnonymizeConfig
from unionveil.boxes import cover_boxes
from unionveil.detect.dbnet import Dbnet, lines
from unionveil.detections import Kind


def drawn(*cores, size_wh=(400, 300), value=0.9):
    """A map with turned rectangles: centre, size and angle in degrees of each."""
    probability = np.zeros(size_wh[::-1], np.float32)
    for core in cores:
        corners = cv2.boxPoints(core)
        cv2.fillPoly(probability, [np.round(corners).astype(np.int32)], value)
    return probability


@given(st.floats(20, 160), st.floats(12, 40), st.floats(-90, 90), st.floats(120, 280), st.floats(110, 190))
def test_the_cover_holds_the_whole_turned_line(width, height, angle, x, y):
    """The network's cores are lines shrunk by .84 * area / perimeter; the cover must hold the line again."""
    area, perimeter = width * height, 2 * (width + height)
    inset = 2 * 0.84 * area / perimeter
    found = lines(drawn(((x, y), (width - inset, height - inset), angle)), 0.5)
    corners = cv2.boxPoints(((x, y), (width, height), angle))
    assert len(found) == 1
    (box,) = cover_boxes(found, 0, AnonymizeConfig().text_margin)
    # Cores are drawn on whole pixels, which moves their edges and what they grow by.
    assert (box[:2] <= corners.min(axis=0) + 2).all()
    assert (box[2:] >= corners.max(axis=0) - 2).all()


def test_lines_are_text_and_best_first():
    strong, weak = ((100, 80), (90, 12), 0), ((200, 200), (90, 12), 30)
    probability = np.maximum(drawn(strong, value=0.95), drawn(weak, value=0.6))
    found = lines(probability, 0.5)
    assert found.kind.tolist() == [Kind.TEXT, Kind.TEXT]
    assert found.score.tolist() == pytest.approx([0.95, 0.6])
    assert len(lines(probability, 0.7)) == 1
    assert np.isnan(found.landmarks).all()


def test_single_pixels_are_noise():
    probability = np.zeros((50, 50), np.float32)
    probability[10, 10] = probability[30, 40] = 1
    assert not len(lines(probability, 0.5))


def test_a_map_without_text():
    assert not len(lines(np.zeros((1, 1), np.float32), 0.5))


class PaddedSession:
    """A network that finds a line in its padding, and one in the picture."""

    multiple_px = 32
    input_shape = (1, 3, None, None)
    output_names = ("probability",)
    fixed_wh = None

    def __init__(self):
        self.blobs = []

    def run(self, blob, outputs):
        self.blobs.append(blob)
        probability = np.zeros((1, 1, *blob.shape[2:]), np.float32)
        probability[..., 10:16, 5:60] = 0.9
        probability[..., 60:64, :] = 0.9
        return [probability]


@pytest.fixture
def network(tmp_path, monkeypatch):
    """A detector whose weights are any file, on a session that counts."""
    import hashlib

    from unionveil.models.cards import CARDS, TEXT_DETECTOR

    card = CARDS[TEXT_DETECTOR].model_copy(
        update={"package": None, "sha256": hashlib.sha256(b"graph").hexdigest()}
    )
    (tmp_path / card.file).write_bytes(b"graph")
    monkeypatch.setenv("UNIONVEIL_MODEL_DIR", str(tmp_path))
    session = PaddedSession()
    opened: Any = session
    return Dbnet(card, lambda _: opened), session


def test_the_padding_is_not_looked_at(network):
    detect, session = network
    found = detect(np.full((50, 70, 3), 255, np.uint8), 0.5)
    assert session.blobs[0].shape == (1, 3, 64, 96)
    assert len(found) == 1
    assert found.xyxy[0, 3] < 30


def test_pixels_reach_the_network_blue_first_from_minus_one_to_one(network):
    detect, session = network
    image = np.zeros((32, 32, 3), np.uint8)
    image[..., 0] = 255
    detect(image, 0.5)
    assert session.blobs[0][0, :, 0, 0].tolist() == [-1, -1, 1]


def test_text_is_never_looked_at_in_a_mirror(network):
    detect, session = network
    detect(np.zeros((32, 32, 3), np.uint8), 0.5, mirror=True)
    assert len(session.blobs) == 1
