"""The detector of number plates on drawn cars."""

import numpy as np
import pytest

from plate_scenes import PLATES, car_with_plate
from unionveil import AnonymizeConfig
from unionveil.detect import load_finder
from unionveil.detections import Kind
from unionveil.images import Colour, Frame
from unionveil.models.cards import CARDS, PLATE_DETECTOR
from unionveil.models.store import find as find_weights
from unionveil.redact import load_redactor, redacted

CONFIG = AnonymizeConfig(cover="plate")


@pytest.fixture(scope="module")
def find():
    return load_finder(CONFIG, 1)


@pytest.mark.parametrize("width_px", [60, 150])
@pytest.mark.parametrize("region", PLATES)
def test_a_plate_is_covered_and_the_car_is_not(find, region, width_px):
    photo, (x0, y0, x1, y1) = car_with_plate(region, width_px)
    found = find(photo)
    assert set(found.kind.tolist()) == {Kind.PLATE}
    frame = Frame(photo, Colour.RGB)
    changed = (redacted(frame, load_redactor(CONFIG)(frame, found)).pixels != photo).any(axis=2)
    assert changed[y0:y1, x0:x1].mean() > 0.95
    assert changed.sum() < 4 * (x1 - x0) * (y1 - y0)


def test_a_car_without_a_plate_stays_as_it_is(find):
    assert not len(find(car_with_plate("eu", blank=True)[0]))
    assert not len(find(np.full((300, 400, 3), 128, np.uint8)))


def test_plates_need_no_other_weights_than_ours():
    assert [card.name for card in CONFIG.cards] == [PLATE_DETECTOR]
    assert find_weights(CARDS[PLATE_DETECTOR]).stat().st_size < 2_000_000


def test_faces_and_plates_are_found_side_by_side():
    photo, _ = car_with_plate("eu")
    assert Kind.PLATE in load_finder(AnonymizeConfig(cover="face,plate"), 1)(photo).kind
