"""Runs `unionveil review` as a process, and reads its page."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["photo_of", "review_process"]


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


def photo_of(page: Any) -> str:
    """Name of the photo that the page shows."""
    return str(page.locator("#name").inner_text())
