"""Privacy and utility by k as one SVG, in the style of AnonFACES (WPES 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

ANONFACES = {
    "AnonFACES, CelebA, dlib": {2: 0.261, 5: 0.115, 10: 0.079, 19: 0.050},
    "AnonFACES, RaFD, StyleGAN": {2: 0.418, 5: 0.149, 10: 0.090, 19: 0.045},
}
"""Share that is identified behind a shared face, as that paper reports it."""

_COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce", "#64748b", "#a1a1aa")
_WIDTH, _HEIGHT, _LEFT, _TOP = 420, 300, 56, 34


def plot(panels: Mapping[str, Mapping[str, Mapping[int, float]]]) -> str:
    """An SVG with panels side by side.

    Args:
        panels: by title, lines by name, values by k; all values are between 0 and 1.
    """
    drawn = [
        f'<g transform="translate({number * (_WIDTH + 20)} 0)">{_panel(title, lines)}</g>'
        for number, (title, lines) in enumerate(panels.items())
    ]
    width = len(panels) * (_WIDTH + 20)
    height = _HEIGHT + 36 + 17 * max(map(len, panels.values()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(drawn)}</svg>\n"
    )


def _panel(title: str, lines: Mapping[str, Mapping[int, float]]) -> str:
    top = max(value for values in lines.values() for value in values.values()) * 1.05
    parts = [f'<text x="{_LEFT}" y="20" font-weight="bold">{escape(title)}</text>']
    each = 0.1 if top < 0.6 else 0.2
    for step in range(int(top / each) + 1):
        y = _y(each * step, top)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{each * step:.1f}</text>')
    parts += [
        f'<text x="{_x(k):.1f}" y="{_HEIGHT + 18}" text-anchor="middle">{k}</text>' for k in (2, 5, 10, 20)
    ]
    parts.append(f'<text x="{_WIDTH}" y="{_HEIGHT + 18}" text-anchor="end">k</text>')
    for number, (name, values) in enumerate(lines.items()):
        parts.append(_line(name, sorted(values.items()), top, number))
    return "".join(parts)


def _line(name: str, points: Sequence[tuple[int, float]], top: float, number: int) -> str:
    colour = _COLOURS[number % len(_COLOURS)]
    stroke = f'stroke="{colour}" stroke-width="2"' + ' stroke-dasharray="5 3"' * (number >= len(_COLOURS))
    path = " ".join(f"{_x(k):.1f},{_y(value, top):.1f}" for k, value in points)
    dots = "".join(
        f'<circle cx="{_x(k):.1f}" cy="{_y(value, top):.1f}" r="3" fill="{colour}"/>' for k, value in points
    )
    y = _HEIGHT + 42 + number * 17
    return (
        f'<polyline points="{path}" fill="none" {stroke}/>{dots}'
        f'<path d="M{_LEFT} {y - 4}h22" {stroke}/>'
        f'<text x="{_LEFT + 30}" y="{y}">{escape(name)}</text>'
    )


def _x(k: int) -> float:
    return _LEFT + 10 + (k - 2) / 18 * (_WIDTH - _LEFT - 30)


def _y(value: float, top: float) -> float:
    return _HEIGHT - value / top * (_HEIGHT - _TOP)
