"""Every command in the documents exists, with all of its options."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from functools import cache
from pathlib import Path

import click
import pytest

from document_commands import DOCUMENTS, Shown, commands_in, python_blocks
from paths import REPOSITORY
from unionveil.cli.group import cli

_ALL = [shown for document in DOCUMENTS for shown in commands_in(document)]

_OF_THE_MACHINE = ("sudo", "docker", "export", "brew", "git", "pipx", "uv", "printf", "curl", "ulimit")
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
        case _ if program in _OF_THE_MACHINE:
            pass
        case _:
            assert (REPOSITORY / program).is_file(), f"{shown}: there is no such program"


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
    known = set(importlib.metadata.metadata("unionveil").get_all("Provides-Extra") or ())
    for named in re.findall(r"\[([a-z,-]+)\]", " ".join(given)):
        missing = set(named.split(",")) - known
        assert not missing, f"there is no extra {missing}"


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
