"""Rooms on Matrix, by matrix-nio (extra `bot`; encrypted rooms: extra `bot-encrypted`)."""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from nio import (
    AsyncClient,
    AsyncClientConfig,
    MegolmEvent,
    MessageDirection,
    RoomGetEventResponse,
    RoomMessagesResponse,
    RoomRedactResponse,
    RoomSendResponse,
    SyncResponse,
    UploadResponse,
    WhoamiResponse,
)
from nio.crypto import ENCRYPTION_ENABLED
from nio.exceptions import EncryptionError

from ..errors import BodyTooLarge, RoomError
from .matrix_calls import expected, network, reached, sure
from .matrix_events import event_of, image_content, replied_to, text_content
from .room import Answer, Batch, Event, Photo, RemovalAsked, Reply

__all__ = ["MatrixRooms"]

_SYNC_MS = 30_000
_MOST_MISSED = 1000
"""Number of messages per room to catch up with after the bot was away; older ones are not answered."""

_MOST_SEARCHED = 300
"""Number of messages in a room to search for the answer to a removed photo."""

_VERSIONS_WITHOUT_CREATORS = {str(number) for number in range(1, 12)}

_PAUSE_SECONDS = 5.0
_CHUNK_BYTES = 1 << 16
_MODERATOR = 50
"""Power level for removing others' messages unless `redact` in `m.room.power_levels` overrides it."""

_HIDDEN = {"M_NOT_FOUND", "M_FORBIDDEN"}
"""Errors for what does not exist, or may not be seen by this account."""

_KINDS = ["m.room.message", "m.reaction", "m.room.redaction", "m.room.encrypted"]


