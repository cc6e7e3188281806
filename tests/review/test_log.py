"""The log of a review: it survives a kill, and invalid content is ignored."""

from __future__ import annotations

import errno
import os
from io import FileIO
from pathlib import Path
from typing import cast

import pytest

from unionveil.errors import OutputError, ReviewError
from unionveil.review.log import Log
from unionveil.review.model import Box, Edit, PhotoState, Sighting
from unionveil.runs.journal import clear

SEEN = Sighting(run="r", sizes_wh=((200, 100),), boxes=(Box(id="d1", xyxy=(10, 10.1, 30, 30), score=0.9),))
DROP = Edit(drop=("d1",))


def state(log: Log) -> PhotoState:
    found = log.board.state("p")
    assert found
    return found


def worked_on(tmp_path: Path) -> None:
    with Log(tmp_path / "in", tmp_path) as log:
        log.file("secret name.jpg", 5, 7, "p")
        log.see("p", SEEN)
        log.edit(0, "e1", "p", DROP)
        log.edit(1, "e2", "p", Edit(verdict="approved"))
        log.step(2, "u1")


def lines(tmp_path: Path) -> Path:
    return next(tmp_path.glob("*.jsonl"))


def test_a_review_continues_where_it_stopped(tmp_path):
    worked_on(tmp_path)
    with Log(tmp_path / "in", tmp_path) as log:
        assert (log.board.revision, state(log).boxes, state(log).verdict) == (3, (), "unreviewed")
        assert log.known("secret name.jpg", 5, 7) == "p"
        assert log.known("secret name.jpg", 5, 8) is None
        assert log.step(3, "r1", redo=True) == "p"
        assert state(log).verdict == "approved"


def test_added_boxes_are_kept_and_are_no_edits(tmp_path):
    worked_on(tmp_path)
    other = SEEN.model_copy(update={"run": "other", "boxes": (Box(id="d1", xyxy=(90, 10, 110, 30)),)})
    from_file = Box(id="f1", xyxy=(0, 0, 9, 9), origin="file")
    with Log(tmp_path / "in", tmp_path) as log:
        log.see("p", other)
        log.add("p", (from_file,))
        log.add("p", (from_file,))
        before = state(log)
        assert [box.xyxy for box in before.boxes] == [(90, 10, 110, 30), (0, 0, 9, 9)]
        log.see("p", other)
        log.add("p", (from_file,))
        assert lines(tmp_path).read_text().count('"what":"import"') == 1
    with Log(tmp_path / "in", tmp_path) as log:
        assert (log.board.revision, state(log)) == (3, before)


def test_every_cut_of_the_log_is_a_state_that_was(tmp_path):
    worked_on(tmp_path)
    path, whole = lines(tmp_path), lines(tmp_path).read_bytes()
    revisions = set()
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        with Log(tmp_path / "in", tmp_path) as log:
            revisions.add(log.board.revision)
            log.see("p", SEEN)
            log.edit(log.board.revision, "new", "p", Edit(verdict="flagged"))
        with Log(tmp_path / "in", tmp_path) as log:
            assert state(log).verdict == "flagged"
    assert revisions == {0, 1, 2, 3}


def test_the_log_contains_no_file_name_and_no_plain_digest(tmp_path):
    with Log(tmp_path / "in", tmp_path) as log:
        log.file("secret name.jpg", 5, 7, log.photo_key(b"hello"))
    text = lines(tmp_path).read_text()
    assert "secret" not in text
    assert "2cf24dba5fb0a30e" not in text
    assert lines(tmp_path).stat().st_mode & 0o077 == 0


def test_two_processes_do_not_share_a_review(tmp_path):
    with Log(tmp_path / "in", tmp_path), pytest.raises(OutputError, match="another process"):
        Log(tmp_path / "in", tmp_path).__enter__()


def test_a_review_in_progress_is_not_removed(tmp_path):
    worked_on(tmp_path)
    with Log(tmp_path / "in", tmp_path), pytest.raises(OutputError, match="in progress"):
        clear(tmp_path)
    with Log(tmp_path / "in", tmp_path) as log:
        assert log.board.revision == 3
    assert clear(tmp_path) == 1


def test_a_refused_edit_is_not_kept(tmp_path):
    worked_on(tmp_path)
    before = lines(tmp_path).read_bytes()
    with Log(tmp_path / "in", tmp_path) as log, pytest.raises(ReviewError):
        log.edit(log.board.revision, "e", "p", Edit(drop=("nothing",)))
    assert lines(tmp_path).read_bytes().strip() == before.strip()


class FullDisk:
    """A file on a disk with room for some bytes."""

    def __init__(self, file, room: int) -> None:
        self._file, self._room = file, room

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data: bytes) -> int:
        if not self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = self._file.write(data[: self._room])
        self._room -= done
        return done


def test_an_edit_that_cannot_be_kept_is_not_made(tmp_path):
    with Log(tmp_path / "in", tmp_path) as log:
        log.see("p", SEEN)
        disk, log._file = log._file, cast("FileIO", FullDisk(log._file, 10))
        for n in range(2):
            with pytest.raises(OutputError, match="make room"):
                log.edit(0, f"e{n}", "p", DROP)
        assert state(log).boxes == SEEN.boxes
        log._file = disk
        log.edit(0, "e3", "p", DROP)
    with Log(tmp_path / "in", tmp_path) as log:
        assert state(log).boxes == ()


def test_a_state_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="XDG_STATE_HOME"):
        Log(tmp_path, tmp_path / "file" / "below").__enter__()
