"""Shards: independent parts of one run, each done by a machine, a job or a container.

The shard of an input follows from its name alone, so it stays the same when inputs are added. Outputs are
named by a keyed digest of the input's name, under a salt that all shards of a run share: no shard needs to
know how many inputs the others have.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..compact import NameTable
from ..config import AnonymizeConfig
from ..errors import ConfigError
from ..files.sources import ListedSource, SourceItem

__all__ = ["MOST_SHARDS", "Keys", "Shard", "ShardOfRun", "ShardSource", "check_shardable", "salt_of"]

MOST_SHARDS = 100_000
"""Five digits in the name of a shard's manifest."""

_KEY_HEX = 32
"""Hexadecimal digits of an input's key: among 1e9 inputs, two are equal with a probability of about 1e-21."""


@dataclass(frozen=True)
class Shard:
    """One part of a run.

    Attributes:
        index: from 0.
        count: number of parts.

    Raises:
        ConfigError: the part does not exist.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_SHARDS:
            raise ConfigError(f"shard: a run has 1 to {MOST_SHARDS} shards, not {self.count}")
        if not 0 <= self.index < self.count:
            raise ConfigError(
                f"shard: {self.index}/{self.count} does not exist; shards are numbered from 0, so these are "
                f"0/{self.count} to {self.count - 1}/{self.count}"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that a text like `7/100` names.

        Raises:
            ConfigError: the text does not name a shard.
        """
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if not found:
            raise ConfigError(f"shard: write it as I/N, such as 0/3, got {text!r}")
        return cls(int(found[1]), int(found[2]))

    def has(self, name: str) -> bool:
        """Whether an input is in this shard, by the first 64 bits of its name's SHA-256."""
        digest = hashlib.sha256(_encoded(name)).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


@dataclass(frozen=True)
class ShardOfRun:
    """A shard, and the salt of its run.

    Attributes:
        shard: the part.
        salt: the salt of the inputs' keys; a secret.
    """

    shard: Shard
    salt: bytes

    @property
    def run(self) -> str:
        """The same for all shards of a run: a keyed digest of nothing, hexadecimal."""
        return hmac.new(self.salt, b"run", hashlib.sha256).hexdigest()[:_KEY_HEX]


class Keys:
    """Keys of inputs, in the order in which they are read.

    Args:
        salt: of the run.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._seen = NameTable()

    def key(self, name: str) -> str:
        """HMAC-SHA256 (RFC 2104) of a name and of how often it came before, 32 hexadecimal digits.

        Archives may contain several members of the same name; all of them are in one shard.
        """
        earlier = self._seen.get(name) or 0
        self._seen[name] = earlier + 1
        message = b"input\0" + _encoded(name) + b"\0%d" % earlier
        return hmac.new(self._salt, message, hashlib.sha256).hexdigest()[:_KEY_HEX]


class ShardSource:
    """The inputs of one shard.

    An archive belongs to one shard as a whole, so that each is read once. A single archive is read by every
    shard, and its members are distributed.

    Args:
        source: all inputs.
        shard: the part.
    """

    def __init__(self, source: ListedSource, shard: Shard) -> None:
        self._source = source
        self._shard = shard
        self._by_member = len(source) == 1

    def __iter__(self) -> Iterator[SourceItem]:
        """As `Source.__iter__`."""
        if self._by_member:
            yield from (item for item in self._source if self._shard.has(item.name))
            return
        mine = (entry for entry in self._source.entries if self._shard.has(entry.name))
        yield from self._source.read_all(mine)

    def __len__(self) -> int:
        """As `Source.__len__`."""
        if self._by_member:
            return 1
        return sum(not entry.is_skipped and self._shard.has(entry.name) for entry in self._source.entries)


def salt_of(given: str | None, source: ListedSource) -> bytes:
    """The salt of a run.

    Args:
        given: the user's salt; None or an empty text uses names and sizes of all inputs, which every shard
            knows and nobody who sees the outputs does.
        source: all inputs.
    """
    digest = hashlib.sha256(b"unionveil run\0")
    if given:
        digest.update(b"given\0" + _encoded(given))
        return digest.digest()
    for entry in source.entries:
        digest.update(b"%d\0" % source.size_bytes(entry) + _encoded(entry.name) + b"\0")
    return digest.digest()


def check_shardable(config: AnonymizeConfig) -> None:
    """Refuses methods that need all inputs of a run at once.

    Raises:
        ConfigError: the method needs them.
    """
    if config.redaction.needs_whole_set:
        raise ConfigError(
            f"method {config.redaction.method} compares the faces of all inputs, but a shard sees only its "
            "own; run it without shards, or choose another method"
        )


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
