"""Tables and plot hold the measured figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.data.files import DataError
from training.evaluate.figures import figures, recall_by_trait
from training.evaluate.tables import (
    first_table,
    protocol_table,
    score_table,
    small_table,
    threshold_table,
    trait_table,
)
from training.evaluate.validation import Photo
from unionveil.measure.metrics import Predicted, Truth

IMAGE = np.zeros((100, 100, 3), np.uint8)


def results() -> dict[str, dict[str, Any]]:
    """One face of 30 px found at .9, one of 12 px missed; one false box at .6."""
    faces = np.array([(0, 0, 30, 30), (50, 0, 62, 12)], np.float32)
    boxes = np.array([(0, 0, 30, 30), (70, 70, 90, 90)], np.float32)
    predicted = Predicted(boxes, np.array([0.9, 0.6], np.float32))
    photos = [Photo(IMAGE, Truth(faces, np.zeros(2, bool)), group) for group in ("wider", "natural")]
    measured = figures(photos, [predicted, predicted], 0.5) | {"by_trait": {}}
    return {"mine": {"standard": measured, "first": {"wider": 0.5, "natural": 1.0}}}


def test_tables_hold_the_measured_figures() -> None:
    table = protocol_table(results(), "standard", "wider")
    assert table.splitlines()[-1] == "| mine | .500 | .500 |  | .000 | 1.000 |  |"
    assert "10 to 20 (1)" in table
    thresholds = threshold_table(results(), "standard")
    assert thresholds.splitlines()[-1] == "| mine | 0.5 | .500, 1.00 | .500, 1.00 |"
    scores = score_table(results()["mine"]["standard"]).splitlines()
    assert scores[2:4] == ["| **0.5** | .500, 1.00 | .500, 1.00 |", "| 0.6 | .500, 1.00 | .500, 1.00 |"]
    assert scores[4] == "| 0.7 | .500, 0.00 | .500, 0.00 |"
    assert first_table(results()).splitlines()[-1] == "| mine | .500 | 1.000 |"


def test_small_faces_are_reported_together_at_each_number_of_false_boxes() -> None:
    measured = results()
    rows = measured["mine"]["standard"]["natural"]["at_false_boxes"]["2.0"]["by_height"]
    rows[0] |= {"faces": 3, "recall": 1 / 3}
    assert small_table(measured).splitlines() == [
        "|  | standard, wider | standard, natural |",
        "| --- | --- | --- |",
        "| mine | .000, .000, .000 | .000, .000, .250 |",
    ]


def test_recall_by_trait_counts_only_faces_that_count() -> None:
    faces = np.array([(0, 0, 30, 30), (50, 0, 62, 12), (0, 50, 20, 70)], np.float32)
    truth = Truth(faces, np.array([False, False, True]))
    traits = (frozenset({"frontal"}), frozenset({"frontal", "occluded"}), frozenset({"profile"}))
    photo = Photo(IMAGE, truth, "natural", traits)
    predicted = Predicted(faces[:1], np.array([0.9], np.float32))
    by_trait = recall_by_trait([photo], [predicted], 0.5)
    assert by_trait == {
        "frontal": {"faces": 2, "recall": 0.5},
        "occluded": {"faces": 1, "recall": 0.0},
    }
    table = trait_table({"mine": {"standard": {"by_trait": by_trait}}, "other": {}}, "standard")
    assert table.splitlines()[2:] == ["| frontal (2) | .500 |", "| occluded (1) | .000 |"]


def test_plot_is_written_for_the_protocols_that_were_measured(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed; `make test-training` installs it")
    from training.evaluate.plot import choose_protocol, plot

    plot(results(), "standard", tmp_path / "recall.png")
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(DataError, match="--ways crowd"):
        plot(results(), "crowd", tmp_path / "none.png")
    assert choose_protocol(results()) == "standard"
    assert choose_protocol({"mine": {"first": {}, "640": {}}, "other": {"first": {}}}) == "640"
    assert choose_protocol({"mine": {"first": {}}}) is None
