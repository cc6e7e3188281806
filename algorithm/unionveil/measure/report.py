"""Reports: one HTML file each, which loads nothing and needs no script, and its figures as JSON beside it."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Literal, TypeAlias

from .. import __version__
from ..errors import OutputError
from ..files.paths import is_there
from ..text import printable
from .plots import DotPlot, LinePlot

__all__ = [
    "DATA",
    "PAGE",
    "Block",
    "Cell",
    "Figure",
    "Gallery",
    "Photo",
    "Report",
    "Section",
    "Table",
    "check_folder",
    "plain",
    "render",
    "write_report",
]

PAGE, DATA = "report.html", "report.json"
"""Names of the page and of its figures in a report's folder."""

_STATIC = Path(__file__).parent.parent / "serve" / "static"
_STATES = {"good": ("✓", "Passed"), "warning": ("△", "With limits"), "bad": ("✕", "Not passed")}

# Nothing is loaded or sent, whatever the page's texts and pictures contain.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'unsafe-inline'"


@dataclass(frozen=True)
class Figure:
    """A figure behind the verdict: its name, its value with the unit, and its meaning."""

    label: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Cell:
    """A cell of a table: a text, with an interval or another remark below it."""

    text: str
    below: str = ""


@dataclass(frozen=True)
class Table:
    """A table that can be copied.

    Attributes:
        caption: what it shows.
        head: headings of the columns.
        rows: the first cell of each is its heading; plain texts are cells without a remark.
        numbers: columns, from 0, that are aligned to the right.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Photo:
    """A picture of a gallery.

    Attributes:
        jpeg: its bytes; it must not identify anybody unless the user asked for that.
        caption: below it.
        description: alternative text.
    """

    jpeg: bytes
    caption: str
    description: str


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, under a heading."""

    title: str
    photos: Sequence[Photo]


Block: TypeAlias = DotPlot | LinePlot | Table | Gallery | str
"""A part of a section; a string is a paragraph."""


@dataclass(frozen=True)
class Section:
    """A part of the page under its own heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """A page.

    Attributes:
        title: what was done, such as "Audit".
        verdict: one sentence.
        state: whether the verdict is good, good with limits, or bad; None for a report without such a
            verdict.
        figures: the three figures behind the verdict.
        missing: what was not measured, and why.
        sections: plots, tables and galleries.
        command: the command that repeats the report, without local paths.
    """

    title: str
    verdict: str
    figures: Sequence[Figure]
    missing: Sequence[str]
    sections: Sequence[Section]
    command: str
    state: Literal["good", "warning", "bad"] | None = None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)


def render(report: Report) -> str:
    """The page as HTML."""
    body = "".join(
        [_top(report), *(_section(part, number) for number, part in enumerate(report.sections, 1))]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n'
        f"<title>{_text(report.title)} · UnionVeil</title>\n<style>\n{_style()}</style>\n"
        f"<script>\n{_read(_STATIC / 'theme.js')}</script>\n</head>\n"
        f'<body>\n<div class="page">\n{_header(report)}<main>\n{body}</main>\n{_footer(report)}</div>\n'
        "</body>\n</html>\n"
    )


def write_report(report: Report, folder: Path) -> Path:
    """Writes the page and its figures into a folder, which is created if needed.

    Returns:
        The path of the page.

    Raises:
        OutputError: the folder contains something else, or cannot be written to.
    """
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DATA).write_text(json.dumps(plain(report.data), indent=1) + "\n", "utf-8")
        (folder / PAGE).write_text(render(report), "utf-8")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written to: {error.strerror}") from error
    return folder / PAGE


def check_folder(folder: Path) -> None:
    """Checks, before the work starts, that a report can be written into a folder.

    Raises:
        OutputError: it contains something else, or is not a folder.
    """
    try:
        names = sorted(path.name for path in folder.iterdir()) if is_there(folder, OutputError) else []
    except OSError as error:
        raise OutputError(f"{folder} cannot be written to: {error.strerror}") from error
    others = [name for name in names if name not in (PAGE, DATA)]
    if others:
        raise OutputError(
            f"{folder} contains other files ({printable(others[0])}); name a new folder for the report"
        )


def plain(value: Any) -> Any:
    """A value for JSON: figures that could not be measured (NaN) become null, floats get six digits."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _style() -> str:
    return _read(_STATIC / "base.css") + _read(Path(__file__).parent / "report.css")


