"""Finished outputs: the files of a folder, on this machine or in an object store, only to be read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from ..text import printable
from .paths import unreadable
from .sinks import Place
from .stores import Store, StoreContent, StoreUrl

__all__ = ["LocalOutputs", "Outputs", "StoredOutputs", "outputs_at"]

_BUFFER_BYTES = 1 << 18
"""Bytes of a stored file that are read at once: a merge has the manifests of all shards open."""


class Outputs(Protocol):
    """A folder; `str` gives its place for messages."""

    @property
    def place(self) -> Place:
        """The folder itself."""
        ...

    def names(self) -> Iterator[str]:
        """Names of the files directly in the folder.

        Raises:
            OSError: it cannot be read.
        """
        ...

    def open(self, name: str) -> BinaryIO:
        """Opens a file, seekable.

        Raises:
            OSError: it does not exist, or cannot be read.
        """
        ...

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            OSError: it does not exist, or cannot be read.
        """
        ...


@dataclass(frozen=True)
class LocalOutputs:
    """A folder on this machine."""

    place: Path

    def __str__(self) -> str:
        return printable(str(self.place), quoted=False, most=None)

    def names(self) -> Iterator[str]:
        """As `Outputs.names`."""
        return (path.name for path in self.place.iterdir())

    def open(self, name: str) -> BinaryIO:
        """As `Outputs.open`."""
        return (self.place / name).open("rb")

    def read(self, name: str) -> bytes:
        """As `Outputs.read`; a link counts as missing."""
        return self.path(name).read_bytes()

    def path(self, name: str) -> Path:
        """The path of a file.

        Raises:
            FileNotFoundError: it does not exist, or is a link.
            InputError: it cannot be read.
        """
        path = self.place / name
        try:
            is_plain = stat.S_ISREG(path.lstat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(name) from None
        except (OSError, ValueError) as error:  # the latter for a NUL
            raise unreadable(path, error) from error
        if not is_plain:
            raise FileNotFoundError(name)
        return path


@dataclass(frozen=True)
class StoredOutputs:
    """A folder in an object store."""

    store: Store

    @property
    def place(self) -> StoreUrl:
        """As `Outputs.place`."""
        return self.store.url

    def __str__(self) -> str:
        return printable(str(self.place), quoted=False, most=None)

    def names(self) -> Iterator[str]:
        """As `Outputs.names`.

        Raises:
            StoreError: the store cannot be listed.
        """
        return (each.key for each in self.store.objects() if "/" not in each.key)

    def open(self, name: str) -> BinaryIO:
        """As `Outputs.open`."""
        found = self.store.find(name)
        if found is None:
            raise FileNotFoundError(name)
        return StoreContent(self.store, found).open(_BUFFER_BYTES)

    def read(self, name: str) -> bytes:
        """As `Outputs.read`.

        Raises:
            StoreError: the store refuses, or does not answer.
        """
        return self.store.get(name)


def outputs_at(place: Place) -> LocalOutputs | StoredOutputs:
    """The outputs in a place."""
    return StoredOutputs(Store(place)) if isinstance(place, StoreUrl) else LocalOutputs(place)
