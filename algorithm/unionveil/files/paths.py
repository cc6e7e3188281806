"""Questions about paths on this machine whose answer is never a guess.

`pathlib` answers no where a folder may not be searched, lists such folders as empty, and raises errors of
its own for names that are too long and links that lead in a circle.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import InputError, UnionVeilError, cannot_be_read

__all__ = ["files_below", "is_file", "is_folder", "is_link", "is_there", "real", "unreadable"]


def unreadable(
    path: Path | str, error: OSError | ValueError, kind: Callable[[str], UnionVeilError] = InputError
) -> UnionVeilError:
    """The error for a path that cannot be read, as one sentence."""
    return kind(cannot_be_read(error, str(path)))


def is_folder(path: Path, kind: Callable[[str], UnionVeilError] = InputError) -> bool:
    """Whether there is a folder, or a link to one.

    Args:
        path: the path.
        kind: of the error, for outputs.

    Raises:
        InputError: this cannot be known: its folder cannot be read, or its name is too long.
    """
    mode = _mode(path, kind)
    return mode is not None and stat.S_ISDIR(mode)


def is_file(path: Path) -> bool:
    """Whether there is a file, or a link to one.

    Raises:
        InputError: as `is_folder`.
    """
    mode = _mode(path, InputError)
    return mode is not None and stat.S_ISREG(mode)


def is_link(path: Path) -> bool:
    """Whether there is a link.

    Raises:
        InputError: as `is_folder`.
    """
    try:
        return stat.S_ISLNK(path.lstat().st_mode)
    except OSError as error:
        raise unreadable(path, error) from error


def is_there(path: Path, kind: Callable[[str], UnionVeilError] = InputError) -> bool:
    """Whether there is anything; a link to nothing does not count.

    Raises:
        InputError: as `is_folder`.
    """
    return _mode(path, kind) is not None


def _mode(path: Path, kind: Callable[[str], UnionVeilError]) -> int | None:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # the latter for a NUL
        raise unreadable(path, error, kind) from error


def real(path: Path) -> Path:
    """The absolute path with all links followed, as far as they can be."""
    return Path(os.path.realpath(path))


def files_below(folder: Path, leave_out: Callable[[str], bool] = lambda _: False) -> Iterator[Path]:
    """Everything below a folder that is not a folder; links are listed and not followed.

    Args:
        folder: the folder.
        leave_out: whether files and folders of a name are left out.

    Raises:
        OSError: a folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise error

    for root, folders, files in os.walk(folder, onerror=fail):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in links and not leave_out(name)]
        yield from (Path(root) / name for name in files + links if not leave_out(name))