def _read(path: Path) -> str:
    return path.read_text("utf-8")


def _header(report: Report) -> str:
    return (
        f'<header class="top"><p>UnionVeil <span class="quiet">{_text(report.title)}</span></p>'
        '<label class="screen small">Colours <select data-theme-switch>'
        '<option value="">as the system</option><option value="light">light</option>'
        '<option value="dark">dark</option></select></label></header>\n'
    )


def _top(report: Report) -> str:
    state = ""
    if report.state:
        sign, word = _STATES[report.state]
        state = f'<p class="state {report.state}"><span aria-hidden="true">{sign}</span> {word}</p>\n'
    figures = "".join(
        f'<div><dt>{_text(figure.label)}</dt><dd class="value">{_text(figure.value)}</dd>'
        f'<dd class="small">{_text(figure.meaning)}</dd></div>\n'
        for figure in report.figures
    )
    missing = "".join(f"<li>{_text(sentence)}</li>\n" for sentence in report.missing)
    notice = f'<div class="notice missing"><h2>Not measured</h2>\n<ul>\n{missing}</ul></div>\n'
    return (
        f'{state}<h1 class="verdict">{_text(report.verdict)}</h1>\n<dl class="figures">\n{figures}</dl>\n'
        f"{notice if missing else ''}"
    )


def _section(section: Section, number: int) -> str:
    blocks = "".join(_block(block) for block in section.blocks)
    return (
        f'<section aria-labelledby="part-{number}">\n<h2 id="part-{number}">{_text(section.title)}</h2>\n'
        f"{blocks}</section>\n"
    )


def _block(block: Block) -> str:
    match block:
        case str():
            return f"<p>{_text(block)}</p>\n"
        case Table():
            return _table(block)
        case Gallery():
            return _gallery(block)
        case DotPlot() | LinePlot():
            return f'<div class="wide" tabindex="0" role="group" aria-label="Plot">{block.svg()}</div>\n'


def _table(table: Table) -> str:
    def cell(tag: str, column: int, content: str | Cell, scope: str = "") -> str:
        kind = ' class="number"' if column in table.numbers else ""
        text = content if isinstance(content, str) else content.text
        below = "" if isinstance(content, str) or not content.below else content.below
        remark = f'<span class="interval">{_text(below)}</span>' if below else ""
        return f"<{tag}{scope}{kind}>{_text(text)}{remark}</{tag}>"

    head = "".join(cell("th", column, text, ' scope="col"') for column, text in enumerate(table.head))
    rows = "".join(
        "<tr>"
        + cell("th", 0, row[0], ' scope="row"')
        + "".join(cell("td", column, content) for column, content in enumerate(row[1:], 1))
        + "</tr>\n"
        for row in table.rows
    )
    label = _text(table.caption)
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="Table: {label}"><table>'
        f"<caption>{label}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )


def _gallery(gallery: Gallery) -> str:
    items = "".join(
        f'<li><figure><img src="data:image/jpeg;base64,{base64.b64encode(photo.jpeg).decode()}" '
        f'alt="{_text(photo.description)}"><figcaption>{_text(photo.caption)}</figcaption></figure></li>\n'
        for photo in gallery.photos
    )
    return f'<h3>{_text(gallery.title)}</h3>\n<ul class="gallery">\n{items}</ul>\n'


def _footer(report: Report) -> str:
    return (
        f"<footer><p>Made by UnionVeil {escape(__version__)}: <code>{_text(report.command)}</code></p>\n"
        f"<p>The same figures as JSON: {DATA}. This page loads nothing and sends nothing.</p></footer>\n"
    )


def _text(text: str) -> str:
    """A text as HTML; file names may contain anything."""
    return escape(printable(text, quoted=False, most=None))
