"""Object stores by URI: `s3://`, `gs://` and `az://`, through obstore (extra `cloud`).

Credentials come only from the environment, as the stores' own tools read them (`AWS_...`, `GOOGLE_...`,
`AZURE_...`), and appear in no message: a store's answers may quote them, so only the status is shown.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any, BinaryIO, TypeVar

from ..errors import ConfigError, MissingExtra, StoreError

__all__ = ["Store", "StoreContent", "StoreUrl", "StoredObject", "is_store_url"]

Result = TypeVar("Result")

_URL = re.compile(r"(s3|gs|az)://([A-Za-z0-9][A-Za-z0-9._-]*)(?:/(.*))?")

_SCHEMES = ("s3", "gs", "az")

PATIENCE_SECONDS = 150.0
"""How long to keep trying a store that does not answer, or answers that it is busy."""

_MOST_PAUSE_SECONDS = 10.0

_HEAD_BYTES = 64 << 10
"""Bytes read at first: nearly always enough to know a picture's format and size."""

DIGEST = "unionveilsha256"
"""Metadata key under which an output has its own SHA-256. Azure accepts no hyphen in it, and proxies before
S3 drop underscores."""


def is_store_url(text: str) -> bool:
    """Whether a text names a place in an object store, correctly written or not."""
    return text.partition("://")[0] in _SCHEMES and "://" in text


@dataclass(frozen=True)
class StoreUrl:
    """A bucket or a folder in it.

    Attributes:
        scheme: s3, gs or az.
        bucket: or container.
        prefix: folder with `/`, without one at its end; empty for the whole bucket.
    """

    scheme: str
    bucket: str
    prefix: str

    @classmethod
    def parse(cls, text: str) -> StoreUrl:
        """The place that a text names.

        Raises:
            ConfigError: the text does not name a place, or contains credentials.
        """
        found = _URL.fullmatch(text)
        if not found or "?" in text or "#" in text:
            raise ConfigError(
                "a place in an object store is written s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or "
                "az://CONTAINER/FOLDER, and credentials are set in the environment"
            )
        return cls(found[1], found[2], "/".join(part for part in (found[3] or "").split("/") if part))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    def __truediv__(self, name: str) -> StoreUrl:
        return StoreUrl(self.scheme, self.bucket, f"{self.prefix}/{name}" if self.prefix else name)

    def holds(self, other: StoreUrl) -> bool:
        """Whether another place is this one or is in it."""
        same = (self.scheme, self.bucket) == (other.scheme, other.bucket)
        return same and f"{other.prefix}/".startswith(f"{self.prefix}/" if self.prefix else "")


@dataclass(frozen=True)
class StoredObject:
    """A listed object.

    Attributes:
        key: path with `/`, below the listed place.
        size_bytes: of its content.
        etag: changes with its content.
    """

    key: str
    size_bytes: int
    etag: str


