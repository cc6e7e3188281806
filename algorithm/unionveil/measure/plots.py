"""Plots as inline SVG: direct labels, one axis, intervals as bars; colours come from the style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from ..text import printable

__all__ = ["Dot", "DotPlot", "Line", "LinePlot", "Mark"]

_WIDTH = 680
_TEXT_PX = 13
_GLYPH_PX = 7.2
"""Width of a digit or letter at 13 px, rounded up so that labels never collide."""


@dataclass(frozen=True)
class Dot:
    """One figure of a dot plot.

    Attributes:
        label: text on its left.
        value: in units of the axis.
        low: lower end of its interval; equal to `value` without one.
        high: upper end of its interval.
        group: heading above it, shared by the dots of a group.
    """

    label: str
    value: float
    low: float
    high: float
    group: str = ""


@dataclass(frozen=True)
class Mark:
    """A line across a plot, such as chance, with its meaning."""

    value: float
    label: str


@dataclass(frozen=True)
class DotPlot:
    """Figures with their intervals, one below the other.

    Attributes:
        title: what is shown, also as alternative text.
        dots: in order; NaN values are left out.
        axis: what the axis shows, with its unit.
        maximum: right end of the axis; the left end is 0.
        unit: text after each figure.
        digits: decimals of each figure.
        marks: lines across the plot.
    """

    title: str
    dots: Sequence[Dot]
    axis: str
    maximum: float = 100
    unit: str = " %"
    digits: int = 0
    marks: Sequence[Mark] = ()

    def svg(self) -> str:
        """The plot as an `svg` element."""
        dots = [dot for dot in self.dots if not np.isnan(dot.value)]
        left = 16 + _GLYPH_PX * max((max(len(dot.label), len(dot.group)) for dot in dots), default=0)
        right = 24 + _GLYPH_PX * (self.digits + 6)
        scale = (_WIDTH - left - right) / self.maximum
        top = 28 if self.marks else 8
        parts: list[str] = []
        y, group = float(top), ""
        for dot in dots:
            if dot.group != group:
                group = dot.group
                y += 28 if parts else 20
                parts.append(_text(0, y - 4, group, "heading"))
            y += 24
            parts.append(self._dot(dot, y - 8, left, scale))
        axis = y + 12
        lines = [_ticks_across(self.maximum, left, scale, top, axis), _marks(self.marks, left, scale, axis)]
        label = _text(left + self.maximum * scale / 2, axis + 38, self.axis, "label middle")
        return _svg(self.title, axis + 48, [*lines, *parts, label])

    def _dot(self, dot: Dot, y: float, left: float, scale: float) -> str:
        x, low, high = (
            left + min(max(value, 0), self.maximum) * scale for value in (dot.value, dot.low, dot.high)
        )
        shown = f"{dot.value:.{self.digits}f}{self.unit}"
        return (
            _text(left - 12, y + 4, dot.label, "end")
            + f'<line class="interval" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            + f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
            + _text(max(high, x + 5) + 8, y + 4, shown, "value")
        )


@dataclass(frozen=True)
class Line:
    """One line of a line plot.

    Attributes:
        label: text at its end.
        x: ascending.
        y: in units of the axis.
        at: a point to mark, such as a default; None marks none.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    at: tuple[float, float] | None = None


