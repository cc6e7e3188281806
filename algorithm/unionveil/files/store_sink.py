"""Outputs in an object store: objects that appear whole or not at all, and never replace anything else."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import InputError, OutputError, OutputTaken, StoreError
from .digests import pieces
from .output_file import output_file, writing
from .stores import Store, StoreUrl

__all__ = ["StoreSink"]


class StoreSink:
    """Writes objects below one place of an object store.

    Two runs may write the same outputs there at the same time: an object is created only under a free name,
    so each is written once, and the bytes are the same. Every object has its SHA-256 as metadata, so existing
    ones can be compared without reading them.

    Args:
        store: the place.
        overwrite: whether an existing object with other content may be replaced.
        inputs: places that are never written to, not even with `overwrite`.

    Raises:
        OutputError: the place is in an input.
    """

    def __init__(self, store: Store, *, overwrite: bool = False, inputs: Sequence[StoreUrl] = ()) -> None:
        self._store = store
        self.folder = store.url
        self.overwrite = overwrite
        for place in inputs:
            if place.holds(store.url) or store.url.holds(place):
                raise OutputError(f"{store.url} and the input {place} overlap; choose another output")

    def write(self, name: str, data: bytes) -> None:
        """As `FolderSink.write`.

        Raises:
            OutputError: it exists with other content.
            StoreError: it cannot be written.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if self._store.create(name, data, sha256) or self.digest(name) == sha256:
            return
        if not self.overwrite:
            raise self._occupied(name)
        self._store.put(name, data, sha256)

    def replace(self, name: str, parts: Iterable[bytes]) -> None:
        """As `FolderSink.replace`.

        Raises:
            OutputError: there is no space for its local copy.
            StoreError: it cannot be written.
        """
        digest = hashlib.sha256()
        with self._temporary(name) as file:
            for part in parts:
                digest.update(part)
                file.write(part)
            file.seek(0)
            self._store.put(name, file, digest.hexdigest())

    @contextmanager
    def added(self, name: str) -> Iterator[BinaryIO]:
        """As `FolderSink.added`; the object is put when the block ends.

        Raises:
            OutputError: the object exists with other content, or there is no space for its local copy.
            StoreError: it cannot be written.
        """
        with self._temporary(name) as file:
            yield file
            file.seek(0)
            digest = hashlib.sha256()
            for piece in pieces(file):
                digest.update(piece)
            there = self.digest(name)
            if there == digest.hexdigest():
                return
            if there is not None and not self.overwrite:
                raise self._occupied(name)
            file.seek(0)
            self._store.put(name, file, digest.hexdigest())

    @contextmanager
    def _temporary(self, name: str) -> Iterator[BinaryIO]:
        """The local copy of an object that is being written."""
        what = f"the local copy of {self.folder / name}"
        with writing(what):
            copy = tempfile.TemporaryFile()  # noqa: SIM115  closed below
        with copy, output_file(copy.fileno(), what, closes=False) as file:
            yield file

    def reaches(self, source: Store) -> bool:
        """Whether `adopt` can copy from a place."""
        return self._store.shares_bucket(source)

    def adopt(self, name: str, source: Store, sha256: str) -> None:
        """Takes over an object from another place in the bucket; its bytes do not leave the store.

        Args:
            name: path with `/`, below both places.
            source: the other place.
            sha256: that the object must have, hexadecimal; it is read only if its metadata has none.

        Raises:
            FileNotFoundError: the object does not exist.
            InputError: it has another digest.
            OutputError: an object with other content has the name.
            StoreError: it cannot be copied.
        """
        found = _digest(source, name)
        if found is None:
            raise FileNotFoundError(name)
        if found != sha256:
            raise InputError(
                f"{source.url / name} was altered: its SHA-256 is not the one in its manifest; make it again"
            )
        there = self.digest(name)
        if there == sha256:
            return
        if there is not None and not self.overwrite:
            raise self._occupied(name)
        self._store.copy(name, source)

    def _occupied(self, name: str) -> OutputTaken:
        return OutputTaken(f"{self.folder / name} already exists with other content; choose an empty folder")

    def read(self, name: str) -> bytes:
        """As `FolderSink.read`."""
        try:
            return self._store.get(name)
        except FileNotFoundError:
            raise OutputError(f"{self.folder / name} no longer exists") from None

    def has(self, name: str) -> bool:
        """As `FolderSink.has`."""
        return self.digest(name) is not None

    def digest(self, name: str) -> str | None:
        """As `FolderSink.digest`: from the object's metadata, or of its content if the metadata has none."""
        return _digest(self._store, name)

    def files(self) -> Iterator[str]:
        """As `FolderSink.files`."""
        return (found.key for found in self._store.objects())

    def remove(self, name: str) -> None:
        """As `FolderSink.remove`."""
        self._store.delete(name)

    def sweep(self) -> None:
        """As `FolderSink.sweep`: half-written objects have no name, so there is nothing to remove."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """As `FolderSink.locked`, but stores have no locks: objects are created only under free names."""
        yield

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """As `FolderSink.fetched`."""
        with tempfile.TemporaryDirectory(prefix="unionveil-") as place:
            path = Path(place) / name.rpartition("/")[2]
            try:
                path.write_bytes(self._store.get(name))
            except (StoreError, FileNotFoundError) as error:
                raise OutputError(f"{self.folder / name} cannot be read") from error
            yield path


def _digest(store: Store, name: str) -> str | None:
    """The SHA-256 of an object: from its metadata, or else of its content; None if it does not exist."""
    carried = store.digest(name)
    if carried is not None:
        return carried
    try:
        return hashlib.sha256(store.get(name)).hexdigest()
    except FileNotFoundError:
        return None
