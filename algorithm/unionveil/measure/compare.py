"""Compares detectors with labelled faces: how many each finds and covers, by size, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .metrics import (
    BANDS_PX,
    Band,
    Floats,
    Interval,
    Matches,
    Predicted,
    Truth,
    Weights,
    average_precision,
    bootstrap,
    curve,
    false_per_picture,
    match,
    recall,
)
from .trial import UNION, Seen

__all__ = ["Compared", "Costs", "Figures", "band_name", "compare", "data_of"]

WELL_COVERED, WHOLLY_COVERED = 0.75, 0.95
"""A face counts as covered if at least this share of it is under a cover."""

_CURVE_POINTS = 120


@dataclass(frozen=True)
class Figures:
    """Figures of one detector on all faces, or on those of one size.

    Attributes:
        faces: number of labelled faces.
        recall: share of the faces that are found at the default threshold.
        false_per_picture: false positives per picture at the default threshold.
        ap50: COCO's average precision at an IoU of .5; None for the union, whose scores are not comparable.
        coverage: share of the faces of which at least 75 % lie under the cover.
        coverage_95: the same for 95 %.
    """

    faces: int
    recall: Interval
    false_per_picture: Interval
    ap50: Interval | None
    coverage: Interval
    coverage_95: Interval


@dataclass(frozen=True)
class Compared:
    """One detector.

    Attributes:
        whole: on all faces.
        bands: by range of heights.
        curve: false boxes per picture and recall; empty for the union.
        default: this pair at the default threshold.
    """

    whole: Figures
    bands: dict[Band, Figures]
    curve: tuple[list[float], list[float]]
    default: tuple[float, float]


@dataclass(frozen=True)
class Costs:
    """The costs of a detector.

    Attributes:
        ms_per_picture: mean processor time, with one thread per worker.
        ms_per_megapixel: the same per million pixels of the photos.
        weights_bytes: size of its files.
        licence: of its weights.
        threshold: its default.
    """

    ms_per_picture: float
    ms_per_megapixel: float
    weights_bytes: int
    licence: str
    threshold: float


def compare(seen: Sequence[Seen], names: Sequence[str]) -> dict[str, Compared]:
    """Figures of every detector, and of their union if there are several.

    Args:
        seen: labelled frames, at least one face among them.
        names: of the detectors.
    """
    named = [*names, UNION] if len(names) > 1 else list(names)
    return {name: _compared(seen, name) for name in named}


def _compared(seen: Sequence[Seen], name: str) -> Compared:
    measured = _Measured(seen, name)
    whole = measured.figures(None)
    if name == UNION:
        lines: tuple[list[float], list[float]] = ([], [])
    else:
        false, found = curve(measured.match(measured.curves, None))
        lines = _thinned(false, found)
    return Compared(
        whole,
        {band: measured.figures(band) for band in BANDS_PX},
        lines,
        (whole.false_per_picture.value, whole.recall.value),
    )


def _thinned(false: Floats, found: Floats) -> tuple[list[float], list[float]]:
    """Points of a curve that are far enough apart, in either direction, to differ in a plot."""
    if not len(false):
        return [], []
    across = np.searchsorted(false, np.linspace(0, false[-1], _CURVE_POINTS), side="right") - 1
    up = np.searchsorted(found, np.linspace(0, found[-1], _CURVE_POINTS), side="left")
    places = np.unique(np.concatenate([np.clip(across, 0, None), up]))
    return false[places].tolist(), found[places].tolist()


class _Measured:
    """One detector on all frames; intervals come from resampled frames."""

    def __init__(self, seen: Sequence[Seen], name: str) -> None:
        self._is_union = name == UNION
        self._truths = [_truth(one) for one in seen]
        self._defaults = [Predicted(*one.found[name].boxes) for one in seen]
        self.curves = [Predicted(*one.found[name].curve) for one in seen]
        counted = [~truth.ignore for truth in self._truths]
        covered = [one.found[name].covered[mask] for one, mask in zip(seen, counted, strict=True)]
        self._covered = np.concatenate([np.zeros(0), *covered])

    def match(self, predictions: Sequence[Predicted], band: Band | None) -> Matches:
        return match(self._truths, predictions, heights_px=band)

    def figures(self, band: Band | None) -> Figures:
        default, every = self.match(self._defaults, band), self.match(self.curves, band)
        count = default.pictures
        shares = self._covered if band is None else self._covered[self._of_height(band)]

        def interval(estimate: Callable[[Weights], float]) -> Interval:
            return bootstrap(estimate, count)

        return Figures(
            len(default.face_score),
            interval(lambda weights: recall(default, -1, weights)),
            interval(lambda weights: false_per_picture(default, -1, weights)),
            None if self._is_union else interval(lambda weights: _precision(every, weights)),
            interval(lambda weights: _share(shares >= WELL_COVERED, default, weights)),
            interval(lambda weights: _share(shares >= WHOLLY_COVERED, default, weights)),
        )

    def _of_height(self, band: Band) -> npt.NDArray[np.bool_]:
        """Which of the faces that count have a height within a range."""
        xyxy = np.concatenate([np.zeros((0, 4)), *(truth.xyxy[~truth.ignore] for truth in self._truths)])
        heights = xyxy[:, 3] - xyxy[:, 1]
        return (heights >= band[0]) & (heights < band[1])


def _truth(one: Seen) -> Truth:
    return Truth(one.truth.xyxy, one.truth.ignore)


def _precision(matches: Matches, weights: Weights) -> float:
    if not weights[matches.face_picture].sum():
        return float("nan")
    return average_precision(matches, weights=weights)


def _share(is_covered: npt.NDArray[np.bool_], matches: Matches, weights: Weights) -> float:
    each = weights[matches.face_picture]
    return float((each * is_covered).sum() / each.sum()) if each.sum() else float("nan")


def band_name(band: Band) -> str:
    """A range of heights in words."""
    low, high = band
    if not low:
        return f"below {high:g} px"
    return f"{low:g} to {high:g} px" if np.isfinite(high) else f"above {low:g} px"


def data_of(compared: Mapping[str, Compared], costs: Mapping[str, Costs]) -> dict[str, Any]:
    """All figures in the form of `report.json`: shares in [0, 1], intervals beside them."""
    return {
        name: {
            **_figures_data(one.whole),
            "bands": {band_name(band): _figures_data(figures) for band, figures in one.bands.items()},
            "curve": {"false_per_picture": one.curve[0], "recall": one.curve[1]},
            **(_costs_data(costs[name]) if name in costs else {}),
        }
        for name, one in compared.items()
    }


def _figures_data(figures: Figures) -> dict[str, Any]:
    intervals = {
        "recall": figures.recall,
        "false_per_picture": figures.false_per_picture,
        "ap50": figures.ap50,
        "coverage": figures.coverage,
        "coverage_95": figures.coverage_95,
    }
    return {
        "faces": figures.faces,
        **{key: interval.value if interval else None for key, interval in intervals.items()},
        "intervals": {key: [interval.low, interval.high] for key, interval in intervals.items() if interval},
    }


def _costs_data(costs: Costs) -> dict[str, Any]:
    return {
        "ms_per_picture": costs.ms_per_picture,
        "ms_per_megapixel": costs.ms_per_megapixel,
        "weights_bytes": costs.weights_bytes,
        "licence": costs.licence,
        "threshold": costs.threshold,
    }
