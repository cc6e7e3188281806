"""Words typical of translated sentences are rejected in code, comments, messages and documents."""

from __future__ import annotations

import re
import subprocess

import pytest

from paths import REPOSITORY

HABITS = re.compile(
    r"(?<![\w.])(?:[Uu]nt|[Tt])old\b|(?<![\w.])[Tt]ell(?:s|ing)?\b(?!\()"
    r"|\b(?:is|are|was|were) none\b|\b[Ww]hoever\b"
)
"""Plainer: report, predict, distinguish, measure; "not a ..."; a subject at the beginning of the sentence."""

GLUED = re.compile(
    r"""^ *(?:\w+=)?f?"[^"]* [^"]*(?<!\\)[a-z,:]"\n *f?"[a-z][^"]* [^"]*"[,)]*$""", re.MULTILINE
)
"""Two strings of a sentence that are joined without a space."""

NAMES_OF_METHODS = re.compile(r"\bdef tell\(")
NOT_TEXT = {
    ".png",
    ".jpg",
    ".gif",
    ".heic",
    ".avif",
    ".webp",
    ".tif",
    ".onnx",
    ".bmp",
    ".apng",
    ".icc",
    ".bin",
}


def tracked_texts() -> dict[str, str]:
    """Every tracked text file by its path, except this one."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    found = {}
    for name in listed.stdout.decode().split("\0")[:-1]:
        path = REPOSITORY / name
        if path.suffix.lower() not in NOT_TEXT and path.name != "test_words.py" and path.is_file():
            found[name] = path.read_text("utf-8", "replace")
    return found


def habits_in(text: str) -> list[tuple[int, str]]:
    """Line numbers and lines with a habit word."""
    return [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), 1)
        if HABITS.search(NAMES_OF_METHODS.sub("", line))
    ]


def test_no_text_uses_the_words_of_a_translation():
    found = [
        f"{name}:{number}: {line}"
        for name, text in tracked_texts().items()
        for number, line in habits_in(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("sentence", ["it tells nothing", "Whoever signs", "there is none", "untold faces"])
def test_the_words_are_found(sentence):
    assert habits_in(f"ok\n    {sentence}\n") == [(2, sentence)]


@pytest.mark.parametrize("line", ["start = tape.tell()", "    def tell(self) -> int:", "if found is None:"])
def test_code_is_not_mistaken_for_them(line):
    assert habits_in(line) == []


def glued(text: str) -> list[int]:
    """Line numbers at which the words of two joined strings run into each other."""
    return [text[: match.start()].count("\n") + 1 for match in GLUED.finditer(text)]


def test_no_two_words_run_into_each_other_in_joined_strings():
    texts = {name: text for name, text in tracked_texts().items() if name.endswith(".py")}
    found = [f"{name}:{number}" for name, text in texts.items() for number in glued(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "is_glued"), [("refers to the", True), ("refers to the ", False), ("refers to the\\n", False)]
)
def test_joined_words_are_found(line, is_glued):
    assert bool(glued(f'raise Error(\n    f"{line}"\n    "upright picture"\n)\n')) == is_glued
