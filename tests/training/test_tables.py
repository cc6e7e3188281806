"""Figures in tables are those that were measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.evaluate import Photo, figures, recall_by_trait
from training.metric import Found, Truth
from training.tables import first_table, small_table, threshold_table, trait_table, way_table


def results() -> dict[str, dict[str, Any]]:
    """One face of 30 px found at .9, one of 12 px missed; one false box at .6."""
    faces = np.array([(0, 0, 30, 30), (50, 0, 62, 12)], np.float32)
    seen = Found(np.array([(0, 0, 30, 30), (70, 70, 90, 90)], np.float32), np.array([0.9, 0.6], np.float32))
    image = np.zeros((100, 100, 3), np.uint8)
    photos = [Photo(image, Truth(faces, np.zeros(2, bool)), group) for group in ("wider", "natural")]
    return {"mine": {"standard": figures(photos, [seen, seen], 0.5), "first": {"wider": 0.5, "natural": 1.0}}}


def test_tables_hold_the_measured_figures() -> None:
    table = way_table(results(), "standard", "wider")
    assert table.splitlines()[-1] == "| mine | .500 | .500 |  | .000 | 1.000 |  |"
    assert "10 to 20 (1)" in table
    assert (
        threshold_table(results(), "standard").splitlines()[-1] == "| mine | 0.5 | .500, 1.00 | .500, 1.00 |"
    )
    assert first_table(results()).splitlines()[-1] == "| mine | .500 | 1.000 |"


def test_small_faces_are_told_of_together_at_each_number_of_false_boxes() -> None:
    told = results()
    rows = told["mine"]["standard"]["natural"]["at_false_boxes"]["2.0"]["by_height"]
    rows[0] |= {"faces": 3, "recall": 1 / 3}
    assert small_table(told).splitlines() == [
        "|  | standard, wider | standard, natural |",
        "| --- | --- | --- |",
        "| mine | .000, .000, .000 | .000, .000, .250 |",
    ]


def test_recall_by_trait_counts_only_faces_that_count() -> None:
    faces = np.array([(0, 0, 30, 30), (50, 0, 62, 12), (0, 50, 20, 70)], np.float32)
    truth = Truth(faces, np.array([False, False, True]))
    traits = (frozenset({"frontal"}), frozenset({"frontal", "occluded"}), frozenset({"profile"}))
    photo = Photo(np.zeros((100, 100, 3), np.uint8), truth, "natural", traits)
    seen = Found(faces[:1], np.array([0.9], np.float32))
    assert recall_by_trait([photo], [seen], 0.5) == {
        "frontal": {"faces": 2, "recall": 0.5},
        "occluded": {"faces": 1, "recall": 0.0},
    }
    results = {"mine": {"standard": {"by_trait": recall_by_trait([photo], [seen], 0.5)}}, "other": {}}
    assert trait_table(results, "standard").splitlines()[2:] == [
        "| frontal (2) | .500 |",
        "| occluded (1) | .000 |",
    ]
