"""What a review knows, kept while it is made: a file of lines that only grows.

It lies in the user's state folder, never beside the photos or the outputs. Photos appear in it by keyed
digests of their bytes and of their names, under a secret that lies in the same folder; boxes and notes are
plain. A kill at any moment loses at most the line that was being written, and the page sends its edit again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ..errors import OutputError, ReviewError
from ..runs.journal import keyed_digest, secret_of
from .board import Board
from .model import Edit, Sighting

__all__ = ["KnownFile", "Log", "reviews_folder"]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _FileLine(_Line):
    """A file whose bytes were read: the same size and time mean the same file."""

    what: Literal["file"] = "file"
    name: str
    size: int
    mtime_ns: int
    photo: str


class _SeenLine(_Line):
    what: Literal["seen"] = "seen"
    photo: str
    sighting: Sighting


class _EditLine(_Line):
    what: Literal["edit"] = "edit"
    id: str
    photo: str
    edit: Edit


class _StepLine(_Line):
    what: Literal["undo", "redo"]
    id: str


_AnyLine: TypeAlias = Annotated[_FileLine | _SeenLine | _EditLine | _StepLine, Field(discriminator="what")]
_LINE: TypeAdapter[_AnyLine] = TypeAdapter(_AnyLine)


@dataclass(frozen=True)
class KnownFile:
    """A file that an earlier look has read.

    Attributes:
        size: in bytes.
        mtime_ns: time of its last change.
        photo: key of its content.
    """

    size: int
    mtime_ns: int
    photo: str


def reviews_folder() -> Path:
    """Where reviews are kept: in the user's state folder."""
    return Path(platformdirs.user_state_dir("unionveil", appauthor=False)) / "reviews"


class Log:
    """The log of one folder's review, to be entered with `with`; no two processes have it at once.

    Args:
        inputs: the folder that is reviewed.
        folder: where logs lie; by default `reviews_folder()`.
    """

    def __init__(self, inputs: Path, folder: Path | None = None) -> None:
        self._folder = folder or reviews_folder()
        self._inputs = inputs
        where = hashlib.sha256(os.fsencode(inputs.resolve())).hexdigest()[:32]
        self._path = self._folder / f"{where}.jsonl"
        self.secret = b""
        self.board = Board()
        self.files: dict[str, KnownFile] = {}
        self._file: FileIO | None = None

    def __enter__(self) -> Log:
        """Reads what is there and opens the file for more.

        Raises:
            OutputError: the state folder cannot be written to, or another process reviews the folder.
        """
        try:
            self.secret = secret_of(self._folder)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise OutputError(
                f"the review cannot be kept in {self._folder}: {error.strerror or error}; point "
                "XDG_STATE_HOME at a folder that can be written to"
            ) from error
        self._file = FileIO(descriptor, "ab", closefd=True)
        try:
            _lock(descriptor, self._inputs)
            for line in self._lines():
                self._read(line)
            self._write(b"")  # ends a line that a kill left half written
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file, and with it the lock."""
        if self._file:
            self._file.close()
            self._file = None

    def photo_key(self, data: bytes) -> str:
        """The key of a photo: a keyed digest of its bytes."""
        return keyed_digest(self.secret, "", data)

    def known(self, name: str, size: int, mtime_ns: int) -> str | None:
        """The key of a file's content, if an earlier look has read it and it has not changed since."""
        known = self.files.get(self._name_key(name))
        return known.photo if known and (known.size, known.mtime_ns) == (size, mtime_ns) else None

    def file(self, name: str, size: int, mtime_ns: int, photo: str) -> None:
        """Keeps what a file holds."""
        line = _FileLine(name=self._name_key(name), size=size, mtime_ns=mtime_ns, photo=photo)
        self._keep(line)

    def see(self, photo: str, sighting: Sighting) -> None:
        """Keeps what the detector saw."""
        if self.board.sighting(photo) != sighting:
            self._keep(_SeenLine(photo=photo, sighting=sighting))

    def edit(self, revision: int, id: str, photo: str, edit: Edit) -> str:  # noqa: A002
        """Keeps an edit, then makes it.

        Returns:
            The photo that changed.

        Raises:
            ReviewError: as `Board.plan`; nothing was kept.
            OutputError: it cannot be kept; it was not made.
        """
        change = self.board.plan(revision, id, photo, edit)
        if change:
            self._write(_EditLine(id=id, photo=photo, edit=edit).model_dump_json().encode())
            self.board.make(change)
        return photo

    def step(self, revision: int, id: str, *, redo: bool = False) -> str | None:  # noqa: A002
        """Undoes the last edit, or makes it again.

        Returns:
            The photo that changed; None if there was nothing to turn.

        Raises:
            ReviewConflict: it was asked for on another revision.
            OutputError: it cannot be kept; it was not made.
        """
        change = self.board.last(revision, id, redo=redo)
        if change is None:
            return None
        self._write(_StepLine(what="redo" if redo else "undo", id=id).model_dump_json().encode())
        (self.board.redo if redo else self.board.undo)(id)
        return change.photo

    def _keep(self, line: _FileLine | _SeenLine) -> None:
        self._write(line.model_dump_json().encode())
        self._take(line)

    def _lines(self) -> Iterator[bytes]:
        with self._path.open("rb") as lines:
            yield from lines

    def _read(self, text: bytes) -> None:
        """Takes one line; a half-written one counts as never written."""
        with suppress(ValidationError, ReviewError):
            self._take(_LINE.validate_json(text))

    def _take(self, line: _AnyLine) -> None:
        match line:
            case _FileLine():
                self.files[line.name] = KnownFile(line.size, line.mtime_ns, line.photo)
            case _SeenLine():
                self.board.see(line.photo, line.sighting)
            case _EditLine():
                change = self.board.plan(self.board.revision, line.id, line.photo, line.edit)
                if change:
                    self.board.make(change)
            case _StepLine():
                redo = line.what == "redo"
                if self.board.last(self.board.revision, line.id, redo=redo):
                    (self.board.redo if redo else self.board.undo)(line.id)

    def _name_key(self, name: str) -> str:
        return keyed_digest(self.secret, name, b"")

    def _write(self, line: bytes) -> None:
        if self._file is None:
            raise OutputError("the review is closed")
        try:
            end = os.fstat(self._file.fileno()).st_size
            if self._file.write(line + b"\n") == len(line) + 1:
                return
            why = "the disk is full"
            self._file.truncate(end)  # half a line would take the next one with it
        except OSError as error:
            why = error.strerror or str(error)
        raise OutputError(f"the last change cannot be kept in {self._folder}: {why}; make room and try again")


def _lock(descriptor: int, inputs: Path) -> None:
    """Keeps other processes out; where there are no locks (Windows, some network drives) they come in.

    Raises:
        OutputError: another process has the log.
    """
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(
            f"{inputs} is being reviewed by another process; go on there, or end it first"
        ) from error
    except OSError:
        return
