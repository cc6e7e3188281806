"""One run per folder at a time: a lock that ends with its process, even if that is killed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, cast

from ..errors import OutputError

__all__ = ["LOCK_NAME", "ByteLocks", "hold", "hold_by_file", "lock_file"]

LOCK_NAME = ".unionveil-lock"
"""The file that is locked instead of the folder on Windows, which cannot lock folders."""

_WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL)
"""Errors of network drives that do not support locks."""


class ByteLocks(Protocol):
    """The part of `msvcrt` that is used."""

    LK_NBLCK: int

    def locking(self, descriptor: int, mode: int, size: int, /) -> None:
        """Locks bytes of a file from its position, or raises `OSError` if another process holds them."""


@contextmanager
def hold(folder: Path) -> Iterator[bool]:
    """Keeps other runs out of a folder. A network drive without locks lets them in.

    Args:
        folder: must exist.

    Yields:
        Whether `LOCK_NAME` is in the folder meanwhile.

    Raises:
        OutputError: another run holds the folder, or it cannot be locked.
    """
    try:
        import fcntl
    except ImportError:
        import msvcrt

        with hold_by_file(folder, cast(ByteLocks, msvcrt)):
            yield True
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputError(f"the folder {folder} cannot be read: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _taken(folder) from error
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise OutputError(f"the folder {folder} cannot be locked: {error.strerror}") from error
        yield False
    finally:
        os.close(descriptor)


@contextmanager
def hold_by_file(folder: Path, locks: ByteLocks) -> Iterator[None]:
    """As `hold`, by a file in the folder, which Windows removes when its last user closes it or is killed.

    Args:
        folder: must exist.
        locks: locks bytes of a file.

    Raises:
        OutputError: as `hold`.
    """
    path = folder / LOCK_NAME
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_TEMPORARY", 0) | getattr(os, "O_NOINHERIT", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except PermissionError as error:  # a run that is just ending holds it
        raise _taken(folder) from error
    except OSError as error:
        raise OutputError(f"the folder {folder} cannot be locked: {error.strerror}") from error
    try:
        try:
            locks.locking(descriptor, locks.LK_NBLCK, 1)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EDEADLK):
                raise OutputError(f"the folder {folder} cannot be locked: {error.strerror}") from error
            raise _taken(folder) from error
        yield
        with suppress(OSError):
            path.unlink()
    finally:
        os.close(descriptor)


def lock_file(descriptor: int, *, is_shared: bool = False) -> bool:
    """Locks an open file without waiting, until it is closed or its process ends.

    Args:
        descriptor: of the file, open for reading and writing.
        is_shared: whether others may hold it the same way.

    Returns:
        False if another process holds it; True also without locks (Windows, some network drives).
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _taken(folder: Path) -> OutputError:
    return OutputError(
        f"another run is writing into {folder}; wait until it has ended, or choose another folder"
    )