@dataclass(frozen=True)
class LinePlot:
    """Lines over one axis, labelled at their ends.

    Attributes:
        title: what is shown, also as alternative text.
        lines: at most eight.
        x_axis: what the horizontal axis shows, with its unit.
        y_axis: what the vertical axis shows, with its unit.
        x_maximum: right end of the horizontal axis.
        y_maximum: upper end of the vertical axis.
    """

    title: str
    lines: Sequence[Line]
    x_axis: str
    y_axis: str
    x_maximum: float
    y_maximum: float = 100

    def svg(self) -> str:
        """The plot as an `svg` element."""
        right = 24 + _GLYPH_PX * max((len(line.label) for line in self.lines), default=0)
        left, top, height = 44.0, 32.0, 300.0
        bottom = top + height
        x_scale, y_scale = (_WIDTH - left - right) / self.x_maximum, height / self.y_maximum
        parts = [
            _text(0, 14, self.y_axis, "label"),
            _ticks_across(self.x_maximum, left, x_scale, top, bottom),
            _ticks_up(self.y_maximum, left, _WIDTH - right, bottom, y_scale),
        ]
        ends: list[float] = []
        for number, line in enumerate(self.lines):
            points = self._points(line, left, bottom, x_scale, y_scale)
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline class="line s{number}" points="{path}"/>')
            if line.at:
                x, y = left + min(line.at[0], self.x_maximum) * x_scale, bottom - line.at[1] * y_scale
                parts.append(f'<circle class="dot s{number}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
            ends.append(points[-1][1] if points else bottom)
        for number, (line, y) in enumerate(zip(self.lines, _apart(ends, _TEXT_PX + 4), strict=True)):
            parts.append(_text(_WIDTH - right + 8, y + 4, line.label, f"value s{number}"))
        parts.append(_text(left + self.x_maximum * x_scale / 2, bottom + 38, self.x_axis, "label middle"))
        return _svg(self.title, bottom + 48, parts)

    def _points(
        self, line: Line, left: float, bottom: float, x_scale: float, y_scale: float
    ) -> list[tuple[float, float]]:
        """Points of a line inside the plot; the last one is at its right edge."""
        if not len(line.x):
            return []
        x, y = np.asarray(line.x, float), np.asarray(line.y, float)
        last = float(np.interp(self.x_maximum, x, y))
        inside = x < self.x_maximum
        shown = zip([*x[inside], self.x_maximum], [*y[inside], last], strict=True)
        return [(left + float(a) * x_scale, bottom - float(b) * y_scale) for a, b in shown]


def _apart(places: Sequence[float], least: float) -> list[float]:
    """Places moved up and down as little as needed, so that no two are closer than `least`."""
    order = np.argsort(places, kind="stable")
    moved = np.asarray(places, float)[order]
    for row in range(1, len(moved)):
        moved[row] = max(moved[row], moved[row - 1] + least)
    shift = moved - np.asarray(places, float)[order]
    moved -= shift.mean() if len(shift) else 0
    for row in range(1, len(moved)):
        moved[row] = max(moved[row], moved[row - 1] + least)
    result = np.empty(len(moved))
    result[order] = moved
    return [float(value) for value in result]


def _step(maximum: float) -> float:
    """Distance of ticks: 1, 2 or 5 times a power of ten, four to eight of them."""
    raw = maximum / 5
    power = 10.0 ** np.floor(np.log10(raw))
    return float(min((power * factor for factor in (1, 2, 5, 10)), key=lambda step: abs(step - raw)))


def _ticks(maximum: float) -> list[float]:
    step = _step(maximum)
    return [step * number for number in range(int(maximum / step + 1e-9) + 1)]


def _ticks_across(maximum: float, left: float, scale: float, top: float, bottom: float) -> str:
    parts = []
    for tick in _ticks(maximum):
        x = left + tick * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>')
        parts.append(_text(x, bottom + 18, f"{tick:g}", "tick middle"))
    return "".join(parts)


def _ticks_up(maximum: float, left: float, right: float, bottom: float, scale: float) -> str:
    parts = []
    for tick in _ticks(maximum):
        y = bottom - tick * scale
        parts.append(f'<line class="grid" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(left - 8, y + 4, f"{tick:g}", "tick end"))
    return "".join(parts)


def _marks(marks: Sequence[Mark], left: float, scale: float, bottom: float) -> str:
    parts = []
    for mark in marks:
        x = left + mark.value * scale
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="18" y2="{bottom:.1f}"/>')
        parts.append(_text(x + 4, 14, mark.label, "marked"))
    return "".join(parts)


def _text(x: float, y: float, text: str, kind: str) -> str:
    shown = escape(printable(text, quoted=False))
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{shown}</text>'


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    name = escape(printable(title, quoted=False, most=None))
    return (
        f'<svg class="plot" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{name}">'
        f"{''.join(parts)}</svg>"
    )
