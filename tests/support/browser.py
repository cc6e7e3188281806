"""Chromium for the tests of our pages, and axe, which finds accessibility problems."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from npm import npm_folder

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser; skips the test if Chromium or Playwright is missing."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright here: pip install playwright"
    )
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    with playwright.sync_playwright() as running:
        sandbox = [] if os.geteuid() else ["--no-sandbox"]
        browser = running.chromium.launch(executable_path=path, args=sandbox)
        try:
            yield browser
        finally:
            browser.close()


def new_page(browser: Any, **options: Any) -> Any:
    """A page in its own context, with generous time limits for a busy machine."""
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(120_000)
    return page


def drawn(page: Any) -> None:
    """Waits for two frames: Chromium drops keys and clicks until it has drawn a page's first one."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def axe_source() -> str:
    """axe-core as a script; skips the test if npm cannot install it."""
    return (npm_folder("axe-core") / "node_modules" / "axe-core" / "axe.min.js").read_text()


def violations(page: Any, axe: str) -> list[str]:
    """Violations that axe reports on the current page, by the rules of WCAG 2.2 AA and good practice."""
    # Through the developer tools: the page's own policy blocks scripts.
    page.evaluate(axe)
    found = page.evaluate("axe.run()")["violations"]
    return [f"{one['id']}: {one['help']}: {[node['html'] for node in one['nodes']]}" for one in found]


def screenshot(page: Any, name: str) -> None:
    """A JPEG of the page, if `UNIONVEIL_SCREENSHOTS` names a folder."""
    folder = os.environ.get("UNIONVEIL_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.jpg", type="jpeg", quality=80)