@dataclass(frozen=True)
class Store:
    """A place in an object store. Can be pickled; each process opens it again, with its own environment.

    A store that does not answer is retried for as long as `patience_seconds`: it may be restarting.

    Attributes:
        url: the place.
        patience_seconds: how long to retry.
    """

    url: StoreUrl
    patience_seconds: float = PATIENCE_SECONDS

    def objects(self) -> Iterator[StoredObject]:
        """All objects, as the store lists them, a thousand at a time.

        Raises:
            StoreError: the bucket does not exist, refuses, or does not answer.
        """
        obstore = _library(self.url)
        last: str | None = None
        chunks: Iterator[Any] | None = None

        def following() -> Any:
            nonlocal chunks
            if chunks is None:  # at the start, and after an interrupted answer
                chunks = iter(obstore.list(self._opened(), offset=last, chunk_size=1000))
            try:
                return next(chunks, None)
            except obstore.exceptions.BaseError:
                chunks = None
                raise

        while chunk := self._patiently(following):
            for meta in chunk:
                last = str(meta["path"])
                yield StoredObject(last, int(meta["size"]), str(meta["e_tag"] or meta["last_modified"]))

    def get(self, key: str, *, etag: str | None = None, most: int | None = None) -> bytes:
        """The content of an object.

        Args:
            key: of the object.
            etag: the etag that the object must have.
            most: number of bytes from its start; None for all.

        Raises:
            StoreError: it no longer exists, was changed, or cannot be read.
        """
        obstore = _library(self.url)
        options: dict[str, Any] = {"if_match": etag} if etag else {}
        if most:
            options["range"] = (0, most)
        got = self._patiently(lambda: obstore.get(self._opened(), key, options=options).bytes())
        return bytes(got)

    def range(self, key: str, start: int, end: int) -> bytes:
        """Bytes of an object from `start` up to `end`.

        Raises:
            StoreError: it cannot be read.
        """
        obstore = _library(self.url)
        return bytes(self._patiently(lambda: obstore.get_range(self._opened(), key, start=start, end=end)))

    def digest(self, key: str) -> str | None:
        """The SHA-256 in an object's metadata, hexadecimal; None if the object or the SHA-256 is missing.

        Raises:
            StoreError: the store refuses, or does not answer.
        """
        obstore = _library(self.url)
        try:
            got = self._patiently(lambda: obstore.get(self._opened(), key, options={"head": True}))
        except FileNotFoundError:
            return None
        attributes: dict[str, str] = {**got.attributes}
        return attributes.get(DIGEST)

    def find(self, key: str) -> StoredObject | None:
        """An object by its key; None if it does not exist.

        Raises:
            StoreError: the store refuses, or does not answer.
        """
        obstore = _library(self.url)
        try:
            meta = self._patiently(lambda: obstore.head(self._opened(), key))
        except FileNotFoundError:
            return None
        return StoredObject(key, int(meta["size"]), str(meta["e_tag"] or meta["last_modified"]))

    def shares_bucket(self, other: Store) -> bool:
        """Whether the store itself can copy objects from the other place to this one."""
        return (self.url.scheme, self.url.bucket) == (other.url.scheme, other.url.bucket)

    def copy(self, key: str, source: Store) -> None:
        """Lets the store copy an object, with its metadata, from another place in the same bucket.

        Any object of this key is replaced.

        Raises:
            FileNotFoundError: the object does not exist.
            StoreError: it cannot be copied.
        """
        obstore = _library(self.url)
        bucket = StoreUrl(self.url.scheme, self.url.bucket, "")
        old, new = ((place.url / key).prefix for place in (source, self))
        self._patiently(lambda: obstore.copy(_open(bucket), old, new))

    def create(self, key: str, data: bytes, sha256: str) -> bool:
        """Writes an object that does not exist yet.

        Returns:
            False if an object of this name exists; it stays unchanged.

        Raises:
            StoreError: it cannot be written.
        """
        obstore = _library(self.url)
        attributes = {DIGEST: sha256}
        try:
            self._patiently(
                lambda: obstore.put(self._opened(), key, data, mode="create", attributes=attributes)
            )
        except obstore.exceptions.AlreadyExistsError:
            return False
        return True

    def put(self, key: str, data: bytes | BinaryIO, sha256: str) -> None:
        """Writes an object, replacing any other under its name; large ones in parts.

        Raises:
            StoreError: it cannot be written.
        """
        obstore = _library(self.url)

        def write() -> None:
            if not isinstance(data, bytes):
                data.seek(0)
            obstore.put(self._opened(), key, data, attributes={DIGEST: sha256})

        self._patiently(write)

    def delete(self, key: str) -> None:
        """Removes an object, if it exists.

        Raises:
            StoreError: it cannot be removed.
        """
        obstore = _library(self.url)
        try:
            self._patiently(lambda: obstore.delete(self._opened(), key))
        except FileNotFoundError:
            return

    def _opened(self) -> Any:
        return _open(self.url)

    def _patiently(self, act: Callable[[], Result]) -> Result:
        """Runs a function, repeatedly while the store may recover."""
        exceptions = _library(self.url).exceptions
        end, pause = time.monotonic() + self.patience_seconds, 0.2
        while True:
            try:
                return act()
            except (FileNotFoundError, exceptions.AlreadyExistsError):
                raise
            except exceptions.BaseError as error:
                status = _status(error)
                if (status is not None and status < 500 and status not in (408, 429)) or (
                    time.monotonic() + pause > end
                ):
                    # Not `from error`: the store's answer may quote a key.
                    raise StoreError(str(self.url), status) from None
            time.sleep(pause)
            pause = min(2 * pause, _MOST_PAUSE_SECONDS)


