"""Where pictures come from: files, folders and archives, one item at a time, in the same order every time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..content import BytesContent, Content, FileContent
from ..errors import InputError
from ..outcomes import Rejected
from .archives import MOST_BYTES, is_archive, is_litter, members

__all__ = ["PathSource", "Source", "SourceItem"]


@dataclass(frozen=True)
class SourceItem:
    """One input.

    Attributes:
        name: path with `/`, relative to what the user named. It never leaves the machine unless asked for.
        content: what the input holds, or why it cannot be read.
    """

    name: str
    content: Content | Rejected


class Source(Protocol):
    """Inputs that can be read any number of times, in the same order."""

    def __iter__(self) -> Iterator[SourceItem]:
        """The inputs, one at a time."""
        ...

    def __len__(self) -> int:
        """Number of files that are opened; an archive counts as one."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    path: str
    named: bool


class PathSource:
    """All pictures in files, folders and archives; folders are listed once, files are read by the worker.

    Args:
        paths: what the user named; a link named here is followed, one found in a folder is not.
        leave_out: files that are not inputs.

    Raises:
        InputError: a path is not there or a folder cannot be listed.
    """

    def __init__(self, paths: Sequence[Path], *, leave_out: Iterable[Path] = ()) -> None:
        self._entries = _entries(paths, frozenset(leave_out))

    def __iter__(self) -> Iterator[SourceItem]:
        """As `Source.__iter__`."""
        return (item for entry in self._entries for item in _read(entry))

    def __len__(self) -> int:
        """As `Source.__len__`."""
        return len(self._entries)


def _entries(paths: Sequence[Path], leave_out: frozenset[Path]) -> list[_Entry]:
    entries: list[_Entry] = []
    for path in paths:
        if path.is_dir():
            prefix = f"{path.resolve().name}/" if len(paths) > 1 else ""
            entries += [
                _Entry(prefix + name, str(found), named=False)
                for name, found in _walk(path)
                if found not in leave_out
            ]
        elif path.exists():
            entries.append(_Entry(path.name, str(path), named=True))
        else:
            raise InputError(f"{path} is not there; name a photo, a folder or an archive")
    return entries


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    def fail(error: OSError) -> None:
        raise InputError(f"the folder {error.filename} cannot be read: {error.strerror}") from error

    for root, folders, files in os.walk(folder, onerror=fail):
        linked = [name for name in folders if (Path(root) / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name not in linked and not is_litter(Path(name)))
        for name in sorted(files + linked):
            if not is_litter(Path(name)):
                path = Path(root) / name
                yield path.relative_to(folder).as_posix(), path


def _read(entry: _Entry) -> Iterator[SourceItem]:
    try:
        # Links and pipes inside folders are refused without opening them: a pipe would wait for ever.
        status = Path(entry.path).stat(follow_symlinks=entry.named)
        if stat.S_ISLNK(status.st_mode):
            yield SourceItem(entry.name, Rejected("link", "links in folders are not followed"))
        elif not stat.S_ISREG(status.st_mode):
            yield SourceItem(entry.name, Rejected("special", "devices and pipes are not read"))
        else:
            yield from _read_file(entry, status.st_size)
    except OSError as error:
        why = error.strerror or type(error).__name__
        yield SourceItem(entry.name, Rejected("unreadable", f"the file cannot be read: {why}"))


def _read_file(entry: _Entry, size: int) -> Iterator[SourceItem]:
    with Path(entry.path).open("rb") as file:
        if is_archive(file.read(512)):
            file.seek(0)
            for name, content in members(file, size):
                item = content if isinstance(content, Rejected) else BytesContent(content)
                yield SourceItem(f"{entry.name}/{name}" if name else entry.name, item)
        elif size > MOST_BYTES:
            reason = f"the file is larger than {MOST_BYTES >> 20} MiB"
            yield SourceItem(entry.name, Rejected("too-large", reason))
        else:
            yield SourceItem(entry.name, FileContent(Path(entry.path)))
