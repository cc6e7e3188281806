"""Sources of pictures: files, folders and archives, one item at a time, always in the same order."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

from ..content import BytesContent, Content, FileContent
from ..errors import InputError, cannot_be_read
from ..formats import HEAD_BYTES, video_format
from ..outcomes import Rejected
from .archives import is_archive, members, single_name
from .bombs import MOST_BYTES
from .litter import Skipped, is_companion, is_litter, is_note, may_be_companion, stem_of
from .paths import is_folder, is_link, real, unreadable

__all__ = [
    "Entry",
    "ListedSource",
    "Listing",
    "PathSource",
    "Patterns",
    "Skipped",
    "Source",
    "SourceItem",
    "items_in",
]


@dataclass(frozen=True)
class SourceItem:
    """One input.

    Attributes:
        name: path with `/`, relative to what the user named. It never leaves the machine unless requested.
        content: the input's content, why it cannot be read, or that it is not an input.
    """

    name: str
    content: Content | Rejected | Skipped


class Source(Protocol):
    """Inputs that can be read any number of times, in the same order."""

    def __iter__(self) -> Iterator[SourceItem]:
        """The inputs, one at a time."""
        ...

    def __len__(self) -> int:
        """Number of files to open; an archive counts as one."""
        ...


class ListedSource(Source, Protocol):
    """Inputs in files that were listed before any is opened; each has entries of its own type."""

    @property
    def entries(self) -> Iterable[Any]:
        """All files in order, including skipped ones."""
        ...

    def read_all(self, entries: Iterable[Any]) -> Iterator[SourceItem]:
        """The inputs in some of the files, in their order."""
        ...

    def size_bytes(self, entry: Any) -> int:
        """Size of a file; -1 if unknown."""
        ...


@dataclass(frozen=True)
class Patterns:
    """Selects inputs by shell patterns for a whole name or its last part; `*` matches `/` too.

    Attributes:
        include: a file must match one of them, if there are any.
        exclude: a file or folder that matches one of them is left out.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def leave_out(self, name: str) -> bool:
        """Whether a file is excluded, although it may match `include`."""
        return _matches(name, self.exclude)

    def take(self, name: str) -> bool:
        """Whether a file is an input."""
        return not self.leave_out(name) and (not self.include or _matches(name, self.include))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    names = (name.casefold(), PurePosixPath(name).name.casefold())
    return any(fnmatchcase(each, pattern.casefold()) for pattern in patterns for each in names)


class _Kind(Enum):
    NAMED = auto()  # a file named by the user: a link is followed, a text is refused rather than skipped
    FOUND = auto()
    FOLLOWED = auto()  # found, and a link is followed
    SKIPPED = auto()


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that was listed but not opened yet.

    Attributes:
        name: as `SourceItem.name`; of an archive, the name of the archive.
        path: its path on this machine.
    """

    name: str
    path: str
    _kind: _Kind

    @property
    def is_skipped(self) -> bool:
        """Whether its name alone shows that it is not an input."""
        return self._kind is _Kind.SKIPPED

    @property
    def is_followed(self) -> bool:
        """Whether a link is followed."""
        return self._kind is not _Kind.FOUND


class PathSource:
    """All pictures in files, folders and archives; folders are listed once, and workers read the files.

    Args:
        paths: as named by the user; a link named here is followed.
        leave_out: files and folders that are not inputs.
        follow_links: whether to follow links in folders; a folder is read once however many links lead to it.
        patterns: which files are inputs.
        member_bytes: the largest member of an archive to read; it is held in memory.
        videos: whether videos are inputs, of any length.

    Raises:
        InputError: a path does not exist or a folder cannot be listed.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        leave_out: Iterable[Path] = (),
        follow_links: bool = False,
        patterns: Patterns = Patterns(),
        member_bytes: int = MOST_BYTES,
        videos: bool = False,
    ) -> None:
        self._rules = Rules(patterns, member_bytes, videos)
        walk = _Walk(patterns, _places_of(leave_out), follow_links, videos)
        self._entries = Listing()
        for entry in _entries(paths, walk):
            self._entries.add(entry)

    def __iter__(self) -> Iterator[SourceItem]:
        """As `Source.__iter__`."""
        return self.read_all(self._entries)

    @property
    def entries(self) -> Listing:
        """All files in order, including skipped ones; nothing is opened."""
        return self._entries

    def read_all(self, entries: Iterable[Entry]) -> Iterator[SourceItem]:
        """As `ListedSource.read_all`."""
        return (item for entry in entries for item in self.read(entry))

    def size_bytes(self, entry: Entry) -> int:
        """As `ListedSource.size_bytes`."""
        try:
            return Path(entry.path).lstat().st_size
        except OSError:
            return -1

    def read(self, entry: Entry) -> Iterator[SourceItem]:
        """The inputs in one file: itself, or the members of an archive."""
        return _read(entry, self._rules)

    def __len__(self) -> int:
        """As `Source.__len__`."""
        return len(self._entries) - self._entries.skipped


