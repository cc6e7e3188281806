"""Checks the architecture's rules, and the length of functions."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from paths import REPOSITORY

CORE = REPOSITORY / "algorithm" / "unionveil"

NETWORK = {"urllib", "http", "socket", "ssl", "requests", "httpx", "aiohttp"}
ADDRESSES = {"urllib.parse"}  # parses addresses and opens none
FILES = {"pathlib", "os", "tempfile", "shutil", "glob"}
CLOCKS = {"time"}


@cache
def modules() -> dict[str, Path]:
    """Every module of the core by its dotted name."""
    found = {}
    for path in CORE.rglob("*.py"):
        parts = path.relative_to(CORE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(name: str, *, lazy: bool) -> frozenset[str]:
    """Modules that a module imports on loading, or also inside functions."""
    path = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in _nodes(ast.parse(path.read_text()), lazy=lazy):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            submodules = {f"{source}.{alias.name}" for alias in node.names} & modules().keys()
            found |= submodules if len(submodules) == len(node.names) else {source, *submodules}
    return frozenset(found)


def _nodes(tree: ast.AST, *, lazy: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not lazy:
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _nodes(child, lazy=lazy)


@cache
def reached(name: str, *, lazy: bool = False) -> frozenset[str]:
    """Modules of the core that are loaded together with a module, or also by its functions."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = (imports(waiting.pop(), lazy=lazy) & modules().keys()) - found
        found |= new
        waiting += new
    return frozenset(found)


def tops(names: frozenset[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def importers(packages: set[str]) -> list[str]:
    return sorted(name for name in modules() if tops(imports(name, lazy=True) - ADDRESSES) & packages)


def test_there_is_no_import_cycle():
    assert not [name for name in modules() if name in reached(name)]


def opens(name: str) -> bool:
    """Whether a module calls the built-in `open`."""
    nodes = ast.walk(ast.parse(modules()[name].read_text()))
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    return bool(called & {"open", "io.open"})


def test_the_pipeline_reaches_no_file_and_no_clock():
    # Only these find contents, models, overlay pictures, libraries and limits of the machine.
    apart = {
        f"unionveil.{name}"
        for name in (
            *("content", "engines.resources", "redact.overlay", "images.coefficients", "images.jpeg_plain"),
            *("models.cards", "models.inference", "models.onnx_session"),
            *("models.openvino_session", "models.session", "models.store"),
            "detect.yolo",  # its card names a path
        )
    }
    middle = reached("unionveil.pipeline", lazy=True) | {"unionveil.pipeline"}
    reaching = {name for name in middle if opens(name)} | middle & set(importers(FILES | CLOCKS))
    assert reaching == apart
    assert not any(name.startswith(("unionveil.files", "unionveil.runs")) for name in middle)


@pytest.mark.parametrize("folder", ["images", "redact", "detect"])
def test_pixels_know_no_network(folder):
    assert not [name for name in importers(NETWORK) if name.startswith(f"unionveil.{folder}")]


def test_only_models_the_bot_and_the_cluster_reach_out_and_only_the_servers_listen():
    at_a_network = [name for name in importers(NETWORK) if not name.startswith("unionveil.serve.")]
    matrix = ["unionveil.bot.matrix", "unionveil.bot.matrix_calls"]
    assert at_a_network == [*matrix, "unionveil.engines.ray", "unionveil.models.store"]
    for name in (name for name in modules() if name.startswith("unionveil.serve.")):
        assert not tops(imports(name, lazy=True)) & {"urllib", "ssl", "requests", "httpx", "aiohttp"}


def test_only_stores_reach_object_stores():
    assert importers({"obstore"}) == ["unionveil.files.stores"]
    assert importers({"ray"}) == ["unionveil.engines.ray"]


def test_paths_of_the_user_are_asked_about_in_one_place():
    """`pathlib` guesses, or ends in an error of its own: see `files/paths.py`."""
    guessing = {"is_dir", "is_file", "exists", "resolve", "rglob"}
    folders = ("cli", "files", "runs", "merge", "annotations", "export", "measure")
    found = {
        name
        for name, path in modules().items()
        if name.split(".")[1:2] and name.split(".")[1] in (*folders, "verify", "watch")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in guessing
    }
    assert found == {"unionveil.files.unpack", "unionveil.files.zips"}  # members of archives


def test_only_servers_need_the_extra_web():
    for name in importers({"starlette", "uvicorn", "python_multipart"}):
        assert name.startswith("unionveil.serve.")


def test_the_core_knows_no_chain_and_the_product_no_torch():
    assert not importers({"web3", "eth_account", "unionveil_ocean", "torch"})


def test_only_the_sessions_import_what_runs_networks():
    assert importers({"onnxruntime"}) == ["unionveil.models.onnx_session"]
    assert importers({"openvino"}) == ["unionveil.models.openvino_session"]


@pytest.mark.parametrize(
    "module",
    [
        "unionveil",
        "unionveil.config",
        "unionveil.content",
        "unionveil.files.sources",
        "unionveil.runs.manifest",
        "unionveil.runs.schema",
        "unionveil.engines.pool",
        "unionveil.annotations",
        "unionveil.cli.anonymize",
        "unionveil.job",
    ],
)
def test_settings_readers_and_engines_load_no_model_and_no_codec(module):
    heavy = ("onnxruntime", "cv2", "PIL", "tifffile", "torch")
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("folder", ["algorithm/unionveil", "algorithm/training", "publish", "tests/support"])
def test_functions_stay_short(folder):
    lengths = sorted(
        _body_lines(node)
        for path in (REPOSITORY / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert lengths[-1] <= 50
    assert lengths[int(0.9 * len(lengths))] <= 20


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is None or first.end_lineno is None:
        return total
    return total - (first.end_lineno - first.lineno + 1)
