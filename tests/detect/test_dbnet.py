"""From a map of probabilities to lines of text."""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionveil import AnonymizeConfig
from unionveil.boxes import cover_boxes, cover_pixels
from unionveil.detect.dbnet import Dbnet
from unionveil.detect.dbnet import lines as boxes_of_lines
from unionveil.detections import Kind
from unionveil.models.cards import CARDS, PLATE_DETECTOR, TEXT_DETECTOR


def drawn(*cores, size_wh=(400, 300), value=0.9):
    """A map with turned rectangles: centre, size and angle in degrees of each."""
    probability = np.zeros(size_wh[::-1], np.float32)
    for core in cores:
        corners = cv2.boxPoints(core)
        cv2.fillPoly(probability, [np.round(corners).astype(np.int32)], value)
    return probability


def lines(probability, threshold):
    """Lines of text as PP-OCR's network draws them."""
    return boxes_of_lines(probability, threshold, CARDS[TEXT_DETECTOR])


def union(boxes, size_wh):
    """`(H, W)`: the pixels that boxes cover."""
    mask = np.zeros(size_wh[::-1], bool)
    for x0, y0, x1, y1 in cover_pixels(boxes, size_wh).tolist():
        mask[y0:y1, x0:x1] = True
    return mask


@given(st.floats(20, 160), st.floats(12, 40), st.floats(-90, 90), st.floats(120, 280), st.floats(110, 190))
def test_the_cover_holds_the_whole_turned_line(width, height, angle, x, y):
    """The network's cores are lines shrunk by .84 * area / perimeter; the cover must hold the line again."""
    area, perimeter = width * height, 2 * (width + height)
    inset = 2 * 0.84 * area / perimeter
    found = lines(drawn(((x, y), (width - inset, height - inset), angle)), 0.5)
    line = drawn(((x, y), (width - 4, height - 4), angle)) > 0
    # Cores are drawn on whole pixels, which moves their edges and what they grow by.
    assert union(cover_boxes(found, 0, AnonymizeConfig().text_margin), (400, 300))[line].all()


@given(st.lists(st.tuples(st.integers(20, 370), st.integers(20, 270), st.integers(6, 200), st.integers(3, 30),
                          st.integers(-90, 90)), min_size=1, max_size=6))  # fmt: skip
def test_everything_that_is_marked_is_covered(parts):
    """Crossing strokes make bent and branching cores, with holes."""
    probability = drawn(*(((x, y), (width, height), angle) for x, y, width, height, angle in parts))
    marked = cv2.morphologyEx((probability > 0).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3))) > 0
    assert union(lines(probability, 0.5).xyxy, (400, 300))[marked].all()


def test_a_steep_line_gets_several_boxes_that_cover_less_than_one():
    found = lines(drawn(((200, 150), (200, 14), 40)), 0.5)
    grown = cv2.boxPoints(((200, 150), (223, 37), 40))
    assert len(found) > 2
    assert union(found.xyxy, (400, 300)).sum() < 0.55 * np.ptp(grown, axis=0).prod()
    assert len(lines(drawn(((200, 150), (200, 14), 2)), 0.5)) == 1


def test_what_a_frame_surrounds_stays_visible():
    frame = drawn(((200, 40), (300, 10), 0), ((200, 260), (300, 10), 0), ((55, 150), (10, 220), 0))
    found = lines(frame, 0.5)
    covered = union(found.xyxy, (400, 300))
    assert covered[frame > 0].all()
    assert not covered[100:200, 100:300].any()


def test_lines_are_text_and_best_first():
    strong, weak = ((100, 80), (90, 12), 0), ((200, 200), (90, 12), 30)
    probability = np.maximum(drawn(strong, value=0.95), drawn(weak, value=0.6))
    found = lines(probability, 0.5)
    assert found.kind.tolist() == [Kind.TEXT, Kind.TEXT]
    assert found.score.tolist() == pytest.approx([0.95, 0.6])
    assert len(lines(probability, 0.7)) == 1
    assert np.isnan(found.landmarks).all()


def test_plates_have_their_own_kind_and_grow_less():
    probability = drawn(((200, 150), (90, 20), 0))
    ((x0, y0, x1, y1),) = boxes_of_lines(probability, 0.5, CARDS[PLATE_DETECTOR]).xyxy
    assert boxes_of_lines(probability, 0.5, CARDS[PLATE_DETECTOR]).kind.tolist() == [Kind.PLATE]
    ((left, top, right, bottom),) = lines(probability, 0.5).xyxy
    assert left < x0 < 155 and top < y0 < 140 and 245 < x1 < right and 160 < y1 < bottom


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
