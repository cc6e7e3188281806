"""A Matrix server in memory with one room, whose answers can fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


class Homeserver:
    """A server for one bot.

    Args:
        room: its only room.
        bot: the bot's account.

    Attributes:
        events: messages by id.
        related: ids of the messages that relate to another, by its id.
        invites: rooms to which the bot is invited.
        levels: power levels.
        aborts: requests that get no answer, by a part of their path.
        errors: answers in place of the usual ones, by a part of the path: status and code.
    """

    def __init__(self, room: str, bot: str) -> None:
        self._room, self._bot = room, bot
        self.events: dict[str, dict[str, Any]] = {}
        self.related: dict[str, list[str]] = {}
        self.invites: list[str] = []
        self.levels: dict[str, int] = {bot: 100}
        self.aborts: set[str] = set()
        self.errors: dict[str, tuple[int, str]] = {}
        self.url = ""

    def post(self, event: str, sender: str, content: dict[str, Any]) -> None:
        """Adds a message."""
        replies = content.get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id")
        if replies:
            self.related.setdefault(replies, []).append(event)
        self.events[event] = {
            "type": "m.room.message",
            "event_id": event,
            "sender": sender,
            "origin_server_ts": 1,
            "room_id": self._room,
            "content": content,
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves on loopback until the block ends."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        async with TestServer(app) as server:
            self.url = str(server.make_url("")).rstrip("/")
            yield

    async def _answer(self, request: web.Request) -> web.Response:
        if any(part in request.path for part in self.aborts):
            assert request.transport
            request.transport.abort()
        for part, (status, code) in self.errors.items():
            if part in request.path:
                return web.json_response({"errcode": code, "error": "as ordered"}, status=status)
        return self._usual(request.path)

    def _usual(self, path: str) -> web.Response:
        last = path.rsplit("/", 1)[-1]
        match path.split("/"):
            case [*_, "whoami"]:
                body: Any = {"user_id": self._bot, "device_id": "DEVICE"}
            case [*_, "sync"]:
                nothing: dict[str, Any] = {"events": []}
                joined = dict.fromkeys(("timeline", "state", "ephemeral", "account_data"), nothing)
                body = {
                    "next_batch": "s1",
                    "rooms": {
                        "join": {self._room: joined},
                        "invite": {room: {"invite_state": nothing} for room in self.invites},
                    },
                }
            case [*_, "event", _]:
                body = self.events.get(last)
            case [*_, "relations", _]:
                body = {"chunk": [self.events[event] for event in self.related.get(last, ())]}
            case [*_, "m.room.power_levels", ""]:
                body = {"users": self.levels}
            case [*_, "upload"] if "media" in path:
                body = {"content_uri": "mxc://example.org/covered"}
            case [*_, "keys", "upload"]:
                body = {"one_time_key_counts": {"signed_curve25519": 50}}
            case [*_, "join", room]:
                body = {"room_id": room}
            case [*_, "send", _, _] | [*_, "redact", _, _]:
                body = {"event_id": "$new"}
            case [*_, "download", _, _]:
                return web.Response(body=b"a photo")
            case _:
                body = None
        if body is None:
            return web.json_response({"errcode": "M_NOT_FOUND", "error": "nothing"}, status=404)
        return web.json_response(body)
