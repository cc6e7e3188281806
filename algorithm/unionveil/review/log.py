"""The stored state of a review, written as it changes: an append-only file of lines.

It is in the user's state folder, never beside the photos or the outputs. It identifies photos by keyed
digests of their bytes and of their names; the key is a secret in the same folder. Boxes and notes are plain.
A kill at any moment loses at most the line being written, and the page sends its edit again.
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
from ..files.locks import lock_file
from ..runs.journal import keyed_digest, secret_of
from .board import Board
from .model import Box, Edit, Sighting

__all__ = ["KnownFile", "Log", "reviews_folder"]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _FileLine(_Line):
    """A file that was read: the same size and time mean the same file."""

    what: Literal["file"] = "file"
    name: str
    size: int
    mtime_ns: int
    photo: str


class _SeenLine(_Line):
    """The detector's result, and the boxes that it added to a photo edited by hand."""

    what: Literal["seen"] = "seen"
    photo: str
    sighting: Sighting
    added: tuple[Box, ...] = ()


class _ImportLine(_Line):
    """Boxes from a file. They are not edits: undo keeps them, and no page has to be reloaded."""

    what: Literal["import"] = "import"
    photo: str
    boxes: tuple[Box, ...]


class _EditLine(_Line):
    what: Literal["edit"] = "edit"
    id: str
    photo: str
    edit: Edit


class _StepLine(_Line):
    what: Literal["undo", "redo"]
    id: str


_AnyLine: TypeAlias = Annotated[
    _FileLine | _SeenLine | _ImportLine | _EditLine | _StepLine, Field(discriminator="what")
]
_LINE: TypeAdapter[_AnyLine] = TypeAdapter(_AnyLine)


@dataclass(frozen=True)
class KnownFile:
    """A file that was read before.

    Attributes:
        size: in bytes.
        mtime_ns: modification time.
        photo: key of its content.
    """

    size: int
    mtime_ns: int
    photo: str


def reviews_folder() -> Path:
    """The folder of all reviews, in the user's state folder."""
    return Path(platformdirs.user_state_dir("unionveil", appauthor=False)) / "reviews"


class Log:
    """The log of one folder's review; use with `with`. Only one process at a time can open it.

    Args:
        inputs: the folder under review.
        folder: of all logs; by default `reviews_folder()`.
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
        """Reads the file and opens it for appending.

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
            self._write(b"")  # ends a line that a kill left incomplete
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file, which releases the lock."""
        if self._file:
            self._file.close()
            self._file = None

    def photo_key(self, data: bytes) -> str:
        """The key of a photo: a keyed digest of its bytes."""
        return keyed_digest(self.secret, "", data)

    def known(self, name: str, size: int, mtime_ns: int) -> str | None:
        """The key of a file's content, if the file was read before and has not changed since."""
        known = self.files.get(self._name_key(name))
        return known.photo if known and (known.size, known.mtime_ns) == (size, mtime_ns) else None

    def file(self, name: str, size: int, mtime_ns: int, photo: str) -> None:
        """Stores the key of a file's content."""
        line = _FileLine(name=self._name_key(name), size=size, mtime_ns=mtime_ns, photo=photo)
        self._keep(line)

    def see(self, photo: str, sighting: Sighting) -> None:
        """Stores the detector's result, and adds boxes that are new in it to a photo edited by hand."""
        if self.board.sighting(photo) != sighting:
            added = self.board.news(photo, sighting)
            self._keep(_SeenLine(photo=photo, sighting=sighting, added=added))

    def add(self, photo: str, boxes: tuple[Box, ...]) -> None:
        """Adds those boxes from a file that the photo never had; the detector has seen the photo.

        Raises:
            OutputError: they cannot be stored and were not added.
        """
        if new := self.board.missing(photo, boxes):
            self._keep(_ImportLine(photo=photo, boxes=new))

    def edit(self, revision: int, id: str, photo: str, edit: Edit) -> str:  # noqa: A002
        """Stores an edit, then applies it.

        Returns:
            The photo that changed.

        Raises:
            ReviewError: as `Board.plan`; nothing was stored.
            OutputError: it cannot be stored and was not applied.
        """
        change = self.board.plan(revision, id, photo, edit)
        if change:
            self._write(_EditLine(id=id, photo=photo, edit=edit).model_dump_json().encode())
            self.board.make(change)
        return photo

    def step(self, revision: int, id: str, *, redo: bool = False) -> str | None:  # noqa: A002
        """Undoes or redoes the last edit.

        Returns:
            The photo that changed; None if there was nothing to undo or redo.

        Raises:
            ReviewConflict: the request is based on another revision.
            OutputError: it cannot be stored and was not applied.
        """
        photo = self.board.last(revision, id, redo=redo)
        if photo is None:
            return None
        self._write(_StepLine(what="redo" if redo else "undo", id=id).model_dump_json().encode())
        (self.board.redo if redo else self.board.undo)(id)
        return photo

    def _keep(self, line: _FileLine | _SeenLine | _ImportLine) -> None:
        self._write(line.model_dump_json().encode())
        self._take(line)

    def _lines(self) -> Iterator[bytes]:
        with self._path.open("rb") as lines:
            yield from lines

    def _read(self, text: bytes) -> None:
        """Reads one line; an incomplete one counts as not written."""
        with suppress(ValidationError, ReviewError):
            self._take(_LINE.validate_json(text))

    def _take(self, line: _AnyLine) -> None:
        match line:
            case _FileLine():
                self.files[line.name] = KnownFile(line.size, line.mtime_ns, line.photo)
            case _SeenLine():
                self.board.see(line.photo, line.sighting, line.added)
            case _ImportLine():
                self.board.add(line.photo, line.boxes)
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
            self._file.truncate(end)  # an incomplete line would spoil the next one
        except OSError as error:
            why = error.strerror or str(error)
        raise OutputError(f"the last change cannot be kept in {self._folder}: {why}; make room and try again")


def _lock(descriptor: int, inputs: Path) -> None:
    """Keeps other processes out.

    Raises:
        OutputError: another process holds the log.
    """
    if not lock_file(descriptor):
        raise OutputError(f"{inputs} is being reviewed by another process; continue there, or end it first")