class Listing:
    """Entries in their order, packed: about 30 bytes each, so that a million take no more than a photo.

    Attributes:
        skipped: number of entries that are not inputs.
    """

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._count = 0
        self.skipped = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Entry]:
        return (entry for block in self._blocks for entry in block)

    def add(self, entry: Entry) -> None:
        """Adds an entry."""
        folder, last = os.path.split(entry.path)
        place = entry.name.removesuffix(last)
        if not self._blocks or not self._blocks[-1].fits(folder, place):
            self._blocks.append(_Block(folder, place))
        self._blocks[-1].add(last, entry._kind)
        self._count += 1
        self.skipped += entry.is_skipped


class _Block:
    """Files of one folder, stored one after another: each name follows the number of its kind."""

    _MOST_BYTES = 1 << 20
    """A growing array is copied, so that a large one would be in memory twice."""

    def __init__(self, folder: str, place: str) -> None:
        self._folder = folder
        self._place = place
        self._names = bytearray()

    def fits(self, folder: str, place: str) -> bool:
        return folder == self._folder and place == self._place and len(self._names) < self._MOST_BYTES

    def add(self, name: str, kind: _Kind) -> None:
        self._names += b"%d" % kind.value + name.encode("utf-8", "surrogatepass") + b"\0"

    def __iter__(self) -> Iterator[Entry]:
        start = 0
        while start < len(self._names):
            end = self._names.index(0, start)
            kind = _Kind(self._names[start] - ord("0"))
            name = self._names[start + 1 : end].decode("utf-8", "surrogatepass")
            yield Entry(self._place + name, os.path.join(self._folder, name), kind)  # noqa: PTH118  a text
            start = end + 1


def _entries(paths: Sequence[Path], walk: _Walk) -> Iterator[Entry]:
    named = _companions_and_others(map(str, paths))
    for path in paths:
        if is_folder(path):
            prefix = f"{real(path).name}/" if len(paths) > 1 else ""
            yield from walk.entries(path, prefix)
        elif os.path.lexists(path):
            is_beside = is_companion(str(path), named, videos=walk.videos)
            skipped = is_beside or walk.patterns.leave_out(path.name)
            kind = _Kind.NAMED if len(paths) == 1 else _Kind.FOLLOWED
            yield Entry(path.name, str(path), _Kind.SKIPPED if skipped else kind)
        else:
            raise InputError(f"{path} does not exist; name a photo, a folder or an archive")


def _companions_and_others(names: Iterable[str]) -> set[str]:
    """Of many names, case folded, those beside which `is_companion` may find a companion."""
    names = list(names)
    stems = {stem_of(name) for name in names if may_be_companion(name)}
    return {name.casefold() for name in names if stem_of(name) in stems} if stems else set()


@dataclass(frozen=True)
class _Walk:
    """Lists folders."""

    patterns: Patterns
    left_out: frozenset[Path]
    follow: bool
    videos: bool

    def entries(self, folder: Path, prefix: str) -> Iterator[Entry]:
        """Everything below a folder: in each folder the files first, then its folders, by name."""

        def fail(error: OSError) -> None:
            raise InputError(f"the folder {error.filename} cannot be read: {error.strerror}") from error

        seen = {_identity(folder)}
        for root, folders, files in os.walk(folder, onerror=fail, followlinks=self.follow):
            below = Path(root).relative_to(folder).as_posix()
            place = prefix if below == "." else f"{prefix}{below}/"
            left_out = self._left_out_in(root)
            folders[:] = [name for name in folders if name not in left_out]
            kept, leaves = self._folders(root, place, folders, seen)
            folders[:] = kept
            neighbours = {f"{place}{name}".casefold() for name in _companions_and_others(files)}
            for name in sorted(files + leaves):
                path = Path(root) / name
                if name not in left_out:
                    kind = self._kind(f"{place}{name}", path, neighbours, is_leaf=name in leaves)
                    yield Entry(f"{place}{name}", str(path), kind)

    def _left_out_in(self, root: str) -> frozenset[str]:
        """Names in a folder that are left out."""
        if not self.left_out:
            return frozenset()
        here = real(Path(root))
        return frozenset(path.name for path in self.left_out if path.parent == here)

    def _folders(
        self, root: str, place: str, folders: list[str], seen: set[tuple[int, int]]
    ) -> tuple[list[str], list[str]]:
        """Folders to walk, and entries that are not walked: links, excluded folders, folders already read."""
        kept: list[str] = []
        for name in sorted(folders):
            path = Path(root) / name
            if is_litter(PurePosixPath(name)) or self.patterns.leave_out(f"{place}{name}"):
                continue
            if not self.follow:
                if not is_link(path):
                    kept.append(name)
                continue
            identity = _identity(path)
            if identity not in seen and real(path) not in self.left_out:
                seen.add(identity)
                kept.append(name)
        return kept, [name for name in folders if name not in kept]

    def _kind(self, name: str, path: Path, neighbours: set[str], *, is_leaf: bool) -> _Kind:
        if is_litter(PurePosixPath(path.name)) or is_companion(name, neighbours, videos=self.videos):
            return _Kind.SKIPPED
        if self.patterns.leave_out(name) or (is_leaf and self.follow):
            return _Kind.SKIPPED
        return _Kind.FOLLOWED if self.follow else _Kind.FOUND


