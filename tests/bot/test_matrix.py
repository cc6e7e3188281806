"""Matrix rooms on a network that fails, before a server in memory."""

import asyncio

import pytest

from unionveil.bot.room import Answer, Photo, RemovalAsked, Reply
from unionveil.errors import RoomError

nio = pytest.importorskip("nio", reason="no matrix-nio here: pip install '.[bot]'")

ROOM, BOT = "!room:example.org", "@bot:example.org"
ADA, BOB = "@ada:example.org", "@bob:example.org"
IMAGE = {"msgtype": "m.image", "body": "x.jpg", "url": "mxc://example.org/abc"}
IN_REPLY = {"m.relates_to": {"m.in_reply_to": {"event_id": "$photo"}}}
PHOTO = Photo("$photo", ROOM, ADA, IMAGE)
ANSWER = Answer(b"data", "image/jpeg", "covered.jpg", (4, 3), "1 face covered")


@pytest.fixture
def server():
    from homeserver import Homeserver  # it needs what matrix-nio needs

    server = Homeserver(ROOM, BOT)
    server.post("$photo", ADA, IMAGE)
    server.post("$answer", BOT, IMAGE | IN_REPLY)
    server.post("$notice", BOT, {"msgtype": "m.notice", "body": "no"} | IN_REPLY)
    return server


@pytest.fixture
def act(server, tmp_path):
    """The result of a call of the bot's rooms after their first batch; a pause mends the network."""
    from unionveil.bot.matrix import MatrixRooms

    async def pause(_seconds):
        server.aborts.clear()

    async def run(call):
        async with server.running(), MatrixRooms(server.url, "secret", (), tmp_path, pause) as rooms:
            await anext(rooms.batches(None))
            return await call(rooms)

    return lambda call: asyncio.run(run(call))


CALLS = {
    "upload": lambda rooms: rooms.answer(PHOTO, ANSWER),
    "send": lambda rooms: rooms.explain(PHOTO, "no"),
    "download": lambda rooms: rooms.fetch(PHOTO, 1000),
    "event": lambda rooms: rooms.may_remove_answer(RemovalAsked(ROOM, ADA, "$answer")),
    "m.room.power_levels": lambda rooms: rooms.may_remove_answer(RemovalAsked(ROOM, BOB, "$answer")),
    "m.room.create": lambda rooms: rooms.may_remove_answer(RemovalAsked(ROOM, BOB, "$answer")),
    "relations": lambda rooms: rooms.replies_to(ROOM, "$photo"),
    "redact": lambda rooms: rooms.remove(ROOM, "$photo"),
}


@pytest.mark.parametrize("part", CALLS)
def test_a_request_without_an_answer_is_a_room_error(server, act, caplog, part):
    act(CALLS[part])
    server.aborts.add(f"/{part}/" if part != "upload" else "/media/v3/upload")
    with pytest.raises(RoomError, match="cannot be reached"):
        act(CALLS[part])
    assert [record for record in caplog.records if record.name.startswith("nio")] == []


@pytest.mark.parametrize("part", CALLS)
@pytest.mark.parametrize("status", [500, 502])
def test_a_failing_server_is_a_room_error(server, act, part, status):
    server.errors[part] = (status, "M_UNKNOWN")
    with pytest.raises(RoomError):
        act(CALLS[part])


_with_keys = pytest.mark.skipif(
    not nio.crypto.ENCRYPTION_ENABLED, reason="no encryption here: pip install '.[bot-encrypted]'"
)


@pytest.mark.parametrize("part", ["/sync", "/join/", pytest.param("/keys/upload", marks=_with_keys)])
def test_a_sync_is_repeated_with_its_additional_requests(server, act, part):
    server.invites.append("!other:example.org")
    server.aborts.add(part)

    async def known(rooms):
        return rooms.undecrypted

    assert act(known) == 0
    assert not server.aborts, "the rooms have paused"


def test_replies_say_whether_they_show_the_photo(act):
    assert act(lambda rooms: rooms.replies_to(ROOM, "$photo")) == [
        Reply("$answer", True),
        Reply("$notice", False),
    ]
    assert act(lambda rooms: rooms.replies_to(ROOM, "$answer")) == []


def test_what_does_not_exist_or_is_gone_is_not_an_error(server, act):
    assert act(lambda rooms: rooms.replies_to(ROOM, "$none")) == []
    assert not act(lambda rooms: rooms.may_remove_answer(RemovalAsked(ROOM, ADA, "$none")))
    server.errors["/event/"] = (403, "M_FORBIDDEN")
    assert not act(lambda rooms: rooms.may_remove_answer(RemovalAsked(ROOM, ADA, "$answer")))
    server.errors.clear()
    server.post("$photo", ADA, {})
    assert not act(lambda rooms: rooms.remove(ROOM, "$photo"))


def test_only_who_may_is_granted_a_removal(server, act):
    assert act(CALLS["event"]), "Ada posted the photo"
    assert not act(CALLS["m.room.power_levels"])
    server.levels[BOB] = 50
    assert act(CALLS["m.room.power_levels"]), "Bob is a moderator"
    server.levels.clear()
    assert not act(lambda rooms: rooms.remove(ROOM, "$photo"))
    assert act(lambda rooms: rooms.remove(ROOM, "$answer"))
