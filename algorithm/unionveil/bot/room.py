"""The bot's interface to a place where people post photos, on any network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

__all__ = ["Answer", "Batch", "Event", "Photo", "RemovalAsked", "Reply", "Room", "Withdrawn"]


@dataclass(frozen=True)
class Photo:
    """A posted photo.

    Attributes:
        id: of the message; unique on its network.
        room: where it was posted.
        sender: the account that posted it.
        handle: the network's data for fetching the photo and answering in its thread.
    """

    id: str
    room: str
    sender: str
    handle: Any = field(repr=False)


@dataclass(frozen=True)
class RemovalAsked:
    """A request to remove one of the bot's answers.

    Attributes:
        room: where.
        sender: the account that asks.
        answer: id of the message to remove.
    """

    room: str
    sender: str
    answer: str


@dataclass(frozen=True)
class Withdrawn:
    """A message was removed by someone other than the bot.

    Attributes:
        room: where.
        id: of the message; it may be an answered photo.
    """

    room: str
    id: str


Event: TypeAlias = Photo | RemovalAsked | Withdrawn


@dataclass(frozen=True)
class Batch:
    """Events in order.

    Attributes:
        events: the events.
        position: the network's position after them.
    """

    events: Sequence[Event]
    position: str


@dataclass(frozen=True)
class Answer:
    """A covered photo to post.

    Attributes:
        data: the file.
        media_type: of the file.
        name: of the file.
        size_wh: width and height in pixels.
        alt: a description for people who cannot see it.
    """

    data: bytes = field(repr=False)
    media_type: str
    name: str
    size_wh: tuple[int, int]
    alt: str


@dataclass(frozen=True)
class Reply:
    """A message in which this account answered a photo.

    Attributes:
        id: of the message.
        is_photo: whether it shows the covered photo; False for a sentence, and if it can no longer be read.
    """

    id: str
    is_photo: bool


class Room(Protocol):
    """Messages of one account on one network. A call that raises `RoomError` may be repeated."""

    def batches(self, position: str | None) -> AsyncIterator[Batch]:
        """Yields events after a position, forever; without a position, events from now on."""
        ...

    async def fetch(self, photo: Photo, most_bytes: int) -> bytes:
        """The photo's bytes.

        Raises:
            BodyTooLarge: it has more than `most_bytes`.
        """
        ...

    async def replies_to(self, room: str, message: str) -> Sequence[Reply]:
        """Messages in which this account answered a message, except removed ones."""
        ...

    async def answer(self, photo: Photo, answer: Answer) -> None:
        """Posts a covered photo in the thread of the original; a repeated call posts nothing new."""
        ...

    async def explain(self, photo: Photo, sentence: str) -> None:
        """Posts a sentence in the thread of a photo; a repeated call posts nothing new."""
        ...

    async def may_remove_answer(self, asked: RemovalAsked) -> bool:
        """Whether it is an answer of this account, and the sender posted the photo or moderates the room."""
        ...

    async def remove(self, room: str, message: str) -> bool:
        """Removes a message; False if it is gone already, or this account has no right to."""
        ...