def _library(url: StoreUrl) -> Any:
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError as error:
        raise MissingExtra(str(url), "obstore", "cloud") from error
    return obstore


def _status(error: Exception) -> int | None:
    """The HTTP status of an answer, which obstore has only in its text; None if there was no answer."""
    found = re.search(r"status code: ([0-9]{3})", str(error))
    return int(found[1]) if found else None


@lru_cache(maxsize=8)
def _open(url: StoreUrl) -> Any:
    obstore = _library(url)
    retry = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
    try:
        return obstore.store.from_url(str(url), retry_config=retry)
    except (obstore.exceptions.BaseError, ValueError):
        raise StoreError(str(url), None) from None


@dataclass(frozen=True)
class StoreContent:
    """An object's content, read by the worker.

    Attributes:
        store: the listed place.
        object: the listed object; its content must not have changed since.
        head: its first bytes, if they have been read; they are not sent to workers.
    """

    store: Store
    object: StoredObject
    head: bytes = field(default=b"", repr=False, compare=False)
    held_bytes: int = field(default=0, init=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return StoreContent, (self.store, self.object)

    @property
    def size_bytes(self) -> int:
        """As `Content.size_bytes`."""
        return self.object.size_bytes

    @property
    def version(self) -> str:
        """Changes with the content."""
        return f"{self.object.etag} {self.object.size_bytes}"

    def read(self) -> bytes:
        """As `Content.read`."""
        return _or_os_error(lambda: self.store.get(self.object.key, etag=_plain_etag(self.object.etag)))

    def open(self, buffer_bytes: int = _HEAD_BYTES) -> BinaryIO:
        """As `Content.open`; the object is read in pieces of a buffer."""
        return io.BufferedReader(_Ranges(self.store, self.object, self.head), buffer_bytes)

    def with_head(self) -> StoreContent:
        """The same object, with its first bytes read.

        Raises:
            OSError: it cannot be read.
        """
        most = min(_HEAD_BYTES, self.object.size_bytes)
        head = _or_os_error(lambda: self.store.get(self.object.key, most=most)) if most else b""
        return StoreContent(self.store, self.object, head)


def _plain_etag(etag: str) -> str | None:
    """An etag as a condition names it; None for a time that stands in its place. Azure lists them bare."""
    if etag.startswith("0x"):
        return f'"{etag}"'
    return etag if etag.startswith(('"', "W/")) else None


def _or_os_error(act: Callable[[], Result]) -> Result:
    """Turns an error with one object into an `OSError`; a failing store stops the run."""
    try:
        return act()
    except FileNotFoundError:
        # Not `from`: the store's answer may quote a key.
        raise OSError(None, "the object no longer exists") from None
    except StoreError as error:
        if error.status == 412:
            raise OSError(None, "the object changed since it was listed") from None
        raise


class _Ranges(io.RawIOBase):
    """An object as a file: each read is a request."""

    def __init__(self, store: Store, what: StoredObject, head: bytes) -> None:
        self._store = store
        self._object = what
        self._head = head
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._object.size_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        start = self._position
        end = min(start + len(buffer), self._object.size_bytes)
        if start >= end:
            return 0
        if end <= len(self._head) or start < len(self._head):
            data = self._head[start:end]
        else:
            data = _or_os_error(lambda: self._store.range(self._object.key, start, end))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
