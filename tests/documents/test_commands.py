"""Every command in the documents exists, with all of its options."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import subprocess
from functools import cache
from pathlib import Path

import click
import pytest

from document_commands import DOCUMENTS, Shown, commands_in, python_blocks
from paths import REPOSITORY
from unionveil.cli.group import cli

_ALL = [shown for document in DOCUMENTS for shown in commands_in(document)]

_OF_THE_MACHINE = (
    "sudo",
    "docker",
    "export",
    "brew",
    "git",
    "pipx",
    "uv",
    "printf",
    "curl",
    "ulimit",
    "echo",
)
"""Programs of others."""


@pytest.mark.parametrize("shown", _ALL, ids=str)
def test_a_command_exists(shown: Shown) -> None:
    program, *given = shown.words
    match program:
        case "unionveil":
            _check_options(*_subcommand(cli, given))
        case "make":
            _check_make(given)
        case "pip":
            _check_extras(given)
        case _ if program.endswith("python") or program == "python":
            _check_python(given)
        case "docker/run_local.sh":
            _check_run_local(given)
        case _ if program in _OF_THE_MACHINE:
            pass
        case _:
            assert (REPOSITORY / program).is_file(), f"{shown}: there is no such program"


_ON_OCEAN = [shown for shown in _ALL if shown.is_runnable and "publish/" in " ".join(shown.words[:2])]


@pytest.mark.parametrize("shown", _ON_OCEAN, ids=str)
def test_publishing_is_shown_with_what_it_needs(shown: Shown) -> None:
    """A node, a network and a key, unless the command tries something on this machine alone."""
    _, script, *given = shown.words
    match Path(script).stem, given:
        case ("register" | "register_dataset", []) | ("shares", ["plan", *_]):
            return
        case "trust", ["check", *_]:
            pass
        case _:
            assert "--network" in given, shown
            assert "--keystore" in given or "--list-environments" in given, shown
    assert "--node-url" in given or _is_exported("NODE_URL", shown), f"{shown}: without a node"


def _is_exported(name: str, shown: Shown) -> bool:
    before = [one for one in _ALL if one.document == shown.document and one.line < shown.line]
    return any(one.words[0] == "export" and one.words[1].startswith(f"{name}=") for one in before)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_command_writes_into_the_outputs_of_another(document: Path) -> None:
    """Both would refuse it; the same command may run again, for example with --prune."""
    writers: dict[str, set[tuple[str, ...]]] = {}
    for shown in commands_in(document):
        match shown.words if shown.is_runnable else ():
            case ("unionveil", "anonymize" | "review", *_) if "-o" in shown.words:
                folder = shown.words[shown.words.index("-o") + 1]
            case ("docker/run_local.sh", _, folder, *_):
                pass
            case _:
                continue
        same = tuple(word for word in shown.words if word not in ("--preview", "--prune"))
        writers.setdefault(folder, set()).add(same)
    assert not {folder: some for folder, some in writers.items() if len(some) > 1}


def test_every_variable_of_ours_is_documented() -> None:
    """In CONTRIBUTING, which lists no others; two are set by programs, not by people."""
    listed = subprocess.run(
        ["git", "grep", "-ohE", "UNIONVEIL_[A-Z_]+", "--", "*.py", "*.sh"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    used = set(listed.stdout.split()) - {"UNIONVEIL_BIN", "UNIONVEIL_COMPLETE"}
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(re.findall(r"UNIONVEIL_[A-Z_]+", text)) == used - {"UNIONVEIL_"}


def test_there_are_commands() -> None:
    assert len(_ALL) > 50
    assert {shown.words[0] for shown in _ALL} >= {"unionveil", "make", "python", "pip"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_python_compiles(document: Path) -> None:
    for line, block in python_blocks(document):
        compile("\n" * line + block, str(document), "exec")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), f"{document.name}: {target} does not exist"
        assert not anchor or there.suffix != ".md" or anchor in _anchors(there), f"{document.name}: {target}"


def _anchors(document: Path) -> set[str]:
    """GitHub's anchors of a document's headings."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _subcommand(command: click.Command, given: list[str]) -> tuple[click.Command, list[str]]:
    while isinstance(command, click.Group) and given and not given[0].startswith("-"):
        inner = command.get_command(click.Context(command), given[0])
        assert inner is not None, f"there is no command {given[0]}"
        command, given = inner, given[1:]
    return command, given


def _check_options(command: click.Command, given: list[str]) -> None:
    """Checks that a command has the given options, and its choices the given values."""
    ctx = click.Context(command)
    values, _, _ = command.make_parser(ctx).parse_args(list(given))
    choices = {p.name: p.type for p in command.params if isinstance(p.type, click.Choice)}
    for name, value in values.items():
        if name in choices and isinstance(value, str):
            choices[name].convert(value, None, ctx)


@cache
def _targets() -> set[str]:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def _check_make(given: list[str]) -> None:
    targets = [word for word in given if "=" not in word]
    assert targets, "no target"
    assert set(targets) <= _targets(), f"there is no target {set(targets) - _targets()}"


def _check_extras(given: list[str]) -> None:
    assert "unionveil" not in " ".join(given), "install the checkout: pip install '.[EXTRA]'"
    known = set(importlib.metadata.metadata("unionveil").get_all("Provides-Extra") or ())
    for named in re.findall(r"\[([a-z,-]+)\]", " ".join(given)):
        missing = set(named.split(",")) - known
        assert not missing, f"there is no extra {missing}"


def _check_run_local(given: list[str]) -> None:
    match given:
        case ["--serve", *options]:
            _check_options(*_subcommand(cli, ["serve", *options]))
        case ["--help"]:
            pass
        case [_, _] | [_, _, _]:
            assert not [word for word in given if word.startswith("-")], "run_local.sh takes no options"
        case _:
            raise AssertionError("run_local.sh takes a folder of inputs, one for outputs and a file")


def _check_python(given: list[str]) -> None:
    match given:
        case ["-c", code, *_]:
            compile(code, "-c", "exec")
        case ["-m", module, *_]:
            assert module.partition(".")[0] in {"training", "pytest", "venv", "fuzz"}, module
        case [script, *rest]:
            assert (REPOSITORY / script).is_file(), f"there is no {script}"
            if script.startswith("publish/"):
                _check_publishing(Path(script).stem, rest)
        case _:
            raise AssertionError("python without arguments")


def _check_publishing(name: str, given: list[str]) -> None:
    module = importlib.import_module(f"unionveil_ocean.commands.{name}")
    commands = [value for value in vars(module).values() if isinstance(value, click.Command)]
    command = next(command for command in commands if command.name == name)
    _check_options(*_subcommand(command, given))
