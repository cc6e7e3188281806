"""A running review: the photos of a folder, their state, and the page's requests."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

from ..content import Content, FileContent
from ..detections import Detections, Kind
from ..errors import InputError, OutputError, ReviewError, UnionVeilError
from ..files.sources import Skipped, SourceItem
from ..given import GivenBoxes
from ..outcomes import Rejected
from ..runs.needs import look_at
from .log import Log
from .model import Box, Edit, PhotoState, Put, Sighting
from .order import Place, place
from .survey import PhotoTask, Surveyed
from .view import SCREEN_PX, THUMBNAIL_PX, ViewTask

__all__ = ["Counts", "Imported", "Photo", "Plan", "Session", "Submit", "SubmitView", "given_boxes"]

Plan: TypeAlias = dict[int, GivenBoxes | Rejected | None]
"""The treatment of each photo, by its number."""

_IN_ARCHIVE = Rejected("archive", "photos inside archives are not reviewed; unpack the archive first")
_ELSEWHERE = (
    "the last change was made to a photo that is not in this review, or that the detector has not looked at "
    "yet; it stays as it is"
)
_KEPT_THUMBNAILS = 20_000

_FIRST_SECONDS = 5.0
"""How long the detector, and the rest of a long list, wait for the first photo to be drawn."""

_LISTED_AT_ONCE = 200


@dataclass(frozen=True)
class Imported:
    """Boxes from a file for one photo.

    Attributes:
        puts: the boxes.
        knows_frames: whether the file gives their frame; otherwise they hold for every frame.
    """

    puts: tuple[Put, ...]
    knows_frames: bool

    def on(self, frames: int) -> tuple[Put, ...]:
        """The boxes of a photo with a number of frames."""
        if self.knows_frames or frames == 1:
            return self.puts
        return tuple(
            put.model_copy(update={"id": f"{put.id}-{n}", "frame": n})
            for n in range(frames)
            for put in self.puts
        )


class Submit(Protocol):
    """The part of a pool of workers that a session uses."""

    def __call__(self, task: PhotoTask) -> Future[Surveyed | Rejected]:
        """Submits a photo."""
        ...


class SubmitView(Protocol):
    """The part of a pool of workers that draws photos."""

    def __call__(self, task: ViewTask) -> Future[bytes | Rejected]:
        """Submits a photo."""
        ...


@dataclass
class Photo:
    """One input.

    Attributes:
        number: of the input, from 1, as `anonymize` numbers it.
        name: of the input.
        content: its bytes, or why it has none.
        stamp: size and modification time of the file, in bytes and nanoseconds.
        key: of its content; None until it has been read.
        thumbnail: a small JPEG; empty until it has been made.
        event: number of the latest change that the page must be notified of.
    """

    number: int
    name: str
    content: Content | Rejected
    stamp: tuple[int, int] = (0, 0)
    key: str | None = None
    thumbnail: bytes = b""
    event: int = 0


@dataclass(frozen=True)
class Counts:
    """The progress of a review; `photos` counts the photos that can be reviewed and the rejected ones."""

    photos: int = 0
    listed: bool = False
    waiting: int = 0
    approved: int = 0
    flagged: int = 0
    unreviewed: int = 0
    rejected: int = 0


@dataclass
class _Waiting:
    """Photos that the detector has not seen yet; those that the page requests come first."""

    wanted: deque[Photo] = field(default_factory=deque)
    rest: deque[Photo] = field(default_factory=deque)
    taken: set[int] = field(default_factory=set)

    def take(self) -> Photo | None:
        for line in (self.wanted, self.rest):
            while line:
                photo = line.popleft()
                if photo.number not in self.taken:
                    self.taken.add(photo.number)
                    return photo
        return None


class Session:
    """The photos of a folder under review. All methods are thread-safe.

    Args:
        log: entered; stores everything that must survive.
        run: digest of the settings of detection.
        survey: submits a photo to the detector.
        view: submits a photo to be drawn.
        at_once: number of photos that the detector has at a time.
        finding_bytes: memory that detection needs beside the photo; see `runs.needs.finding_bytes`.
        imported: boxes from a file, by the name of the photo.
    """

    def __init__(
        self,
        log: Log,
        run: str,
        survey: Submit,
        view: SubmitView,
        *,
        at_once: int = 2,
        finding_bytes: int = 0,
        imported: Mapping[str, Imported] | None = None,
    ) -> None:
        self._log = log
        self._log.board.run = run
        self._run = run
        self._survey = survey
        self._view = view
        self._at_once = at_once
        self._finding_bytes = finding_bytes
        self._imported = imported or {}
        self._photos: list[Photo] = []
        self._by_key: defaultdict[str, list[Photo]] = defaultdict(list)
        self._waiting = _Waiting()
        self._changed = threading.Condition(threading.RLock())
        self._running = 0
        self._event = 0
        self._first: tuple[int, Future[bytes | Rejected]] | None = None
        self._listed = self._closed = False
        self.failure: str | None = None

    # Listing and detection, in separate threads.

    def start(self, items: Iterable[SourceItem]) -> None:
        """Starts listing the photos and running the detector."""
        for work in (lambda: self._list(items), self._feed):
            threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        """Ends the threads, and the wait for changes; later results of the detector are dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _list(self, items: Iterable[SourceItem]) -> None:
        number = 0
        try:
            for item in items:
                if self._closed:
                    return
                if not isinstance(item.content, Skipped):
                    number += 1
                    self._add(Photo(number, item.name, item.content))
                if number == _LISTED_AT_ONCE:
                    self._await_first()
        except UnionVeilError as error:
            self.failure = str(error)
        with self._changed:
            self._listed = True
            self._touch()

    def _add(self, photo: Photo) -> None:
        if isinstance(photo.content, FileContent):
            with suppress(OSError):
                status = photo.content.path.stat()
                photo.stamp = status.st_size, status.st_mtime_ns
        elif not isinstance(photo.content, Rejected):
            photo.content = _IN_ARCHIVE
        with self._changed:
            self._photos.append(photo)
            if self._first is None and not isinstance(photo.content, Rejected):
                # Drawn before the page requests it, and before the detector occupies the machine.
                self._first = photo.number, self.draw(photo.number, 0, SCREEN_PX)
            if not isinstance(photo.content, Rejected):
                key = self._log.known(photo.name, *photo.stamp)
                if key is not None and self._log.board.sighting(key) is not None:
                    self._identify(photo, key)
                else:
                    self._waiting.rest.append(photo)
            self._touch(photo)

    def _feed(self) -> None:
        """Keeps the detector just busy: the page's next request must not wait behind others."""
        with self._changed:
            self._changed.wait_for(lambda: self._first or self._listed or self._closed)
        self._await_first()
        while True:
            with self._changed:
                photo = None
                while not self._closed:
                    photo = self._waiting.take() if self._running < self._at_once else None
                    if photo or self.failure:
                        break
                    self._changed.wait()
                if self._closed or self.failure or photo is None:
                    return
                self._running += 1
            content = photo.content
            assert not isinstance(content, Rejected)  # noqa: S101  these are not put into the line
            future = self._survey(PhotoTask(content, look_at(content)[1] + self._finding_bytes))
            future.add_done_callback(lambda done, photo=photo: self._surveyed(photo, done))  # type: ignore[misc]

    def _await_first(self) -> None:
        """Waits until the first photo has been drawn: until then the machine is reserved for the page."""
        if self._first:
            wait([self._first[1]], _FIRST_SECONDS)

    def _surveyed(self, photo: Photo, future: Future[Surveyed | Rejected]) -> None:
        try:
            result = future.result()
            # A photo that stopped its worker, or took too long, is tried again by the next review.
            seen = (
                Surveyed(None, Sighting(run=self._run, rejected=(result.reason, result.detail)))
                if isinstance(result, Rejected)
                else result
            )
        except Exception as error:
            with self._changed:
                # A model that fails is not the photo's fault: the page reports it, and no photo counts as
                # seen.
                self.failure = str(error) if isinstance(error, UnionVeilError) else type(error).__name__
                self._running -= 1
                self._touch()
            return
        with self._changed:
            self._running -= 1
            if not self._closed:
                self._take(photo, seen)
            self._changed.notify_all()

    def _take(self, photo: Photo, seen: Surveyed) -> None:
        photo.thumbnail = seen.thumbnail if len(self._photos) <= _KEPT_THUMBNAILS else b""
        if seen.photo is None:
            rejected = seen.sighting.rejected or ("unreadable", "the file cannot be read")
            photo.content = Rejected(*rejected)
            self._touch(photo)
            return
        try:
            self._log.see(seen.photo, seen.sighting)
            self._log.file(photo.name, *photo.stamp, seen.photo)
            self._identify(photo, seen.photo)
        except OutputError as error:
            self.failure = str(error)
            self._touch()

    def _identify(self, photo: Photo, key: str) -> None:
        photo.key = key
        self._by_key[key].append(photo)
        self._import(photo, key)
        self._touch(*self._by_key[key])

    def _import(self, photo: Photo, key: str) -> None:
        """Adds boxes from a file.

        Raises:
            OutputError: they cannot be stored.
        """
        boxes, sighting = self._imported.get(photo.name), self._log.board.sighting(key)
        if boxes is not None and sighting is not None and not sighting.rejected:
            self._log.add(key, tuple(put.box() for put in boxes.on(len(sighting.sizes_wh))))

    def touch(self) -> None:
        """Notifies the page of a change that concerns no single photo."""
        with self._changed:
            self._touch()

    def _touch(self, *photos: Photo) -> None:
        self._event += 1
        for photo in photos:
            photo.event = self._event
        self._changed.notify_all()

    # Requests of the page.

    @property
    def event(self) -> int:
        """Number of the latest change."""
        return self._event

    @property
    def is_closed(self) -> bool:
        """Whether no more changes come."""
        return self._closed

    @property
    def revision(self) -> int:
        """Number of edits so far."""
        return self._log.board.revision

    def find(self, number: int) -> Photo | None:
        """A photo by its number; None for an unknown number."""
        with self._changed:
            return self._photos[number - 1] if 1 <= number <= len(self._photos) else None

    def photo(self, number: int) -> Photo:
        """A photo by its number.

        Raises:
            InputError: no photo has this number.
        """
        photo = self.find(number)
        if photo is None:
            raise InputError(f"there is no photo {number} in this folder")
        return photo

    def since(self, event: int) -> tuple[int, list[Photo]]:
        """Photos that changed after an event, and the latest event."""
        with self._changed:
            return self._event, [photo for photo in self._photos if photo.event > event]

    def want(self, number: int) -> None:
        """Moves a photo to the front of the detector's queue, because it is on screen."""
        with self._changed:
            self._waiting.wanted.appendleft(self.photo(number))
            self._changed.notify_all()

    def seen(self, photo: Photo) -> Sighting | None:
        """The detector's result, or why the photo was rejected; None before it has seen the photo."""
        if isinstance(photo.content, Rejected):
            return Sighting(run=self._run, rejected=(photo.content.reason, photo.content.detail))
        return self._log.board.sighting(photo.key) if photo.key else None

    def state(self, photo: Photo) -> PhotoState | None:
        """The photo's current state; None before the detector has seen it."""
        return self._log.board.state(photo.key) if photo.key else None

    def place(self, photo: Photo) -> Place:
        """A photo's place in the order."""
        return place(photo.number, self.seen(photo))

    def counts(self) -> Counts:
        """The progress of the review."""
        with self._changed:
            found = Counter(self._standing(photo) for photo in self._photos)
            return Counts(photos=len(self._photos), listed=self._listed, **found)

    def _standing(self, photo: Photo) -> str:
        seen, state = self.seen(photo), self.state(photo)
        if seen is None:
            return "waiting"
        return "rejected" if seen.rejected or state is None else state.verdict

    # Edits.

    def edit(self, number: int, revision: int, id: str, edit: Edit) -> Photo:  # noqa: A002
        """Stores and applies an edit.

        Raises:
            ReviewError: it does not fit, or is based on another revision.
            OutputError: it cannot be stored.
        """
        with self._changed:
            photo = self.photo(number)
            key = photo.key or ""
            self._log.edit(revision, id, key, edit)
            self._touch(*self._by_key[key])
            return photo

    def step(self, revision: int, id: str, *, redo: bool = False) -> Photo | None:  # noqa: A002
        """Undoes or redoes the last edit.

        Returns:
            The photo that changed; None if there was nothing to undo or redo.

        Raises:
            ReviewConflict: the request is based on another revision.
            ReviewError: the photo is not in this review.
            OutputError: it cannot be stored.
        """
        with self._changed:
            last = self._log.board.last(revision, id, redo=redo)
            if last is not None and not self._by_key.get(last):
                raise ReviewError(_ELSEWHERE)
            key = self._log.step(revision, id, redo=redo)
            if key is None:
                return None
            self._touch(*self._by_key[key])
            return self._by_key[key][0]

    # Pictures and outputs.

    def draw(
        self, number: int, frame: int, longest_px: int, covers: Iterable[Box] | None = None
    ) -> Future[bytes | Rejected]:
        """A photo as a JPEG, with or without its covers.

        Raises:
            InputError: there is no such photo.
        """
        photo = self.photo(number)
        if longest_px == THUMBNAIL_PX and covers is None and photo.thumbnail:
            return _done(photo.thumbnail)
        if isinstance(photo.content, Rejected):
            return _done(photo.content)
        if self._first and (number, frame, longest_px, covers) == (self._first[0], 0, SCREEN_PX, None):
            return self._first[1]
        boxes = (
            None
            if covers is None
            else tuple((box.xyxy, box.detected) for box in covers if box.frame == frame)
        )
        future = self._view(ViewTask(photo.content, frame, longest_px, boxes, look_at(photo.content)[1]))
        if longest_px == THUMBNAIL_PX and covers is None:
            future.add_done_callback(lambda done: self._keep_thumbnail(photo, done))
        return future

    def _keep_thumbnail(self, photo: Photo, future: Future[bytes | Rejected]) -> None:
        if not future.cancelled() and not future.exception():
            result = future.result()
            if isinstance(result, bytes) and len(self._photos) <= _KEPT_THUMBNAILS:
                photo.thumbnail = result

    def plan(self, *, keep_unreviewed: bool) -> Plan:
        """The current treatment of each photo, by its number.

        Args:
            keep_unreviewed: whether to write photos without a verdict, with their current boxes.
        """
        with self._changed:
            return {photo.number: self._decided(photo, keep_unreviewed) for photo in self._photos}

    def _decided(self, photo: Photo, keep_unreviewed: bool) -> GivenBoxes | Rejected | None:
        seen, state = self.seen(photo), self.state(photo)
        if seen is not None and seen.rejected:
            return Rejected(*seen.rejected)
        if seen is None or state is None:
            return Rejected(
                "unreviewed", "nobody has reviewed the photo, and the detector has not seen it yet"
            )
        if state.verdict == "flagged":
            return Rejected("flagged", "the photo was flagged in the review")
        if state.verdict == "unreviewed" and not keep_unreviewed:
            return Rejected("unreviewed", "nobody has approved the photo")
        return replace(given_boxes(state, len(seen.sizes_wh)), photo=photo.key)


def given_boxes(state: PhotoState, frames: int) -> GivenBoxes:
    """The covered boxes of a photo, in the form that `anonymize` accepts.

    Args:
        state: of the photo.
        frames: number of its frames or pages.
    """
    covered = [[box for box in state.boxes if box.covered and box.frame == n] for n in range(frames)]
    return GivenBoxes(
        tuple(
            Detections.of(
                [box.xyxy for box in boxes],
                [1.0 if box.score is None else box.score for box in boxes],
                kind=[int(box.detected) for box in boxes] or Kind.FACE,
            )
            for boxes in covered
        ),
        "instead",
    )


def _done(result: bytes | Rejected) -> Future[bytes | Rejected]:
    future: Future[bytes | Rejected] = Future()
    future.set_result(result)
    return future
