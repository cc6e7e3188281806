"""A review that runs as a process, and a browser that shows its page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["chromium", "photo_of", "review_process"]


@contextmanager
def chromium() -> Iterator[object]:
    """A browser without a window; skips the test where there is none."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="no playwright here: pip install 'unionveil[test-web]'"
    )
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    arguments = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def review_process(
    folder: Path, output: Path, *arguments: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`unionveil review` on a free port: the page's address with its token, and the process."""
    command = [sys.executable, "-m", "unionveil", "review", str(folder), "-o", str(output), "--no-browser"]
    process = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"http://\S+", line):
                yield found[0], process
                break
        else:
            pytest.fail("the review did not start: " + "".join(lines))
    finally:
        process.terminate()
        process.communicate(timeout=60)


def photo_of(page) -> str:
    """Name of the photo that the page shows."""
    return page.locator("#name").inner_text()
