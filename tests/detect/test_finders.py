"""Finders of several kinds behind one, and lines of text found in parts."""

from dataclasses import dataclass

import numpy as np
import pytest

from unionveil import AnonymizeConfig, Detections, ModelError
from unionveil.detect import CombinedFinder, FaceFinder, load_finder
from unionveil.detect.detector import Detail
from unionveil.detect.tiles import find_lines
from unionveil.detections import Kind
from unionveil.models.cards import CARDS, PLATE_DETECTOR, TEXT_DETECTOR


@dataclass(frozen=True)
class Fixed:
    """Finds the same boxes in every picture."""

    xyxy: tuple[tuple[float, ...], ...]
    score: float
    kind: Kind
    allows: int = 8

    def tuned(self, *, threshold, detail):
        return Fixed(self.xyxy, threshold, self.kind, self.allows)

    def faint(self, share):
        return Fixed(self.xyxy, share * self.score, self.kind, self.allows)

    @property
    def sure(self):
        return {self.kind: self.score}

    def reduction(self, size_wh):
        return self.allows

    def __call__(self, image, size_wh=None):
        return Detections.of(self.xyxy, [self.score] * len(self.xyxy), kind=self.kind)


BOX = (10.0, 10.0, 50.0, 20.0)
IMAGE = np.zeros((80, 100, 3), np.uint8)


def test_detections_of_all_parts_are_joined():
    """A face on a badge is a face and part of a text: neither box replaces the other."""
    finder = CombinedFinder([Fixed((BOX,), 0.6, Kind.FACE), Fixed((BOX,), 0.9, Kind.TEXT)])
    found = finder(IMAGE)
    assert found.kind.tolist() == [Kind.TEXT, Kind.FACE]
    assert found.xyxy.tolist() == [list(BOX), list(BOX)]


def test_a_picture_is_reduced_by_the_factor_that_all_allow():
    finder = CombinedFinder([Fixed((), 0, Kind.FACE, 4), Fixed((), 0, Kind.TEXT, 2)])
    assert finder.reduction((4000, 3000)) == 2


def test_settings_reach_all():
    parts = [Fixed((BOX,), 0.9, Kind.FACE), Fixed((BOX,), 0.9, Kind.TEXT)]
    found = CombinedFinder(parts).tuned(threshold=0.25, detail="fast")(IMAGE)
    assert found.score.tolist() == [0.25, 0.25]


def test_fainter_ones_are_found_by_all_and_each_kind_keeps_its_threshold():
    finder = CombinedFinder([Fixed((BOX,), 0.6, Kind.FACE), Fixed((BOX,), 0.8, Kind.PLATE)])
    assert finder.sure == {Kind.FACE: 0.6, Kind.PLATE: 0.8}
    found = finder.faint(0.5)(IMAGE)
    assert found.score.tolist() == pytest.approx([0.4, 0.3])
    real = load_finder(AnonymizeConfig(cover="head,plate", threshold=0.7), 1)
    assert real.faint(0.5).sure == real.sure
    assert real.sure[Kind.FACE] == real.sure[Kind.HEAD] == 0.7
    assert real.sure[Kind.PLATE] == CARDS[PLATE_DETECTOR].threshold


def test_faces_alone_load_no_detector_of_text():
    assert isinstance(load_finder(AnonymizeConfig(), 1), FaceFinder)
    assert isinstance(load_finder(AnonymizeConfig(cover="head"), 1), FaceFinder)


def test_missing_weights_name_the_extra(tmp_path, monkeypatch):
    monkeypatch.setenv("UNIONVEIL_MODEL_DIR", str(tmp_path))
    monkeypatch.setitem(CARDS, TEXT_DETECTOR, CARDS[TEXT_DETECTOR].model_copy(update={"package": None}))
    with pytest.raises(ModelError, match=r"unionveil\[text\].*UNIONVEIL_MODEL_DIR"):
        load_finder(AnonymizeConfig(cover="face,text"), 1)


class TwoLooks:
    """A detector that finds the left part of a line at one size and the right part at another."""

    card = CARDS[TEXT_DETECTOR]
    fixed_wh = None
    glimpses: tuple[Detail, ...] = ("crowd",)

    def __call__(self, image, threshold, *, mirror=False):
        assert not mirror
        share = image.shape[1] / 320
        box = (50, 50, 150, 65) if share > 1 else (75, 49, 180, 64)
        return Detections.of(np.array([box]) * share, [0.9 if share > 1 else 0.8], kind=Kind.TEXT)


def test_a_line_seen_in_two_parts_is_covered_whole():
    found = find_lines(np.zeros((240, 320, 3), np.uint8), TwoLooks(), 0.5, "standard")
    assert found.xyxy.tolist() == [pytest.approx([50, 49, 180, 65], abs=0.5)]
    assert found.kind.tolist() == [Kind.TEXT]
