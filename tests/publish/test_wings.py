"""The packages of publishing depend on each other in one direction, so that there is no import cycle."""

import ast

import pytest

from paths import REPOSITORY

PACKAGE = REPOSITORY / "publish" / "unionveil_ocean"
BELOW = {
    "money": set(),
    "errors": {"money"},
    "jsjson": set(),
    "chain": {"money", "errors", "jsjson"},
    "node": {"money", "errors", "jsjson"},
    "assets": {"money", "errors", "jsjson", "chain", "node"},
    "jobs": {"money", "errors", "jsjson", "chain", "node", "assets"},
    "sandbox": {"money", "errors", "jsjson", "chain", "node", "assets"},
    "commands": {"money", "errors", "jsjson", "chain", "node", "assets", "jobs", "sandbox"},
}
"""Wings and files that each wing or file may import."""


def imported(file):
    """Paths of the imported modules, in the package."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = file.parents[node.level - 1].relative_to(PACKAGE).parts
            yield (*folder, *(node.module or "").split("."))


@pytest.mark.parametrize("wing", BELOW)
def test_a_wing_imports_only_what_lies_below_it(wing):
    files = [PACKAGE / f"{wing}.py"] if (PACKAGE / f"{wing}.py").exists() else (PACKAGE / wing).glob("*.py")
    for file in files:
        wings = {path[0] for path in imported(file)} - {wing}
        assert wings <= BELOW[wing], file


def test_every_wing_is_known():
    found = {path.stem for path in PACKAGE.iterdir() if not path.name.startswith(("__", "py.typed"))}
    assert found == set(BELOW)


def test_no_import_goes_in_a_circle():
    graph = {}
    for file in PACKAGE.rglob("*.py"):
        graph[file.relative_to(PACKAGE).with_suffix("").parts] = set(imported(file))
    while graph:
        free = {module for module, needs in graph.items() if not needs & graph.keys()}
        assert free, f"a circle among {sorted(graph)}"
        graph = {module: needs for module, needs in graph.items() if module not in free}
