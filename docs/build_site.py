"""Lays the documents out as a site: every page where it stands, and a reference made from the code.

    python docs/build_site.py FOLDER      # then: zensical build --strict

Documents keep their places, so that links between them lead on. Links to files that are not pages of the
site, such as source code, become plain text. Commands, settings and the Python API come from the code itself.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import click

from unionveil.cli.group import cli
from unionveil.config import parameters

REPOSITORY = Path(__file__).resolve().parents[1]

_DOCUMENTS = (
    *("*.md", "docs/*.md", "docker/README.md", "docker/optout/README.md", "publish/README.md"),
    *("algorithm/training/*.md", "algorithm/unionveil/weights/*.md", "tests/data/README.md"),
)
_LINK = re.compile(r"(!?)\[([^\]\n]*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"(^ *```.*?^ *```[^\n]*$)", re.DOTALL | re.MULTILINE)

_API = """# Python API
The names that `import unionveil` offers. Shapes, units and errors stand with each.
"""


def documents(repository: Path) -> list[Path]:
    """Every document that becomes a page, relative to the repository."""
    found = {path.relative_to(repository) for some in _DOCUMENTS for path in repository.glob(some)}
    return sorted(found)


def rewritten(text: str, page: PurePosixPath, pages: set[PurePosixPath]) -> tuple[str, set[PurePosixPath]]:
    """A page's text whose links lead to pages and pictures alone.

    Args:
        text: Markdown.
        page: its path in the repository.
        pages: all pages.

    Returns:
        The text, and the paths of the pictures that it shows.
    """
    pictures: set[PurePosixPath] = set()

    def link(match: re.Match[str]) -> str:
        bang, label, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, _, _ = target.partition("#")
        place = _joined(page.parent, path)
        if bang:
            pictures.add(place)
            return match[0]
        return match[0] if place in pages else label

    parts = _FENCE.split(text)
    linked = [part if number % 2 else _spaced(_LINK.sub(link, part)) for number, part in enumerate(parts)]
    return "".join(linked), pictures


def _spaced(text: str) -> str:
    """Blank lines around blocks, which Python-Markdown needs and GitHub does not."""
    if re.match(r"\n[^\n]", text):  # behind a fence, whose last line ends here
        text = f"\n{text}"
    lines: list[str] = []
    for line in text.split("\n"):
        before = lines[-1] if lines else "x"
        is_item, was_item = (bool(re.match(r" *([-*]|\d+\.) ", each)) for each in (line, before))
        is_row, was_row = line.startswith("|"), before.startswith("|")
        begins = (is_row and not was_row) or (is_item and not was_item and not before.startswith(" "))
        if begins and before.strip():
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def _joined(folder: PurePosixPath, path: str) -> PurePosixPath:
    parts: list[str] = []
    for part in (folder / path).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return PurePosixPath(*parts)


def commands() -> str:
    """A page with the help of every command."""
    return "# Commands\n" + "".join(_help(cli, "unionveil", None))


def _help(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, max_content_width=100)
    yield f"\n## {context.command_path}\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found:
                yield from _help(found, inner, context)


def settings() -> str:
    """A page with every setting: a flag of the command line, a parameter of the job, a field of the API."""
    rows = []
    for one in parameters():
        values = ", ".join(one.choices) or one.kind
        belongs = f" Only with {one.tag} {', '.join(one.belongs_to)}." if one.belongs_to else ""
        text = (one.description + belongs).replace("|", "\\|")
        rows.append(f"| `{one.name}` | {values} | {one.default or '-'} | {text} |")
    names = "Names are those of flags (`--max-megapixels`), parameters of the Ocean job and of the manifest."
    head = f"# Settings\n{names}\n"
    return "\n".join([head, "| name | values | default | meaning |", "| --- | --- | --- | --- |", *rows, ""])


def api() -> str:
    """A page for mkdocstrings with the public names of the package."""
    import unionveil

    names = sorted(name for name in unionveil.__all__ if not name.startswith("_"))
    return _API + "".join(f"\n::: unionveil.{name}\n" for name in names)


def lay_out(folder: Path) -> None:
    """Writes all pages and their pictures into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = documents(REPOSITORY)
    names = {PurePosixPath(page.as_posix()) for page in pages}
    for name in sorted(names):
        text, pictures = rewritten((REPOSITORY / name).read_text(encoding="utf-8"), name, names)
        _write(folder / name, text)
        for picture in pictures:
            (folder / picture).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / picture, folder / picture)
    _write(folder / "reference" / "commands.md", commands())
    _write(folder / "reference" / "settings.md", settings())
    _write(folder / "reference" / "python.md", api())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
