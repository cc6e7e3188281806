"""The documents as a site: every page is reached, links lead to pages, the reference is made from code."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
import yaml

from paths import REPOSITORY
from unionveil.config import parameters


def _module(path: Path):
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SITE = _module(REPOSITORY / "docs" / "build_site.py")
PAGES = {PurePosixPath(name) for name in ("README.md", "docs/a.md", "docs/b.md")}


@pytest.mark.parametrize(
    ("text", "page", "expected"),
    [
        ("see [b](b.md#part)", "docs/a.md", "see [b](b.md#part)"),
        ("see [home](../README.md)", "docs/a.md", "see [home](../README.md)"),
        ("see [`code`](../algorithm/code.py)", "docs/a.md", "see `code`"),
        ("see [a](docs/a.md), [web](https://x.org/y.md) and [here](#part)", "README.md", None),
        ("```\n[kept](nowhere.md)\n```", "docs/a.md", None),
        ("text\n| a |\n| --- |\n| b |", "docs/a.md", "text\n\n| a |\n| --- |\n| b |"),
        ("```\nx\n```\n| a |\n| --- |", "docs/a.md", "```\nx\n```\n\n| a |\n| --- |"),
        ("```\nx\n```\n\ntext", "docs/a.md", None),
        ("text:\n- one\n- two", "docs/a.md", "text:\n\n- one\n- two"),
    ],
)
def test_links_lead_only_to_pages_and_blocks_have_blank_lines(text, page, expected):
    assert SITE.rewritten(text, PurePosixPath(page), PAGES)[0] == (expected or text)


def test_pictures_are_found():
    assert SITE.rewritten("![x](images/x.jpg)", PurePosixPath("docs/a.md"), PAGES)[1] == {
        PurePosixPath("docs/images/x.jpg")
    }


def test_every_task_has_a_page_in_the_navigation():
    config = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())
    named = {page for part in config["nav"] for page in _leaves(part)}
    tasks = {f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md")}
    assert tasks <= named
    made = {"reference/commands.md", "reference/settings.md", "reference/python.md"}
    assert all((REPOSITORY / page).is_file() for page in named - made)


def _leaves(part):
    match part:
        case str():
            yield part
        case dict():
            for inner in part.values():
                yield from _leaves(inner)
        case list():
            for inner in part:
                yield from _leaves(inner)
        case _:
            raise AssertionError(part)


def test_the_reference_names_every_setting_command_and_public_name():
    settings = SITE.settings()
    assert all(f"| `{one.name}` |" in settings for one in parameters())
    assert all(f"## unionveil {name}" in SITE.commands() for name in ("anonymize", "check", "models fetch"))
    assert "::: unionveil.Anonymizer" in SITE.api()


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    program = shutil.which("zensical", path=str(Path(sys.executable).parent))
    if program is None or importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip("zensical is not installed here; pip install '.[docs]' brings it")
    SITE.lay_out(tmp_path / "build" / "docs")
    shutil.copy(REPOSITORY / "mkdocs.yml", tmp_path)
    (tmp_path / "algorithm").symlink_to(REPOSITORY / "algorithm")
    done = subprocess.run(
        [program, "build", "--strict"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "build" / "site"
    assert "AnonymizeConfig" in (site / "reference" / "python" / "index.html").read_text()
    assert "<table" in (site / "docs" / "outputs" / "index.html").read_text()
