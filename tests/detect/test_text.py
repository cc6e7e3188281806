"""The detector of text on pictures, judged by a recognizer that it knows nothing of."""

import numpy as np
import pytest

from checked import read_rgb
from samples import SCENES
from text_scenes import SCENES_WITH_TEXT
from unionveil import AnonymizeConfig
from unionveil.detect import load_finder
from unionveil.detections import Kind
from unionveil.images import Colour, Frame
from unionveil.models.cards import CARDS, TEXT_DETECTOR
from unionveil.models.store import state
from unionveil.redact import load_redactor, redacted

TEXT = AnonymizeConfig(cover="face,text")

pytestmark = pytest.mark.skipif(
    state(CARDS[TEXT_DETECTOR]) == "missing", reason="the detector of text is not here: install '.[text]'"
)


@pytest.fixture(scope="module")
def find():
    return load_finder(TEXT, 1)


def covered(find, image):
    """The picture with everything that is found covered, RGB."""
    frame = Frame(image, Colour.RGB)
    return redacted(frame, load_redactor(TEXT)(frame, find(image))).pixels


def test_finds_a_badge_and_no_text_without_one(find):
    found = find(SCENES_WITH_TEXT["badge"]())
    assert (found.kind == Kind.TEXT).sum() >= 3
    assert not (find(np.full((600, 800, 3), 128, np.uint8)).kind == Kind.TEXT).any()


def test_faces_are_those_that_are_found_without_text(find):
    market = read_rgb(SCENES / "market.jpg")
    alone = load_finder(AnonymizeConfig(), 1)(market)
    both = find(market)
    faces = both[both.kind == Kind.FACE]
    assert np.array_equal(faces.xyxy, alone.xyxy) and np.array_equal(faces.score, alone.score)


@pytest.mark.slow
def test_a_recognizer_reads_nothing_any_more(find):
    """rapidocr's whole pipeline, with its own thresholds, before and after."""
    rapidocr = pytest.importorskip("rapidocr", reason="the judge is not here: install '.[text]'")
    read = rapidocr.RapidOCR(params={"Global.log_level": "error"})
    total, left = 0, 0
    for name, scene in SCENES_WITH_TEXT.items():
        image = scene()
        before, after = (characters(read, pixels) for pixels in (image, covered(find, image)))
        print(f"\n  {name}: {before} characters before, {after} after", end="")
        assert before >= 10, f"the judge reads nothing on {name}"
        total, left = total + before, left + after
    assert left < 0.05 * total


def characters(read, image):
    """Number of letters and digits that a recognizer reads."""
    words = read(np.ascontiguousarray(image[..., ::-1])).txts or ()
    return sum(letter.isalnum() for word in words for letter in word)
