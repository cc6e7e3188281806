"""Limits the bytes unpacked from an archive, over all of its levels."""

from __future__ import annotations

__all__ = ["MOST_BYTES", "Bomb", "Budget", "is_bomb"]

MOST_BYTES = 1 << 30
"""Largest file to read: a picture of 200 megapixels is 600 MB uncompressed."""

_FREE_BYTES = 64 << 20
_MOST_RATIO = 100
"""Photos hardly shrink in an archive. Anything that grows a hundredfold beyond 64 MiB is a bomb, not a photo;
flat drawings that compress as well stay below that size."""


class Bomb(Exception):
    """The archive exceeded the allowed expansion ratio."""


def is_bomb(unpacked: int, packed: int) -> bool:
    """Whether `unpacked` bytes are too many to come out of `packed` bytes."""
    return unpacked > _FREE_BYTES and unpacked > _MOST_RATIO * packed


class Budget:
    """Counts the bytes that come out of an archive and of the archives in it.

    Args:
        packed_bytes: length of the outermost archive.
        most_bytes: the largest member to read; it is held in memory.
    """

    def __init__(self, packed_bytes: int, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._packed = packed_bytes
        self._unpacked = 0

    def again(self) -> Budget:
        """The remaining budget, for reading the same archive a second time."""
        other = Budget(self._packed, self.most_bytes)
        other._unpacked = self._unpacked
        return other

    def take(self, size: int) -> None:
        """Counts bytes that came out, or are about to.

        Raises:
            Bomb: they are too many.
        """
        self._unpacked += size
        if is_bomb(self._unpacked, self._packed):
            raise Bomb
