"""The page of a comparison, with and without labelled faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .agreement import Agreement
from .compare import Compared, Costs, band_name
from .metrics import BANDS_PX, Interval
from .plots import Dot, DotPlot, Line, LinePlot
from .report import Block, Cell, Figure, Gallery, Section, Table
from .trial import UNION

__all__ = ["Counted", "Parts", "agreement_parts", "compared_parts"]

_FEW_FACES = 20
"""Figures of fewer faces say little."""


@dataclass(frozen=True)
class Counted:
    """The scope of a comparison.

    Attributes:
        photos: number of photos that were measured.
        unlabelled: photos without labels.
        rejected: photos that could not be read, by reason.
        ignored: labelled boxes that count neither way.
    """

    photos: int
    unlabelled: int = 0
    rejected: Mapping[str, int] | None = None
    ignored: int = 0

    def sentences(self) -> list[str]:
        """What was not measured."""
        found = []
        if self.rejected:
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.rejected.items()))
            found.append(f"Photos that could not be read: {reasons}.")
        if self.unlabelled:
            found.append(f"{_count(self.unlabelled, 'photo')} without labels.")
        if self.ignored:
            found.append(f"{_count(self.ignored, 'labelled box', 'labelled boxes')} to be ignored.")
        return found


@dataclass(frozen=True)
class Parts:
    """The parts of a page that depend on what was measured."""

    verdict: str
    figures: list[Figure]
    missing: list[str]
    sections: list[Section]


def compared_parts(
    compared: Mapping[str, Compared],
    costs: Mapping[str, Costs],
    counted: Counted,
    galleries: Sequence[Gallery],
) -> Parts:
    """The page of detectors that were compared with labelled faces."""
    single = {name: one for name, one in compared.items() if name != UNION}
    best = max(single, key=lambda name: single[name].whole.coverage.value)
    whole = single[best].whole
    share = whole.coverage.value
    most = "most: " if len(single) > 1 else ""
    verdict = (
        f"{best} covers {most}{round(share * whole.faces)} of {_count(whole.faces, 'face')}, with "
        f"{whole.false_per_picture.value:.2f} false boxes per photo."
    )
    figures = [
        Figure(
            "Faces covered",
            _share(share),
            f"at least 75 % of the face is under the cover of {best}; "
            f"{_range(whole.coverage)} with 95 % confidence",
        ),
        Figure(
            "Faces found",
            _share(whole.recall.value),
            f"by {best}, with a box that overlaps the face by half or more",
        ),
        Figure(
            "False boxes",
            f"{whole.false_per_picture.value:.2f}",
            f"per photo, in {_count(counted.photos, 'photo')}",
        ),
    ]
    sections = [
        Section("Faces covered", _coverage_blocks(compared)),
        Section("Faces found, and false boxes", _found_blocks(compared)),
        Section("By size of the face", [_size_table(compared)]),
        Section("What each costs", [_cost_table(costs)]),
    ]
    if galleries:
        sections.append(Section("Misses and false boxes, worst first", list(galleries)))
    return Parts(verdict, figures, [*counted.sentences(), *_few(single[best])], sections)


def _few(one: Compared) -> list[str]:
    few = [
        f"{band_name(band)}: {_count(figures.faces, 'face')}"
        for band, figures in one.bands.items()
        if figures.faces < _FEW_FACES
    ]
    return [f"Sizes with few faces, whose figures say little: {'; '.join(few)}."] if few else []


def _coverage_blocks(compared: Mapping[str, Compared]) -> list[Block]:
    dots = [_dot(name, one.whole.coverage, "all faces") for name, one in compared.items()]
    for band in BANDS_PX:
        faces = next(iter(compared.values())).bands[band].faces
        if faces:
            heading = f"{band_name(band)}: {_count(faces, 'face')}"
            dots += [_dot(name, one.bands[band].coverage, heading) for name, one in compared.items()]
    text = (
        "A face counts as covered if at least 75 % of it is under the cover, its margin included. Bars are "
        "95 % intervals from resampled photos. Sizes are heights in the photo."
    )
    return [text, DotPlot("Share of faces that each detector covers, by size", dots, "faces covered, %")]


def _dot(name: str, interval: Interval, group: str) -> Dot:
    return Dot(name, 100 * interval.value, 100 * interval.low, 100 * interval.high, group)


def _found_blocks(compared: Mapping[str, Compared]) -> list[Block]:
    curves = {name: one for name, one in compared.items() if one.curve[0]}
    most = max((one.default[0] for one in curves.values()), default=1.0)
    lines = [
        Line(
            name,
            one.curve[0],
            [100 * value for value in one.curve[1]],
            (one.default[0], 100 * one.default[1]),
        )
        for name, one in list(curves.items())[:8]
    ]
    text = (
        "Each line goes from high to low scores; the dot is the default threshold. A box finds a face if "
        "they overlap by at least half (IoU .5). “All together” means the united boxes; where detectors "
        "differ, these may be too large for such an overlap."
    )
    plot = LinePlot(
        "Share of faces found over false boxes per photo",
        lines,
        "false boxes per photo",
        "faces found, %",
        _round_up(2 * most),
    )
    return [text, *([plot] if lines else []), _whole_table(compared)]


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(max(value, 0.1)))
    return float(next(power * factor for factor in (1, 2, 5, 10) if power * factor >= max(value, 0.1)))


def _whole_table(compared: Mapping[str, Compared]) -> Table:
    rows: list[list[str | Cell]] = [
        [
            name,
            _percent(one.whole.recall),
            _number(one.whole.false_per_picture),
            _share_cell(one.whole.ap50),
            _percent(one.whole.coverage),
            _percent(one.whole.coverage_95),
        ]
        for name, one in compared.items()
    ]
    head = [
        "Detector",
        "Faces found",
        "False boxes per photo",
        "Average precision (AP50)",
        "75 % covered",
        "95 % covered",
    ]
    return Table("All sizes, at default thresholds; 95 % intervals below", head, rows, frozenset(range(1, 6)))


def _size_table(compared: Mapping[str, Compared]) -> Table:
    rows: list[list[str | Cell]] = []
    for band in BANDS_PX:
        for name, one in compared.items():
            figures = one.bands[band]
            if figures.faces:
                rows.append(
                    [
                        f"{band_name(band)}, {name}",
                        str(figures.faces),
                        _percent(figures.recall),
                        _number(figures.false_per_picture),
                        _share_cell(figures.ap50),
                        _percent(figures.coverage),
                        _percent(figures.coverage_95),
                    ]
                )
    head = ["Size, detector", "Faces", "Found", "False per photo", "AP50", "75 % covered", "95 % covered"]
    return Table("By height of the face; 95 % intervals below", head, rows, frozenset(range(1, 7)))


def _cost_table(costs: Mapping[str, Costs]) -> Table:
    rows: list[list[str | Cell]] = [
        [
            name,
            f"{one.ms_per_picture:.0f}",
            f"{one.ms_per_megapixel:.0f}",
            f"{one.weights_bytes / 1e6:.1f}",
            f"{one.threshold:g}",
            one.licence,
        ]
        for name, one in costs.items()
    ]
    head = [
        "Detector",
        "ms per photo",
        "ms per megapixel",
        "Weights, MB",
        "Default threshold",
        "Licence of the weights",
    ]
    caption = "Time of one worker on this machine; other programs slow it down"
    return Table(caption, head, rows, frozenset({1, 2, 3, 4}))


def agreement_parts(
    agreement: Agreement, costs: Mapping[str, Costs], counted: Counted, galleries: Sequence[Gallery]
) -> Parts:
    """The page of detectors that were compared with each other."""
    total = agreement.all_of()
    best = max(agreement.names, key=agreement.found)
    found = agreement.found(best)
    gain = total - found
    verdict = (
        f"Together the detectors find {_count(total, 'face')}; {best} finds the most, {found}."
        if len(agreement.names) > 1
        else f"{best} finds {_count(total, 'face')} in {_count(counted.photos, 'photo')}."
    )
    figures = [
        Figure("Faces found together", str(total), f"in {_count(counted.photos, 'photo')}"),
        Figure(f"Found by {best}", str(found), "the detector that finds the most"),
        Figure("Gain of the union", f"+{gain}", f"places that {best} misses and another finds"),
    ]
    missing = [
        "Whether a box is a face: there are no labels. A box of one detector alone may be a false positive.",
        "Faces that no detector finds.",
        *counted.sentences(),
    ]
    sections = [
        Section("Faces that only some detectors find", _agreement_blocks(agreement)),
        Section("What each costs", [_cost_table(costs)]),
    ]
    if galleries:
        sections.append(Section("Found by one detector only, highest scores first", list(galleries)))
    return Parts(verdict, figures, missing, sections)


def _agreement_blocks(agreement: Agreement) -> list[Block]:
    names = agreement.names
    rows: list[list[str | Cell]] = [
        [
            name,
            str(agreement.found(name)),
            str(agreement.alone(name)),
            str(agreement.all_of() - agreement.found(name)),
        ]
        for name in names
    ]
    head = ["Detector", "Finds", "Finds alone", "Misses"]
    blocks: list[Block] = [
        Table("Places with a box, at default thresholds", head, rows, frozenset({1, 2, 3}))
    ]
    if len(names) > 1:
        pairs: list[list[str | Cell]] = [
            [
                first,
                *("" if first == second else str(agreement.only_first(first, second)) for second in names),
            ]
            for first in names
        ]
        caption = "Places that the row's detector finds and the column's detector misses"
        blocks.append(Table(caption, ["Finds", *names], pairs, frozenset(range(1, len(names) + 1))))
    by_size: list[list[str | Cell]] = [
        [
            f"{band_name(band)}, {name}",
            str(agreement.found(name, band)),
            str(agreement.alone(name, band)),
            str(agreement.all_of(band) - agreement.found(name, band)),
        ]
        for band in BANDS_PX
        for name in names
        if agreement.all_of(band)
    ]
    blocks.append(Table("By height of the box", ["Size, detector", *head[1:]], by_size, frozenset({1, 2, 3})))
    return blocks


def _share(value: float) -> str:
    """A share in percent."""
    return "unknown" if np.isnan(value) else f"{100 * value:.0f} %"


def _range(interval: Interval) -> str:
    return f"{100 * interval.low:.0f} to {100 * interval.high:.0f} %"


def _percent(interval: Interval) -> Cell:
    return Cell(_share(interval.value), "" if np.isnan(interval.low) else _range(interval))


def _number(interval: Interval) -> Cell:
    return Cell(f"{interval.value:.2f}", f"{interval.low:.2f} to {interval.high:.2f}")


def _share_cell(interval: Interval | None) -> Cell:
    if interval is None or np.isnan(interval.value):
        return Cell("–")
    return Cell(f"{interval.value:.3f}", f"{interval.low:.3f} to {interval.high:.3f}")


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
