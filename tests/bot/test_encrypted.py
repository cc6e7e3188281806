"""The bot in an encrypted room of a real Matrix server; the member is matrix-nio itself."""

import asyncio
import io
import time
from pathlib import Path
from typing import Any

import pytest

import samples
import unionveil
from bot_process import Running
from synapse import Member, synapse
from unionveil import AnonymizeConfig, Anonymized

nio = pytest.importorskip("nio", reason="no matrix-nio here: pip install '.[bot-encrypted]'")
if not nio.crypto.ENCRYPTION_ENABLED:
    pytest.skip("no encryption here: pip install '.[bot-encrypted]'", allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MARKET = (samples.SCENES / "market.jpg").read_bytes()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with synapse(tmp_path_factory.mktemp("synapse")) as server:
        yield server


async def entered(member: Member, keys: Path) -> Any:
    keys.mkdir()
    client = nio.AsyncClient(
        member.url, store_path=str(keys), config=nio.AsyncClientConfig(encryption_enabled=True)
    )
    client.access_token = member.token
    who = await client.whoami()
    client.restore_login(who.user_id, who.device_id, member.token)
    return client


async def turn(client: Any) -> Any:
    """One sync, and the additional requests of encryption."""
    response = await client.sync(1000, full_state=True)
    if client.should_upload_keys:
        await client.keys_upload()
    if client.should_query_keys:
        await client.keys_query()
    await client.send_to_device_messages()
    return response


async def post_secretly(client: Any, room: str, data: bytes) -> None:
    uploaded, keys = await client.upload(
        lambda *_: io.BytesIO(data), "application/octet-stream", "x.jpg", encrypt=True, filesize=len(data)
    )
    file = {**keys, "url": uploaded.content_uri}
    content = {"msgtype": "m.image", "body": "x.jpg", "file": file, "info": {"mimetype": "image/jpeg"}}
    sent = await client.room_send(room, "m.room.message", content, ignore_unverified_devices=True)
    assert isinstance(sent, nio.RoomSendResponse)


async def answer_in(client: Any, room: str, bot: str, running: Running) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        response = await turn(client)
        joined = response.rooms.join.get(room)
        for event in joined.timeline.events if joined else ():
            if event.sender == bot and event.source["content"].get("msgtype"):
                found: dict[str, Any] = event.source
                return found
    raise AssertionError(running.said)


async def story(ada: Member, bot: Member, room: str, running: Running, folder: Path) -> None:
    client = await entered(ada, folder / "ada")
    try:
        await turn(client)
        await turn(client)
        await post_secretly(client, room, MARKET)
        source = await answer_in(client, room, bot.user, running)
        content = source["content"]
        file = content["file"]
        covered = nio.crypto.attachments.decrypt_attachment(
            ada.media(file["url"]), file["key"]["k"], file["hashes"]["sha256"], file["iv"]
        )
        expected = unionveil.load(AnonymizeConfig(), threads=1)(MARKET)
        assert isinstance(expected, Anonymized)
        assert covered == expected.data
        assert content["body"] == "The photo with 11 faces covered."
    finally:
        await client.close()


def test_an_encrypted_photo_has_an_encrypted_answer(server, tmp_path):
    ada, bot = server.register("ada"), server.register("bot")
    room = ada.make_room(bot, encrypted=True, levels={bot.user: 50})
    running = Running(bot, tmp_path, "--keep-originals")
    try:
        running.until(
            lambda: bot.user in ada.call("GET", f"/_matrix/client/v3/rooms/{room}/joined_members")["joined"]
        )
        folder = tmp_path / "state" / "unionveil" / "bot"
        running.until(lambda: list(folder.rglob("position")))
        [position] = folder.rglob("position")
        before = position.read_text()
        asyncio.run(story(ada, bot, room, running, tmp_path))
        posted = [m for m in ada.messages(room) if m["type"] == "m.room.encrypted"]
        assert len(posted) == 2
        [original] = [m["event_id"] for m in posted if m["sender"] == ada.user]
        assert [m for m in ada.messages(room) if m["type"] == "m.room.message"] == []
        running.stop(9)
        position.write_text(before)  # it sees the photo again: its keys are kept, and so is its answer
        running = Running(bot, tmp_path)
        running.until(lambda: ada.is_redacted(room, original))
        running.until(lambda: position.read_text() != before)
        assert len([m for m in ada.messages(room) if m["type"] == "m.room.encrypted"]) == 2
    finally:
        running.stop(9)
