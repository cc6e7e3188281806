"""What a bot needs of a place where people post photos, whatever network it is on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

__all__ = ["Answer", "Batch", "Event", "Photo", "RemovalAsked", "Room", "Withdrawn"]


@dataclass(frozen=True)
class Photo:
    """A photo that somebody posted.

    Attributes:
        id: of the message; unique on its network.
        room: where it was posted.
        sender: who posted it.
        handle: what the network needs to fetch the photo and to answer in its thread.
    """

    id: str
    room: str
    sender: str
    handle: Any = field(repr=False)


@dataclass(frozen=True)
class RemovalAsked:
    """Somebody wants an answer of the bot to be removed.

    Attributes:
        room: where.
        sender: who asks.
        answer: id of the message that is to go.
    """

    room: str
    sender: str
    answer: str


@dataclass(frozen=True)
class Withdrawn:
    """A message was removed by somebody else than the bot.

    Attributes:
        room: where.
        id: of the message; perhaps a photo that was answered.
    """

    room: str
    id: str


Event: TypeAlias = Photo | RemovalAsked | Withdrawn


@dataclass(frozen=True)
class Batch:
    """Events in their order.

    Attributes:
        events: what happened.
        position: where the network goes on after them.
    """

    events: Sequence[Event]
    position: str


@dataclass(frozen=True)
class Answer:
    """A covered photo that is to be posted.

    Attributes:
        data: the file.
        media_type: of the file.
        name: of the file.
        size_wh: width and height in pixels.
        alt: what is in it, for those who do not see it.
    """

    data: bytes = field(repr=False)
    media_type: str
    name: str
    size_wh: tuple[int, int]
    alt: str


class Room(Protocol):
    """Messages of one account on one network. A call may raise `RoomError`, and may then be tried again."""

    def batches(self, position: str | None) -> AsyncIterator[Batch]:
        """Yields events after a position, forever; without a position, those from now on."""
        ...

    async def fetch(self, photo: Photo, most_bytes: int) -> bytes:
        """The photo's bytes.

        Raises:
            BodyTooLarge: there are more.
        """
        ...

    async def answers_to(self, room: str, message: str) -> Sequence[str]:
        """Messages by which this account answered a message."""
        ...

    async def answer(self, photo: Photo, answer: Answer) -> None:
        """Posts a covered photo in the thread of the original; twice the same is posted once."""
        ...

    async def explain(self, photo: Photo, sentence: str) -> None:
        """Posts a sentence in the thread of a photo; twice the same is posted once."""
        ...

    async def may_remove_answer(self, asked: RemovalAsked) -> bool:
        """Whether it is an answer of this account, and who asks posted the photo or moderates the room."""
        ...

    async def remove(self, room: str, message: str) -> bool:
        """Removes a message; False where this account has no right to."""
        ...
