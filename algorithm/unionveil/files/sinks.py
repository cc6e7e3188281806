"""Where outputs go: files that appear whole or not at all, and never over something else."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import OutputError

__all__ = ["FolderSink"]


class FolderSink:
    """Writes files below one folder.

    Args:
        folder: made if it is not there.
        overwrite: whether an existing file with other content may be replaced.
        inputs: files and folders that are never written to, not even with `overwrite`.

    Raises:
        OutputError: the folder lies in an input folder, or cannot be made or written to.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False, inputs: Sequence[Path] = ()) -> None:
        self.folder = folder
        self.overwrite = overwrite
        self._inputs = [path.resolve() for path in inputs]
        real = folder.resolve()
        for path in self._inputs:
            if path.is_dir() and (real == path or path in real.parents):
                raise OutputError(
                    f"the output folder {folder} lies in the input folder {path}; choose one outside of it"
                )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise OutputError(
                f"the output folder {folder} cannot be written to: {error.strerror or error}"
            ) from error

    def write(self, name: str, data: bytes) -> None:
        """Writes one file atomically; a file that already holds exactly this is left as it is.

        Args:
            name: path with `/`, below the folder.
            data: the whole content.

        Raises:
            OutputError: it is there with other content, it is an input, or it cannot be written.
        """
        if self.has(name):
            if self.holds(name, hashlib.sha256(data).hexdigest()):
                return
            if not self.overwrite:
                raise OutputError(
                    f"{self.folder / name} is there already with other content; choose an empty folder or "
                    "--overwrite"
                )
        self.replace(name, [data])

    def replace(self, name: str, parts: Iterable[bytes]) -> None:
        """Writes one file atomically, whatever was there under its name.

        Args:
            name: path with `/`, below the folder.
            parts: the content, piece by piece.

        Raises:
            OutputError: it is an input, or it cannot be written.
        """
        path = self.folder / name
        if self.folder.resolve() not in path.resolve().parents:
            raise OutputError(f"the output name {name!r} leads out of {self.folder}")
        if any(path.resolve() == given or given in path.resolve().parents for given in self._inputs):
            raise OutputError(f"{path} is an input and is not written over; choose another output folder")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, parts)
        except OSError as error:
            what = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
            raise OutputError(f"{path} cannot be written: {what}; nothing of it was kept") from error

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

    def has(self, name: str) -> bool:
        """Whether something of this name is there."""
        return os.path.lexists(self.folder / name)

    def holds(self, name: str, sha256: str) -> bool:
        """Whether a file is there and has this digest."""
        path = self.folder / name
        try:
            return not path.is_symlink() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256
        except OSError:
            return False


def _write(path: Path, parts: Iterable[bytes]) -> None:
    """Makes the whole file first and gives it its name last, so that nobody ever sees half a file."""
    if hasattr(os, "O_TMPFILE") and not os.path.lexists(path) and _write_nameless(path, parts):
        return
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".unionveil-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _write_nameless(path: Path, parts: Iterable[bytes]) -> bool:
    """Writes through a file without a name, of which a kill at any moment leaves nothing (Linux).

    Returns:
        False if the file system has no such files; then nothing was written.
    """
    try:
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
            return False
        raise
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(parts)
        file.flush()
        # A directory's descriptor makes Python follow the link in /proc, as open(2) shows.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.link(f"/proc/self/fd/{descriptor}", path.name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.close(folder)
    return True
