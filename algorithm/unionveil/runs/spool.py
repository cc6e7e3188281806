"""Lines that wait on the disk, in a file without a name: it is gone when the process is."""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from ..errors import OutputError

__all__ = ["Spool"]

Result = TypeVar("Result")

_MEMORY_BYTES = 4 << 20
"""Up to so much there is no file."""


class Spool:
    """Lines in the order in which they were added, which can be read any number of times."""

    def __init__(self) -> None:
        file = tempfile.SpooledTemporaryFile(_MEMORY_BYTES)  # noqa: SIM115  closed with this object
        self._file = file
        weakref.finalize(self, file.close)
        self._ends = array("Q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, line: bytes) -> None:
        """Adds a line; it may hold any byte.

        Raises:
            OutputError: the disk of temporary files is full.
        """
        self._file.seek(self._ends[-1])
        self._guarded(lambda: self._file.write(line))
        self._ends.append(self._ends[-1] + len(line))

    def __getitem__(self, index: int) -> bytes:
        start, end = self._ends[index], self._ends[index + 1]
        self._file.seek(start)
        return self._guarded(lambda: self._file.read(end - start))

    def __iter__(self) -> Iterator[bytes]:
        return (self[index] for index in range(len(self)))

    def sorted_by(self, keys: bytes | bytearray) -> Iterator[bytes]:
        """The lines in the order of their keys.

        Args:
            keys: 16 bytes for each line, one behind the other.
        """
        halves = np.frombuffer(bytes(keys), ">u8").reshape(len(self), 2)
        return (self[int(index)] for index in np.lexsort((halves[:, 1], halves[:, 0])))

    def _guarded(self, act: Callable[[], Result]) -> Result:
        try:
            return act()
        except OSError as error:
            raise OutputError(
                f"the records of a run cannot be kept in {tempfile.gettempdir()}: {error.strerror or error}; "
                "free some space there, or name another folder with TMPDIR"
            ) from error
