"""Paths that cannot be read are errors, not answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from permissions import locked
from unionveil.errors import InputError
from unionveil.files.paths import files_below, is_file, is_folder, is_there, real

QUESTIONS = (is_folder, is_file, is_there)


@pytest.mark.parametrize("ask", QUESTIONS)
def test_what_cannot_be_known_is_an_error_of_one_sentence(tmp_path, ask):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for path, why in (
        (tmp_path / ("x" * 300), "File name too long"),
        (tmp_path / "circle", "Too many levels of symbolic links"),
        (tmp_path / "a\0b", "null byte"),
    ):
        with pytest.raises(InputError, match=f"cannot be read: .*{why}"):
            ask(path)


@pytest.mark.parametrize("ask", QUESTIONS)
def test_what_a_locked_folder_holds_is_not_missing(tmp_path, ask):
    (tmp_path / "locked").mkdir()
    with locked(tmp_path / "locked"), pytest.raises(InputError, match="Permission denied"):
        ask(tmp_path / "locked" / "a.jpg")


def test_everything_else_is_answered(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "nothing").symlink_to(tmp_path / "gone")
    asked = [tmp_path, tmp_path / "link", tmp_path / "file", tmp_path / "nothing", tmp_path / "file" / "x"]
    assert [is_folder(path) for path in asked] == [True, True, False, False, False]
    assert [is_file(path) for path in asked] == [False, False, True, False, False]
    assert [is_there(path) for path in asked] == [True, True, True, False, False]


def test_a_path_that_leads_in_a_circle_has_a_place(tmp_path):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert real(tmp_path / "circle" / "out") == Path(real(tmp_path) / "circle" / "out")


def test_links_are_listed_and_not_followed(tmp_path):
    (tmp_path / "out" / "sub").mkdir(parents=True)
    (tmp_path / "out" / "sub" / "a").touch()
    (tmp_path / "out" / "originals").symlink_to(tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path / "out")}
    assert found == {"out/sub/a", "out/originals"}
    assert {path.name for path in files_below(tmp_path / "out", lambda name: name == "sub")} == {"originals"}


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path):
    (tmp_path / "locked").mkdir()
    with locked(tmp_path / "locked"), pytest.raises(PermissionError):
        list(files_below(tmp_path))
    with pytest.raises(FileNotFoundError):
        list(files_below(tmp_path / "gone"))
