"""Shares of regions under covers."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluate.covers import even, held, inner_ellipse

BOX = np.array([(10, 10, 30, 50)], np.float32)


def test_a_box_holds_what_lies_in_it() -> None:
    regions = np.array([(10, 10, 30, 50), (0, 0, 20, 30), (40, 0, 50, 10)], np.float32)
    covers = np.repeat(BOX, 3, axis=0)
    assert held(regions, covers, ellipse=False) == pytest.approx([1, 0.5 * 2 / 3, 0], abs=0.02)


def test_an_ellipse_holds_its_area() -> None:
    assert held(BOX, BOX, ellipse=True) == pytest.approx([np.pi / 4], abs=0.01)


def test_an_ellipse_has_the_area_that_was_asked_for() -> None:
    grown = even(BOX, inner_ellipse(1.69))
    assert float((grown[:, 2:] - grown[:, :2]).prod()) * np.pi / 4 == pytest.approx(1.69 * 20 * 40)
