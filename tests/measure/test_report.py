"""Reports: one file that loads nothing, whatever the texts in it hold."""

from __future__ import annotations

import itertools
import json
import re
from html.parser import HTMLParser

import pytest

from unionveil.errors import OutputError
from unionveil.measure.plots import Dot, DotPlot, Line, LinePlot, Mark
from unionveil.measure.report import (
    DATA,
    PAGE,
    Cell,
    Figure,
    Gallery,
    Photo,
    Report,
    Section,
    Table,
    render,
    write_report,
)

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\u202e"


def report(text="a", **changed):
    dots = [Dot(text, 40, 30, 55, text), Dot("unknown", float("nan"), 0, 0)]
    blocks = [
        text,
        DotPlot(text, dots, text, marks=[Mark(2.5, text)]),
        LinePlot(text, [Line(text, [0, 1, 3], [0, 50, 90], (1, 50)), Line("b", [], [])], text, text, 2),
        Table(text, [text, "b"], [[text, Cell(text, text)]], frozenset({1})),
        Gallery(text, [Photo(b"\xff\xd8", text, text)]),
    ]
    parts = {"figures": [Figure(text, text, text)], "missing": [text], "sections": [Section(text, blocks)]}
    return Report(title=text, verdict=text, command=text, **(parts | changed))


class Parts(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_a_page_loads_nothing():
    page = render(report())
    addresses = [
        value for _, attrs in Parts(page).tags for name, value in attrs.items() if name in ("src", "href")
    ]
    assert addresses
    assert all(address.startswith("data:image/jpeg;base64,") for address in addresses)
    assert not re.search(r"@import|url\(", page)
    assert "default-src 'none'" in page


def test_texts_from_outside_stay_texts():
    tags = [tag for tag, _ in Parts(render(report(HOSTILE))).tags]
    assert tags == [tag for tag, _ in Parts(render(report())).tags]
    assert not set("\x1b\u202e") & set(render(report(HOSTILE)))


def test_all_plots_and_pictures_have_words_for_those_who_cannot_see_them():
    for tag, attrs in Parts(render(report())).tags:
        assert tag != "svg" or (attrs["role"] == "img" and attrs["aria-label"])
        assert tag != "img" or attrs["alt"]


def test_labels_at_the_ends_of_lines_do_not_collide():
    lines = [Line(f"detector {number}", [0, 1], [0, 80 + number / 10]) for number in range(8)]
    plot = LinePlot("a", lines, "x", "y", 1).svg()
    places = sorted(float(y) for y in re.findall(r'<text class="value s\d" x="[\d.]+" y="([\d.]+)"', plot))
    assert len(places) == 8
    assert min(b - a for a, b in itertools.pairwise(places)) >= 15


def test_figures_are_written_beside_the_page(tmp_path):
    folder = tmp_path / "new" / "report"
    data = {"recall": 0.123456789, "unknown": float("nan"), "bands": ({"px": (0, float("inf"))},)}
    assert write_report(report(data=data), folder) == folder / PAGE
    found = json.loads((folder / DATA).read_text())
    assert found == {"recall": 0.123457, "unknown": None, "bands": [{"px": [0, None]}]}
    write_report(report(), folder)


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(OutputError, match="contains other files"):
        write_report(report(), tmp_path)
    with pytest.raises(OutputError, match="cannot be written to"):
        write_report(report(), tmp_path / "holiday.jpg")
