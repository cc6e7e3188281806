"""A report in a browser: no fault that axe finds, nothing loaded, nothing cut off on paper or on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from browser import DESKTOP, PHONE, axe_source, chromium, screenshot, violations
from unionveil.measure.plots import Dot, DotPlot, Line, LinePlot, Mark
from unionveil.measure.report import Cell, Figure, Gallery, Photo, Report, Section, Table, write_report

pytestmark = pytest.mark.slow

NAMES = ("retinaface", "yunet", "all together")


def report() -> Report:
    dots = [
        Dot(name, 90, 80, 95, group) for group in ("all faces", "below 20 px: 62 faces") for name in NAMES
    ]
    lines = [Line(name, [0, 1, 5], [0, 80 - place, 90 - place], (1, 80)) for place, name in enumerate(NAMES)]
    rows: list[list[str | Cell]] = [[name, Cell("88 %", "81 to 96 %"), "1.29"] for name in NAMES]
    return Report(
        "Comparison of detectors",
        "retinaface covers most: 116 of 127 faces, with 1.29 false boxes per photo.",
        [Figure("Faces covered", "91 %", "at least 75 % of the face is under the cover")] * 3,
        ["46 marked boxes that count neither way."],
        [
            Section(
                "Faces covered", ["A text.", DotPlot("Faces covered", dots, "%", marks=[Mark(25, "chance")])]
            ),
            Section("Found", [LinePlot("Found", lines, "false boxes", "found, %", 5)]),
            Section("Table", [Table("All sizes", ["Detector", "Found", "False"], rows, frozenset({1, 2}))]),
            Section("Misses", [Gallery("retinaface: missed", [Photo(b"\xff\xd8", "28 px", "A face")])]),
        ],
        "unionveil compare PHOTOS",
        "good",
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("size", "name"), [(DESKTOP, "desktop"), (PHONE, "phone")])
def test_a_report_is_open_to_all(tmp_path: Path, scheme: str, size: dict[str, Any], name: str) -> None:
    page_file = write_report(report(), tmp_path / "report")
    with chromium() as browser:
        page = browser.new_page(color_scheme=scheme, **size)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(page_file.as_uri())
        assert violations(page, axe_source()) == []
        assert [url for url in asked if not url.startswith(("data:", page_file.as_uri()))] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        screenshot(page, f"report-{name}-{scheme}")


def test_a_report_fits_on_paper(tmp_path: Path) -> None:
    page_file = write_report(report(), tmp_path / "report")
    with chromium() as browser:
        page = browser.new_page(color_scheme="dark")
        page.goto(page_file.as_uri())
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 688, "height": 1000})  # A4 without its margins, at 96 px per inch
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("getComputedStyle(document.body.parentElement).color") == "rgb(0, 0, 0)"
        assert page.evaluate("getComputedStyle(document.querySelector('.screen')).display") == "none"
        assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
