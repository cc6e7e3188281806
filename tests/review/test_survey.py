"""The workers' results for photos: exact boxes, candidates below them, and images for the page."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import samples
from unionveil import AnonymizeConfig, load
from unionveil.content import BytesContent, FileContent
from unionveil.detections import Kind
from unionveil.outcomes import Rejected
from unionveil.pipeline import Inspection
from unionveil.review.survey import PhotoTask, Survey, survey_run
from unionveil.review.view import THUMBNAIL_PX, View, ViewTask
from unionveil.runs.journal import keyed_digest

CONFIG = AnonymizeConfig.from_parameters({"detail": "fast", "threshold": "0.99"})
"""A threshold so high that some faces of the market are candidates."""

MARKET = samples.SCENES / "market.jpg"


def decoded(data: bytes | Rejected) -> np.ndarray:
    assert isinstance(data, bytes)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


@pytest.fixture(scope="module")
def surveyed():
    return Survey(CONFIG, b"key").start(1)(PhotoTask(FileContent(MARKET)))


def test_covered_boxes_are_exactly_those_of_anonymize(surveyed):
    inspection = load(CONFIG, threads=1).inspect(FileContent(MARKET))
    assert isinstance(inspection, Inspection)
    covered = [box for box in surveyed.sighting.boxes if box.covered]
    assert covered
    assert np.array([box.xyxy for box in covered], np.float32).tolist() == inspection.faces[0].xyxy.tolist()
    assert np.array([box.score for box in covered], np.float32).tolist() == inspection.faces[0].score.tolist()
    assert surveyed.sighting.sizes_wh == (inspection.picture.frames[0].size_wh,)
    assert surveyed.photo == keyed_digest(b"key", "", MARKET.read_bytes())


def test_candidates_are_less_sure_and_lie_elsewhere(surveyed):
    candidates = [box for box in surveyed.sighting.boxes if not box.covered]
    assert candidates
    assert max(box.score for box in candidates) < 0.99
    assert len({box.id for box in surveyed.sighting.boxes}) == len(surveyed.sighting.boxes)


def test_a_survey_returns_a_thumbnail(surveyed):
    assert max(decoded(surveyed.thumbnail).shape) == THUMBNAIL_PX


def test_a_damaged_photo_is_rejected_with_its_reason():
    done = Survey(CONFIG, b"key").start(1)(PhotoTask(BytesContent(MARKET.read_bytes()[:3000])))
    assert done.sighting.rejected
    assert done.sighting.rejected[0] == "unreadable"
    assert not done.thumbnail


def test_settings_that_change_detections_change_the_run():
    def run(**settings: str) -> str:
        return survey_run(AnonymizeConfig.from_parameters(settings))

    assert len({run(), run(detail="crowd"), run(threshold="0.3"), run(detector="haar")}) == 4
    assert len({run(), run(min_face="40"), run(max_face="40"), run(cover="face,text")}) == 4
    assert run() == run(method="pixelate", margin="0.3", names="keep")


def test_a_view_shows_the_photo_and_its_covers():
    draw = View(AnonymizeConfig(margin=0)).start(1)
    content = FileContent(MARKET)
    plain = decoded(draw(ViewTask(content, 0, 8192)))
    original = cv2.imread(str(MARKET))
    assert original is not None
    assert np.abs(plain.astype(int) - original).mean() < 3
    covered = decoded(draw(ViewTask(content, 0, 8192, (((100, 50, 180, 150), Kind.FACE),))))
    assert covered[60:140, 110:170].max() < 30
    assert np.abs(covered[200:].astype(int) - plain[200:]).mean() < 1
    assert max(decoded(draw(ViewTask(content, 0, 100))).shape) == 100


@pytest.mark.parametrize(
    "task", [ViewTask(BytesContent(b"no photo"), 0, 9), ViewTask(FileContent(MARKET), 3, 9)]
)
def test_a_view_that_cannot_be_drawn_gives_a_reason(task):
    assert isinstance(View(CONFIG).start(1)(task), Rejected)