def _places_of(paths: Iterable[Path]) -> frozenset[Path]:
    """Where paths are, and where they lead if they are links: absolute, in folders that are not links."""
    return frozenset(place for path in paths for place in (real(path.parent) / path.name, real(path)))


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError as error:
        raise unreadable(folder, error) from error
    return status.st_dev, status.st_ino


@dataclass(frozen=True)
class Rules:
    """How files are read; see `PathSource`."""

    patterns: Patterns
    member_bytes: int
    videos: bool


def _read(entry: Entry, rules: Rules) -> Iterator[SourceItem]:
    if entry.is_skipped:
        yield SourceItem(entry.name, Skipped())
        return
    try:
        # Links and pipes inside folders are refused without opening them: a pipe would block forever.
        status = Path(entry.path).stat(follow_symlinks=entry.is_followed)
        if stat.S_ISLNK(status.st_mode):
            yield SourceItem(entry.name, Rejected("link", "links in folders need --follow-links to be read"))
        elif not stat.S_ISREG(status.st_mode):
            yield SourceItem(entry.name, Rejected("special", "devices and pipes are not read"))
        else:
            yield from _read_file(entry, status.st_size, rules)
    except OSError as error:
        yield SourceItem(entry.name, _unreadable(entry, error))


def _unreadable(entry: Entry, error: OSError) -> Rejected:
    if error.errno == errno.ELOOP:
        return Rejected("link", "the link leads in a circle")
    if error.errno == errno.ENOENT and Path(entry.path).is_symlink():
        if "/annex/objects/" in Path(entry.path).readlink().as_posix():
            detail = "the file's content is not on this machine; fetch it with git annex get or datalad get"
            return Rejected("link", detail)
        return Rejected("link", "the link leads to nothing")
    return Rejected("unreadable", cannot_be_read(error))


def _read_file(entry: Entry, size: int, rules: Rules) -> Iterator[SourceItem]:
    content, is_named = FileContent(Path(entry.path)), entry._kind is _Kind.NAMED
    with content.open() as file:
        yield from items_in(entry.name, content, file, size, rules, is_named=is_named)


def items_in(
    name: str,
    content: Content,
    file: BinaryIO,
    size: int,
    rules: Rules,
    *,
    is_named: bool = False,
) -> Iterator[SourceItem]:
    """The inputs in one file: itself, or the members of an archive.

    Args:
        name: of the file.
        content: of the file.
        file: the same, opened and at its start.
        size: of the file, in bytes.
        rules: how files are read.
        is_named: whether the user named this file itself; then even a text is not skipped.

    Raises:
        OSError: it cannot be read.
    """
    head = file.read(HEAD_BYTES)
    if is_archive(head):
        file.seek(0)
        for member, inside in members(file, size, most_bytes=rules.member_bytes, videos=rules.videos):
            yield _of_archive(name, member, inside, rules.patterns)
    elif not rules.patterns.take(name) or (is_note(name, head) and not is_named):
        yield SourceItem(name, Skipped())
    elif size > MOST_BYTES and not (rules.videos and video_format(head)):
        yield SourceItem(name, Rejected("too-large", f"the file is larger than {MOST_BYTES >> 20} MiB"))
    else:
        yield SourceItem(name, content)


def _of_archive(
    archive: str, member: str, content: bytes | Rejected | Skipped, patterns: Patterns
) -> SourceItem:
    if not isinstance(content, bytes):
        return SourceItem(f"{archive}/{member}" if member else archive, content)
    name = f"{archive}/{member}" if member else single_name(archive)
    return SourceItem(name, BytesContent(content) if patterns.take(name) else Skipped())