class MatrixRooms:
    """All rooms of one account, or the named ones; use with `async with`.

    Args:
        homeserver: URL.
        token: access token of the bot's account.
        rooms: ids of the rooms in which it answers; empty for all that it has joined.
        keys: folder for the keys of encrypted rooms; it never contains a photo.
        pause: waits for a number of seconds.
    """

    def __init__(
        self,
        homeserver: str,
        token: str,
        rooms: Sequence[str],
        keys: Path,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        # matrix-nio's log lines contain names of rooms; we report what is needed ourselves.
        logging.getLogger("nio").setLevel(logging.CRITICAL + 1)
        self._homeserver = homeserver
        self._token = token
        self._rooms = frozenset(rooms)
        self._keys = keys
        self._pause = pause
        self._client: AsyncClient | None = None
        self.undecrypted = 0

    @property
    def _nio(self) -> AsyncClient:
        assert self._client is not None, "enter it first"  # noqa: S101
        return self._client

    async def __aenter__(self) -> MatrixRooms:
        """Looks up the account of the token.

        Raises:
            RoomError: the server cannot be reached, or rejects the token.
        """
        config = AsyncClientConfig(
            encryption_enabled=ENCRYPTION_ENABLED, store_sync_tokens=False, max_timeouts=3
        )
        if ENCRYPTION_ENABLED:
            self._keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._client = AsyncClient(self._homeserver, store_path=str(self._keys), config=config)
        self._client.access_token = self._token
        try:
            who = await sure(self._client.whoami(), WhoamiResponse)
            if ENCRYPTION_ENABLED:
                self._client.restore_login(who.user_id, who.device_id, self._token)
            else:
                self._client.user_id = who.user_id
        except BaseException:
            await self._client.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._nio.close()

    async def batches(self, position: str | None) -> AsyncIterator[Batch]:
        """As `Room.batches`."""
        full_state = True
        while True:
            try:
                response = await self._sync(position, full_state=full_state)
                events = [] if position is None else await self._events(response, position)
            except RoomError:
                await self._pause(_PAUSE_SECONDS)
                continue
            full_state = False
            position = response.next_batch
            yield Batch(events, position)

    async def _sync(self, position: str | None, *, full_state: bool) -> SyncResponse:
        """One sync, and the additional requests that encrypted rooms need."""
        limit = {"timeline": {"limit": 0 if position is None else 100, "types": _KINDS}}
        nothing: dict[str, Any] = {"types": []}
        room = limit | {"ephemeral": nothing, "account_data": nothing}
        if self._rooms:
            room |= {"rooms": sorted(self._rooms)}
        response = await sure(
            self._nio.sync(
                0 if full_state else _SYNC_MS,
                {"room": room, "presence": nothing},
                since=position,
                full_state=full_state,
            ),
            SyncResponse,
        )
        for name in response.rooms.invite:
            if not self._rooms or name in self._rooms:
                await reached(self._nio.join(name))
        if self._nio.should_upload_keys:
            await reached(self._nio.keys_upload())
        if self._nio.should_query_keys:
            await reached(self._nio.keys_query())
        await reached(self._nio.send_to_device_messages())
        return response

    async def _events(self, response: SyncResponse, position: str) -> list[Event]:
        events = []
        for room, info in response.rooms.join.items():
            timeline = info.timeline
            messages = list(timeline.events)
            if timeline.limited and timeline.prev_batch:
                messages = [*await self._before(room, timeline.prev_batch, position, _MOST_MISSED), *messages]
            for message in messages:
                self.undecrypted += isinstance(message, MegolmEvent)
                event = event_of(room, message.source, self._nio.user_id)
                if event is not None:
                    events.append(event)
        return events

    async def _before(self, room: str, start: str, end: str | None, most: int) -> list[Any]:
        """The last messages before `start` and, if it is given, after `end`, oldest first."""
        found: list[Any] = []
        place: str | None = start
        while place and len(found) < most:
            response = await sure(
                self._nio.room_messages(room, place, end, MessageDirection.back, 100), RoomMessagesResponse
            )
            found += response.chunk
            place = response.end if response.chunk else None
        return found[::-1]

    async def fetch(self, photo: Photo, most_bytes: int) -> bytes:
        """As `Room.fetch`."""
        encrypted = photo.handle.get("file")
        url = photo.handle.get("url") or encrypted["url"]
        server, _, media = url.removeprefix("mxc://").partition("/")
        path = f"/_matrix/client/v1/media/download/{quote(server)}/{quote(media, safe='')}"
        data = bytearray()
        with network():
            async with await self._get(path) as response:
                if response.status != 200:
                    raise RoomError(f"the photo cannot be fetched: the server answers {response.status}")
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    data += chunk
                    if len(data) > most_bytes:
                        raise BodyTooLarge(most_bytes)
        return _decrypted(bytes(data), encrypted) if encrypted else bytes(data)

    async def replies_to(self, room: str, message: str) -> Sequence[Reply]:
        """As `Room.replies_to`: messages of this account in the thread that reply to it."""
        original = await self._source(room, message)
        relation = original.get("content", {}).get("m.relates_to", {}) if original else {}
        root = relation.get("event_id") if relation.get("rel_type") == "m.thread" else None
        found: list[Mapping[str, Any]] = []
        for parent in {message, root or message}:
            found += await self._related(room, parent)
        if original is not None and not original.get("content"):
            # A removed message no longer names its thread.
            before = await self._before(room, self._nio.next_batch, None, _MOST_SEARCHED)
            found += [event.source for event in before]
        replies = sorted({source["event_id"] for source in found if self._is_reply(source, message)})
        return [Reply(reply, await self._is_photo(room, reply)) for reply in replies]

    async def _related(self, room: str, message: str) -> list[Mapping[str, Any]]:
        """Messages that relate to one, as posted."""
        path = f"/_matrix/client/v1/rooms/{quote(room)}/relations/{quote(message, safe='')}?dir=b"
        found: list[Mapping[str, Any]] = []
        place: str | None = ""
        while place is not None:
            page = await self._json(path + (f"&from={quote(place)}" if place else ""))
            found += page.get("chunk", ())
            place = page.get("next_batch")
        return found

    async def _is_photo(self, room: str, message: str) -> bool:
        source = await self._source(room, message)  # decrypted if its key is still known
        return source is not None and source.get("content", {}).get("msgtype") == "m.image"

    def _is_reply(self, source: Mapping[str, Any], message: str) -> bool:
        return source.get("sender") == self._nio.user_id and replied_to(source.get("content", {})) == message

    async def answer(self, photo: Photo, answer: Answer) -> None:
        """As `Room.answer`."""
        is_encrypted = self._is_encrypted(photo.room)
        response, keys = await reached(
            self._nio.upload(
                lambda *_: io.BytesIO(answer.data),
                content_type="application/octet-stream" if is_encrypted else answer.media_type,
                filename=answer.name,
                encrypt=is_encrypted,
                filesize=len(answer.data),
            )
        )
        if not isinstance(response, UploadResponse):
            raise RoomError("the covered photo cannot be uploaded")
        place = {"file": {**keys, "url": response.content_uri}} if keys else {"url": response.content_uri}
        await self._post(photo, image_content(photo, answer, place), "answer")

    async def explain(self, photo: Photo, sentence: str) -> None:
        """As `Room.explain`."""
        await self._post(photo, text_content(photo, sentence), "explain")

    async def may_remove_answer(self, asked: RemovalAsked) -> bool:
        """As `Room.may_remove_answer`."""
        answer = await self._source(asked.room, asked.answer)
        if answer is None or answer.get("sender") != self._nio.user_id:
            return False
        original = replied_to(answer.get("content", {}))
        photo = await self._source(asked.room, original) if original else None
        if photo is not None and photo.get("sender") == asked.sender:
            return True
        return await self._can_redact(asked.room, asked.sender)

    async def remove(self, room: str, message: str) -> bool:
        """As `Room.remove`."""
        source = await self._source(room, message)
        if source is not None and not source.get("content"):
            return False
        mine = source is not None and source.get("sender") == self._nio.user_id
        if not mine and not await self._can_redact(room, self._nio.user_id):
            return False
        await sure(
            self._nio.room_redact(room, message, tx_id=_transaction("redact", message)), RoomRedactResponse
        )
        return True

    async def _post(self, photo: Photo, content: dict[str, Any], what: str) -> None:
        # The same transaction is posted once, even if the server's first answer was lost.
        await sure(
            self._nio.room_send(
                photo.room,
                "m.room.message",
                content,
                tx_id=_transaction(what, photo.id),
                ignore_unverified_devices=True,
            ),
            RoomSendResponse,
        )

    async def _source(self, room: str, message: str) -> Mapping[str, Any] | None:
        """A message, decrypted if possible; None if it does not exist or may not be seen."""
        response = await reached(self._nio.room_get_event(room, message))
        if getattr(response, "status_code", None) in _HIDDEN:
            return None
        source: Mapping[str, Any] = expected(response, RoomGetEventResponse).event.source
        return source

    async def _can_redact(self, room: str, account: str) -> bool:
        # Not by matrix-nio, which takes an error of the server for a room without power levels.
        levels = await self._json(f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.power_levels/")
        users, least = levels.get("users", {}), levels.get("redact", _MODERATOR)
        if int(users.get(account, levels.get("users_default", 0))) >= int(least):
            return True
        return account in await self._creators(room)

    async def _creators(self, room: str) -> set[str]:
        """Accounts with all rights in a room: since version 12 its creators, who have no power level."""
        path = f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.create/?format=event"
        event = await self._json(path)
        content = event.get("content", {})
        if content.get("room_version", "1") in _VERSIONS_WITHOUT_CREATORS:
            return set()
        return {event.get("sender", ""), *content.get("additional_creators", ())} - {""}

    async def _json(self, path: str) -> Mapping[str, Any]:
        """An object from the server; empty if it does not exist or may not be seen."""
        with network():
            async with await self._get(path) as response:
                if response.status in (403, 404):
                    return {}
                if response.status != 200:
                    raise RoomError(f"the Matrix server answers {response.status}")
                found: Mapping[str, Any] = await response.json()
                return found

    async def _get(self, path: str) -> aiohttp.ClientResponse:
        return await self._nio.send("GET", path, headers={"Authorization": f"Bearer {self._token}"})

    def _is_encrypted(self, room: str) -> bool:
        known = self._nio.rooms.get(room)
        return bool(known and known.encrypted)


def _transaction(what: str, message: str) -> str:
    return "unionveil-" + hashlib.sha256(f"{what} {message}".encode()).hexdigest()[:32]


def _decrypted(data: bytes, file: Mapping[str, Any]) -> bytes:
    from nio.crypto.attachments import decrypt_attachment

    try:
        plain: bytes = decrypt_attachment(data, file["key"]["k"], file["hashes"]["sha256"], file["iv"])
    except (EncryptionError, KeyError, TypeError) as error:
        raise RoomError("the photo cannot be decrypted") from error
    return plain
