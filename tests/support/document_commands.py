"""The commands in the documents, from shell blocks and from inline code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paths import REPOSITORY

__all__ = ["DOCUMENTS", "Shown", "commands_in", "python_blocks"]

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "docker/*.md", "publish/*.md", "algorithm/training/*.md")
    for path in REPOSITORY.glob(pattern)
    if path.name != "CHANGELOG.md"
)
"""Every document with commands for its readers."""

_PROGRAMS = ("unionveil", "make", "python", "docker/", "tests/", "pip", ".venv")


@dataclass(frozen=True)
class Shown:
    """One command as a document shows it.

    Attributes:
        document: the document's path.
        line: the line that it starts on, from 1.
        words: the program and its arguments, without assignments, redirections and ellipses.
        is_runnable: whether it is in a shell block, whose commands follow one another.
    """

    document: Path
    line: int
    words: tuple[str, ...]
    is_runnable: bool

    def __str__(self) -> str:
        """The place and the command, for a failing test."""
        return f"{self.document.relative_to(REPOSITORY)}:{self.line}: {shlex.join(self.words)}"


def commands_in(document: Path) -> Iterator[Shown]:
    """All commands of a document, in order."""
    text = document.read_text(encoding="utf-8")
    for line, block in _blocks(text, "sh|bash"):
        yield from _of_block(document, line, block)
    outside = re.sub(
        r"^ *```.*?^ *```", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE
    )
    for number, content in enumerate(outside.splitlines(), 1):
        for code in re.findall(r"`([^`]+)`", content):
            words = _words(code) if code.startswith(_PROGRAMS) and " " in code else ()
            if words and not _is_a_name(words):
                yield Shown(document, number, words, is_runnable=False)


def python_blocks(document: Path) -> list[tuple[int, str]]:
    """Blocks of Python with the lines that they start on."""
    return list(_blocks(document.read_text(encoding="utf-8"), "python"))


def _blocks(text: str, language: str) -> Iterator[tuple[int, str]]:
    for match in re.finditer(rf"^ *```(?:{language})\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
        yield text.count("\n", 0, match.start(1)) + 1, match[1]


def _of_block(document: Path, line: int, block: str) -> Iterator[Shown]:
    pending, start = "", line
    for number, content in enumerate(block.splitlines(), line):
        pending, start = (pending + "\n" + content, start) if pending else (content, number)
        if pending.endswith("\\") or not _is_whole(pending):
            continue
        for part in pending.replace("\\\n", " ").split(" && "):
            words = _words(part)
            if words:
                yield Shown(document, start, words, is_runnable=True)
        pending = ""
    assert not pending, f"{document}:{start}: the command does not end: {pending}"


def _is_whole(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True


def _words(text: str) -> tuple[str, ...]:
    words = shlex.split(text, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0], re.DOTALL):
        words.pop(0)
    for mark in (">", "|"):
        words = words[: words.index(mark)] if mark in words else words
    return tuple(word for word in words if word != "...")


def _is_a_name(words: tuple[str, ...]) -> bool:
    """Whether inline code names a program without calling it."""
    return len(words) < 2
