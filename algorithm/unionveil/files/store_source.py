"""Pictures in object stores: listed as a stream, their first bytes fetched ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import cannot_be_read
from ..outcomes import Rejected
from .bombs import MOST_BYTES
from .litter import Skipped, is_companion, is_litter, may_be_companion, stem_of
from .sources import Patterns, Rules, SourceItem, items_in
from .stores import Store, StoreContent, StoredObject

__all__ = ["StoreEntry", "StoreSource"]

_AHEAD = 64
"""Number of objects whose first bytes are fetched before they are needed."""

_THREADS = 16


@dataclass(frozen=True)
class StoreEntry:
    """A listed object that has not been read yet.

    Attributes:
        name: as `SourceItem.name`.
        store: number of its store.
        object: the listed object.
        is_skipped: whether its name alone shows that it is not an input.
    """

    name: str
    store: int
    object: StoredObject
    is_skipped: bool


class StoreSource:
    """All pictures in places of object stores; listed once, and read by the workers.

    Args:
        stores: the places.
        patterns: which files are inputs.
        member_bytes: the largest member of an archive to read; it is held in memory.
        videos: whether videos are inputs, of any length.

    Raises:
        StoreError: a place cannot be listed.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        *,
        patterns: Patterns = Patterns(),  # noqa: B008  frozen
        member_bytes: int = MOST_BYTES,
        videos: bool = False,
    ) -> None:
        self._videos = videos
        self._stores = stores
        self._patterns = patterns
        self._member_bytes = member_bytes
        self._listings = [_PackedObjects() for _ in stores]
        for store, listing in zip(stores, self._listings, strict=True):
            for found in store.objects():
                if not self._is_left_out(found.key):
                    listing.add(found)
        self._companions = [_companions(listing, videos=videos) for listing in self._listings]
        self._inputs = sum(not entry.is_skipped for entry in self.entries)

    def _is_left_out(self, key: str) -> bool:
        """Whether an object is in a folder that is not read."""
        folders = PurePosixPath(key).parents
        return key.endswith("/") or any(
            is_litter(PurePosixPath(folder.name)) or self._patterns.leave_out(folder.as_posix())
            for folder in folders
            if folder.name
        )

    def __iter__(self) -> Iterator[SourceItem]:
        """As `Source.__iter__`."""
        return self.read_all(self.entries)

    def __len__(self) -> int:
        """As `Source.__len__`."""
        return self._inputs

    @property
    def entries(self) -> Iterator[StoreEntry]:
        """As `ListedSource.entries`."""
        for number, listing in enumerate(self._listings):
            url = self._stores[number].url
            prefix = f"{PurePosixPath(url.prefix).name or url.bucket}/" if len(self._stores) > 1 else ""
            for found in listing:
                yield StoreEntry(prefix + found.key, number, found, self._is_skipped(number, found.key))

    def _is_skipped(self, number: int, key: str) -> bool:
        is_apart = is_litter(PurePosixPath(PurePosixPath(key).name)) or key in self._companions[number]
        return is_apart or self._patterns.leave_out(key)

    def size_bytes(self, entry: StoreEntry) -> int:
        """As `ListedSource.size_bytes`."""
        return entry.object.size_bytes

    def read_all(self, entries: Iterable[StoreEntry]) -> Iterator[SourceItem]:
        """As `ListedSource.read_all`; meanwhile, the first bytes of the next objects are fetched."""
        waiting: deque[tuple[StoreEntry, Future[StoreContent] | None]] = deque()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="heads") as pool:
            for entry in entries:
                ahead = None if entry.is_skipped else pool.submit(self._content(entry).with_head)
                waiting.append((entry, ahead))
                if len(waiting) >= _AHEAD:
                    yield from self._read(*waiting.popleft())
            while waiting:
                yield from self._read(*waiting.popleft())

    def _content(self, entry: StoreEntry) -> StoreContent:
        return StoreContent(self._stores[entry.store], entry.object)

    def _read(self, entry: StoreEntry, ahead: Future[StoreContent] | None) -> Iterator[SourceItem]:
        if ahead is None:
            yield SourceItem(entry.name, Skipped())
            return
        try:
            content = ahead.result()
            with content.open() as file:
                yield from items_in(
                    entry.name,
                    content,
                    file,
                    content.size_bytes,
                    Rules(self._patterns, self._member_bytes, self._videos),
                )
        except OSError as error:
            yield SourceItem(entry.name, Rejected("unreadable", cannot_be_read(error, "the object")))


def _companions(listing: Iterable[StoredObject], *, videos: bool) -> frozenset[str]:
    """Keys of objects that belong to others, such as the videos of live photos."""
    found = [each.key for each in listing if may_be_companion(each.key)]
    if not found:
        return frozenset()
    stems = {stem_of(key) for key in found}
    neighbours = {each.key.casefold() for each in listing if stem_of(each.key) in stems}
    return frozenset(key for key in found if is_companion(key, neighbours, videos=videos))


class _PackedObjects:
    """Objects stored one after another: about 60 bytes each in addition to their keys."""

    _MOST_BYTES = 1 << 20

    def __init__(self) -> None:
        self._blocks: list[bytearray] = []

    def add(self, found: StoredObject) -> None:
        if not self._blocks or len(self._blocks[-1]) > self._MOST_BYTES:
            self._blocks.append(bytearray())
        fields = (str(found.size_bytes), found.etag, found.key)
        self._blocks[-1] += b"".join(field.encode("utf-8", "surrogatepass") + b"\0" for field in fields)

    def __iter__(self) -> Iterator[StoredObject]:
        for block in self._blocks:
            start = 0
            while start < len(block):
                fields = []
                for _ in range(3):
                    end = block.index(0, start)
                    fields.append(block[start:end].decode("utf-8", "surrogatepass"))
                    start = end + 1
                size, etag, key = fields
                yield StoredObject(key, int(size), etag)
