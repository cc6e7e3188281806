"""The pages of `docs/` run as they are: their shell and Python, in order, next to a few photos."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from paths import REPOSITORY
from samples import SCENES

PAGES = sorted((REPOSITORY / "docs").glob("*.md"))

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a checkout, next to photos like a reader's."""
    for entry in REPOSITORY.iterdir():
        if not entry.name.startswith(".") and entry.name not in {"build", "demo-output"}:
            (tmp_path / entry.name).symlink_to(entry)
    photos = tmp_path / "my-photos"
    photos.mkdir()
    for name in ("market.jpg", "portrait.jpg"):
        shutil.copy(SCENES / name, photos)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_runs(page: Path, checkout: Path) -> None:
    for line, language, block in _blocks(page):
        program = ["bash", "-e", "-c", block] if language == "sh" else [sys.executable, "-c", block]
        done = subprocess.run(program, cwd=checkout, env=_environment(), capture_output=True, text=True)
        assert done.returncode == 0, f"{page.name}:{line}:\n{block}\n{done.stdout}\n{done.stderr}"


def test_some_pages_have_commands() -> None:
    assert len([page for page in PAGES if _blocks(page)]) >= 4


def _blocks(page: Path) -> list[tuple[int, str, str]]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(sh|python)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, match.start(2)) + 1, match[1], match[2]) for match in found]


def _environment() -> dict[str, str]:
    """This process's environment, with its own interpreter's programs first."""
    return {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
