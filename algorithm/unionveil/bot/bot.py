"""Handles each event: covers and answers photos, removes answers on request, and never answers twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import ParamSpec, TypeAlias, TypeVar

from ..config import AnonymizeConfig
from ..content import BytesContent
from ..errors import BodyTooLarge, ImageError, RateLimited, RoomError
from ..formats import HEAD_BYTES, sniff
from ..outcomes import Anonymized, Rejected
from ..runs.needs import finding_bytes, look_at
from ..serve.limits import RateLimit
from ..serve.media import MEDIA_TYPES
from ..serve.pictures import Found, PictureTask
from .room import Answer, Batch, Event, Photo, RemovalAsked, Room, Withdrawn

__all__ = ["Bot"]

_TRIES = 5
_FIRST_PAUSE_SECONDS = 1.0

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_Submit: TypeAlias = Callable[[PictureTask], Awaitable["Anonymized | Found | Rejected"]]


class Bot:
    """Answers photos with the same photos, faces covered.

    Args:
        room: where it reads and answers.
        submit: covers a photo.
        config: settings for the covers.
        rate: limits the photos per sender.
        most_bytes: largest photo.
        removes_originals: whether to remove the original if the bot has the right to.
        report: called with each line for the operator; the lines name no sender and no photo.
        pause: waits for a number of seconds.
    """

    def __init__(
        self,
        room: Room,
        submit: _Submit,
        config: AnonymizeConfig,
        rate: RateLimit,
        *,
        most_bytes: int,
        removes_originals: bool,
        report: Callable[[str], None],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._room = room
        self._submit = submit
        self._config = config
        self._rate = rate
        self._most_bytes = most_bytes
        self._removes_originals = removes_originals
        self._report = report
        self._pause = pause

    async def run(self, position: str | None, keep: Callable[[str], None]) -> None:
        """Handles all events, forever.

        Args:
            position: where an earlier run stopped; None starts now.
            keep: called with a position once everything before it has been handled.
        """
        async for batch in self._room.batches(position):
            await self.handle_batch(batch)
            keep(batch.position)

    async def handle_batch(self, batch: Batch) -> None:
        """Handles the events of one batch, in their order; one whose calls keep failing is given up."""
        for event in batch.events:
            why = await self._failure(event)
            if why is not None:
                self._report(f"given up: {why}")

    async def _failure(self, event: Event) -> RoomError | None:
        try:
            await self.handle(event)
        except RoomError as error:
            return error
        return None

    async def handle(self, event: Event) -> None:
        """Handles one event.

        Raises:
            RoomError: the network keeps failing; the same event may be handled again.
        """
        match event:
            case Photo():
                await self._handle_photo(event)
            case RemovalAsked():
                if await self._persistently(self._room.may_remove_answer, event):
                    await self._remove(event.room, event.answer, "an answer was removed on request")
            case Withdrawn():
                for reply in await self._persistently(self._room.replies_to, event.room, event.id):
                    await self._remove(event.room, reply.id, "an answer was removed with its original")

    async def _persistently(
        self,
        call: Callable[_Arguments, Awaitable[_Result]],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> _Result:
        """The result of one call of the room, which is repeated if the network fails.

        A call is repeated rather than its event: nothing else is done, or counted against its sender, twice.

        Raises:
            RoomError: it keeps failing.
        """
        for attempt in range(_TRIES - 1):
            with suppress(RoomError):
                return await call(*args, **kwargs)
            await self._pause(_FIRST_PAUSE_SECONDS * 2**attempt)
        return await call(*args, **kwargs)

    async def _remove(self, room: str, message: str, report: str) -> None:
        if await self._persistently(self._room.remove, room, message):
            self._report(report)

    async def _handle_photo(self, photo: Photo) -> None:
        """Answers a photo unless an earlier run did, and removes it if the answer shows it covered."""
        replies = await self._persistently(self._room.replies_to, photo.room, photo.id)
        is_covered = any(reply.is_photo for reply in replies) if replies else await self._answer(photo)
        if is_covered and self._removes_originals:
            await self._remove(photo.room, photo.id, "the original of an answered photo was removed")

    async def _answer(self, photo: Photo) -> bool:
        """Answers a photo; False if it could not be covered."""
        try:
            self._rate.take(photo.sender)
            data = await self._persistently(self._room.fetch, photo, self._most_bytes)
        except RateLimited as error:
            await self._refuse(photo, f"you posted too many at once; post it again in {error.seconds} s")
            return False
        except BodyTooLarge as error:
            await self._refuse(
                photo, f"it has more than {error.limit_bytes / (1 << 20):g} MiB; post a smaller one"
            )
            return False
        outcome = await self._covered(data)
        if not isinstance(outcome, Anonymized):
            await self._refuse(photo, outcome.detail)
            return False
        await self._persistently(self._room.answer, photo, _answer(outcome))
        self._report(f"a photo was answered, {outcome.counts.words or 'nothing'} covered")
        return True

    async def _covered(self, data: bytes) -> Anonymized | Rejected:
        content = BytesContent(data)
        try:
            image_format = sniff(data[:HEAD_BYTES])
        except ImageError as error:
            return Rejected(error.reason, str(error))
        needed = look_at(content, self._config.outputs)[1] + finding_bytes(self._config)
        outcome = await self._submit(
            PictureTask(content, image_format, self._config, "redact", needed_bytes=needed)
        )
        assert not isinstance(outcome, Found)  # noqa: S101  only "find" gives it
        return outcome

    async def _refuse(self, photo: Photo, why: str) -> None:
        await self._persistently(self._room.explain, photo, f"This photo was not covered: {why}.")
        self._report("a photo was not covered")


def _answer(outcome: Anonymized) -> Answer:
    words = outcome.counts.words
    return Answer(
        outcome.data,
        MEDIA_TYPES[outcome.format],
        f"covered.{outcome.format.value}",
        outcome.size_wh,
        f"The photo with {words} covered." if words else "The photo; nothing to cover was found in it.",
    )
