"""Output files: they appear whole or not at all, and never replace something else."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

from ..errors import InputError, OutputError, OutputTaken
from ..text import printable
from .digests import pieces, sha256_of
from .litter import is_system_file
from .locks import LOCK_NAME, hold
from .output_file import output_file, writing
from .paths import files_below, is_folder, real
from .stores import StoreUrl

__all__ = ["FolderSink", "Place", "Sink"]

Place: TypeAlias = "Path | StoreUrl"
"""A folder on this machine or in an object store."""

_PREFIX = ".unionveil-"
_TEMPORARY = re.compile(re.escape(_PREFIX) + "[a-z0-9_]+")
"""Prefix of files being written on systems without nameless files, and of the lock; outputs never have such
names."""


class Sink(Protocol):
    """Where outputs go; `FolderSink` documents the methods. Implementations can be pickled."""

    @property
    def folder(self) -> Place:
        """The place itself."""
        ...

    @property
    def overwrite(self) -> bool:
        """Whether an existing file with other content may be replaced."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """As `FolderSink.write`."""
        ...

    def replace(self, name: str, parts: Iterable[bytes]) -> None:
        """As `FolderSink.replace`."""
        ...

    def added(self, name: str) -> AbstractContextManager[BinaryIO]:
        """As `FolderSink.added`."""
        ...

    def read(self, name: str) -> bytes:
        """As `FolderSink.read`."""
        ...

    def has(self, name: str) -> bool:
        """As `FolderSink.has`."""
        ...

    def digest(self, name: str) -> str | None:
        """As `FolderSink.digest`."""
        ...

    def files(self) -> Iterator[str]:
        """As `FolderSink.files`."""
        ...

    def remove(self, name: str) -> None:
        """As `FolderSink.remove`."""
        ...

    def sweep(self) -> None:
        """As `FolderSink.sweep`."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """As `FolderSink.locked`."""
        ...

    def fetched(self, name: str) -> AbstractContextManager[Path]:
        """As `FolderSink.fetched`."""
        ...


class FolderSink:
    """Writes files below one folder.

    Args:
        folder: created if it does not exist.
        overwrite: whether an existing file with other content may be replaced.
        inputs: files and folders that are never written to, not even with `overwrite`.

    Raises:
        OutputError: the folder is in an input folder, or cannot be created or written to.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False, inputs: Sequence[Path] = ()) -> None:
        self.folder = folder
        self.overwrite = overwrite
        self._inputs = [real(path) for path in inputs]
        self._own: set[str] = set()
        place = real(folder)
        for path in self._inputs:
            if is_folder(path) and (place == path or path in place.parents):
                raise OutputError(
                    f"the output folder {folder} is in the input folder {path}; choose one outside it"
                )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder, prefix=_PREFIX):
                pass
        except OSError as error:
            raise OutputError(
                f"the output folder {folder} cannot be written to: {error.strerror or error}"
            ) from error

    def write(self, name: str, data: bytes) -> None:
        """Writes one file atomically; a file that already has exactly this content is left alone.

        Args:
            name: path with `/`, below the folder.
            data: the whole content.

        Raises:
            OutputError: it exists with other content, it is an input, or it cannot be written.
        """
        if self.has(name):
            if self.digest(name) == hashlib.sha256(data).hexdigest():
                return
            if not self.overwrite:
                raise self._occupied(name)
        self.replace(name, [data])

    def replace(self, name: str, parts: Iterable[bytes]) -> None:
        """Writes one file atomically, replacing any file of that name.

        Args:
            name: path with `/`, below the folder.
            parts: the content, piece by piece.

        Raises:
            OutputError: it is an input, or it cannot be written.
        """
        with self.created(name) as file:
            file.writelines(parts)

    @contextmanager
    def created(self, name: str) -> Iterator[BinaryIO]:
        """A file that gets its name when the block ends, replacing any other; an error leaves nothing of it.

        Args:
            name: path with `/`, below the folder.

        Yields:
            An empty file, open for writing, reading and seeking.

        Raises:
            OutputError: it is an input, or it cannot be written. Errors of the block itself pass unchanged.
        """
        path = self._path(name)
        with writing(str(path)):
            self._make_folders(path)
            descriptor = None if os.path.lexists(path) else _nameless(path.parent)
        with _renamed(path) if descriptor is None else _linked(path, descriptor) as file:
            yield file

    @contextmanager
    def added(self, name: str) -> Iterator[BinaryIO]:
        """As `created`, but does not replace another file unless `overwrite` is set.

        Raises:
            OutputError: also if the file exists with other content.
        """
        with self.created(name) as file:
            yield file
            if self.has(name) and not self.overwrite:
                file.seek(0)
                digest = hashlib.sha256()
                for piece in pieces(file):
                    digest.update(piece)
                if self.digest(name) != digest.hexdigest():
                    raise self._occupied(name)

    def _occupied(self, name: str) -> OutputTaken:
        return OutputTaken(f"{self.folder / name} already exists with other content; choose an empty folder")

    def adopt(self, name: str, path: Path, sha256: str, *, link: bool) -> None:
        """Takes over a file from another folder.

        Args:
            name: path with `/`, below the folder.
            path: of the file.
            sha256: that it must have, hexadecimal.
            link: whether both names share one file where they are on one disk; otherwise it is copied.

        Raises:
            InputError: the file cannot be read, or has another digest.
            OutputError: another file has the name, or it cannot be written.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise InputError(f"{path} was altered: its SHA-256 is not the one in its manifest; make it again")
        target = self._path(name)
        if link and not self.has(name):
            with suppress(OSError):
                self._make_folders(target)
                os.link(path, target)
                return
        self.write(name, data)

    def _path(self, name: str) -> Path:
        """The path at which a file of this name may be written or removed."""
        path = self.folder / name
        place = real(path)
        if real(self.folder) not in place.parents:
            raise OutputError(f"the output name {printable(name)} leads out of {self.folder}")
        if any(place == given or given in place.parents for given in self._inputs):
            raise OutputError(f"{path} is an input and is not overwritten; choose another output folder")
        return path

    def _make_folders(self, path: Path) -> None:
        """Makes the parent folders of a file below the output folder, which must exist."""
        if not is_folder(self.folder, OutputError):
            raise OutputError(
                f"the output folder {self.folder} was removed during the run; run the same command again"
            )
        for parent in reversed(path.relative_to(self.folder).parents[:-1]):
            with suppress(FileExistsError):
                (self.folder / parent).mkdir()

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            OutputError: it cannot be read.
        """
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise OutputError(f"{self.folder / name} cannot be read: {why}") from error

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """A file as a path on this machine, while the block runs."""
        yield self.folder / name

    def has(self, name: str) -> bool:
        """Whether a file or folder of this name exists."""
        return os.path.lexists(self.folder / name)

    def digest(self, name: str) -> str | None:
        """SHA-256 of a file, hexadecimal; None if there is no readable file."""
        path = self.folder / name
        try:
            return None if path.is_symlink() else sha256_of(path)
        except OSError:
            return None

    def files(self) -> Iterator[str]:
        """Names of everything in the folder that is not a folder, with `/`, without files left by systems.

        Raises:
            OutputError: a folder cannot be listed.
        """
        try:
            for path in files_below(self.folder, is_system_file):
                name = path.relative_to(self.folder).as_posix()
                if name not in self._own:
                    yield name
        except OSError as error:
            raise OutputError(f"the folder {error.filename} cannot be read: {error.strerror}") from error

    def remove(self, name: str) -> None:
        """Removes a file, and its folders if they become empty.

        Raises:
            OutputError: it is an input, or it cannot be removed.
        """
        path = self.folder / name
        if not path.is_symlink():
            path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path} cannot be removed: {error.strerror or error}") from error
        for parent in path.relative_to(self.folder).parents[:-1]:
            with suppress(OSError):
                (self.folder / parent).rmdir()

    def sweep(self) -> None:
        """Removes unfinished files of a killed run."""
        for name in list(self.files()):
            if _TEMPORARY.fullmatch(name.rpartition("/")[2]):
                self.remove(name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other runs out of the folder; the lock ends with the process and leaves no file.

        Network drives without locks let others in.

        Raises:
            OutputError: another run has the folder.
        """
        with hold(self.folder) as has_file:
            self._own = {LOCK_NAME} if has_file else set()
            yield


@contextmanager
def _linked(path: Path, descriptor: int) -> Iterator[BinaryIO]:
    """A nameless file, which gets its name when it is whole."""
    with output_file(descriptor, str(path)) as file:
        yield file
        file.flush()
        with writing(str(path)):
            _link(descriptor, path)


@contextmanager
def _renamed(path: Path) -> Iterator[BinaryIO]:
    """A file with a temporary name, which replaces the one at the path when it is whole."""
    with writing(str(path)):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=_PREFIX)
    try:
        with output_file(descriptor, str(path)) as file:
            yield file
        with writing(str(path)):
            umask = os.umask(0)
            os.umask(umask)
            Path(name).chmod(0o666 & ~umask)
            Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _nameless(folder: Path) -> int | None:
    """A nameless file, which leaves nothing behind if the process is killed (Linux).

    Returns:
        None if the system or the file system has no such files.
    """
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
            return None
        raise


def _link(descriptor: int, path: Path) -> None:
    """Gives a file without a name its name."""
    # A directory's descriptor makes Python follow the link in /proc, as open(2) shows.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.link(f"/proc/self/fd/{descriptor}", path.name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)
