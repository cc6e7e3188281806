"""Sets and tables of names without the names: a million of them take 16 or 32 MiB."""

from __future__ import annotations

import hashlib
import secrets
from array import array

__all__ = ["NameSet", "NameTable"]

_FIRST_SLOTS = 1024


class NameSet:
    """A set of names; holds digests of the names, not the names.

    An open hash table with linear probing (Knuth, The Art of Computer Programming, volume 3, section 6.4), at
    most two thirds full. Names are compared by 64 bits of BLAKE2b under a random key: among a million names
    two collide with a probability of 3e-8, and nobody can choose names that do.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)
        self._digests = array("Q", bytes(8 * _FIRST_SLOTS))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, name: str) -> bool:
        return self._digests[self._slot(self._digest(name))] != 0

    def add(self, name: str) -> None:
        """Adds a name, if it is not there."""
        self._claim(name)

    def update(self, *names: str) -> None:
        """Adds several names."""
        for name in names:
            self._claim(name)

    def _claim(self, name: str) -> int:
        """Takes the slot of a name and returns it."""
        if 3 * (self._count + 1) > 2 * len(self._digests):
            self._grow()
        digest = self._digest(name)
        slot = self._slot(digest)
        self._count += self._digests[slot] == 0
        self._digests[slot] = digest
        return slot

    def _digest(self, name: str) -> int:
        data = name.encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(data, digest_size=8, key=self._secret).digest()
        return int.from_bytes(digest, "big") or 1  # 0 marks a free slot

    def _slot(self, digest: int) -> int:
        """The slot of a digest, or the free one that it would get."""
        digests, last = self._digests, len(self._digests) - 1
        slot = digest & last
        while digests[slot] and digests[slot] != digest:
            slot = (slot + 1) & last
        return slot

    def _grow(self) -> None:
        digests = self._digests
        self._digests = array("Q", bytes(16 * len(digests)))
        for old, digest in enumerate(digests):
            if digest:
                slot = self._slot(digest)
                self._digests[slot] = digest
                self._move(old, slot)

    def _move(self, old: int, slot: int) -> None:
        """Called for each name while the table grows."""


class NameTable(NameSet):
    """A table from names to whole numbers; it stores names as `NameSet` does."""

    def __init__(self) -> None:
        super().__init__()
        self._values = array("q", bytes(8 * _FIRST_SLOTS))
        self._earlier = self._values

    def get(self, name: str) -> int | None:
        """The number of a name; None if the name is not in the table."""
        slot = self._slot(self._digest(name))
        return self._values[slot] if self._digests[slot] else None

    def __setitem__(self, name: str, value: int) -> None:
        slot = self._claim(name)  # first: the values may grow
        self._values[slot] = value

    def _grow(self) -> None:
        self._earlier = self._values
        self._values = array("q", bytes(16 * len(self._earlier)))
        super()._grow()
        self._earlier = self._values

    def _move(self, old: int, slot: int) -> None:
        self._values[slot] = self._earlier[old]
