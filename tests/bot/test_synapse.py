"""The bot in rooms of a real Matrix server."""

import signal
import subprocess
import sys
import time

import pytest

import samples
import unionveil
from bot_process import Running
from synapse import synapse
from unionveil import AnonymizeConfig, Anonymized

pytest.importorskip("nio", reason="no matrix-nio here: pip install '.[bot]'")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MARKET = (samples.SCENES / "market.jpg").read_bytes()
STREET = (samples.SCENES / "street.jpg").read_bytes()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with synapse(tmp_path_factory.mktemp("synapse")) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_bot_is_left():
    yield
    for running in Running.all:
        running.process.kill()
        running.process.wait()
    Running.all.clear()


@pytest.fixture(scope="module")
def ada(server):
    return server.register("ada")


@pytest.fixture(scope="module")
def bob(server):
    return server.register("bob")


def answers(member, room, bot):
    return [
        message
        for message in member.messages(room)
        if message["sender"] == bot.user and message["content"].get("msgtype") in ("m.image", "m.notice")
    ]


def begin(server, ada, bob, tmp_path, name, *options, level=0):
    """A room with Ada, Bob and a bot that has caught up."""
    bot = server.register(name)
    room = ada.make_room(bob, bot, levels={bot.user: level})
    bob.join(room)
    running = Running(bot, tmp_path, *options)
    running.until(lambda: bot.user in joined(ada, room))
    return bot, room, running


def joined(member, room):
    return member.call("GET", f"/_matrix/client/v3/rooms/{room}/joined_members")["joined"]


def test_a_photo_is_answered_in_a_thread_and_the_answer_is_removed_on_request(server, ada, bob, tmp_path):
    bot, room, running = begin(server, ada, bob, tmp_path, "bot1")
    photo = ada.post_photo(room, MARKET)
    running.until(lambda: answers(ada, room, bot))
    [answer] = answers(ada, room, bot)
    content = answer["content"]
    assert content["body"] == "The photo with 11 faces covered."
    assert content["m.relates_to"]["rel_type"] == "m.thread"
    assert content["m.relates_to"]["event_id"] == photo
    expected = unionveil.load(AnonymizeConfig(), threads=1)(MARKET)
    assert isinstance(expected, Anonymized)
    assert bob.media(content["url"]) == expected.data
    assert not ada.is_redacted(room, photo), "the bot has no right to"
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": answer["event_id"], "key": "❌"}}
    bob.send(room, "m.reaction", reaction)
    second = bob.post_photo(room, STREET)  # handled after the reaction
    running.until(lambda: len(answers(ada, room, bot)) == 2)
    assert not ada.is_redacted(room, answer["event_id"]), "Bob did not post it"
    ada.send(room, "m.reaction", reaction)
    running.until(lambda: ada.is_redacted(room, answer["event_id"]))
    inside = bob.post_photo(room, STREET, thread=photo)
    running.until(lambda: len(answers(ada, room, bot)) == 2)
    assert answers(ada, room, bot)[1]["content"]["m.relates_to"]["event_id"] == photo
    for message in (second, inside):  # an answer is removed with its original
        bob.redact(room, message)
    running.until(lambda: not answers(ada, room, bot))
    assert running.stop() == 0
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not any(b"\xff\xd8\xff" in data for data in files), "no photo is on disk"
    assert "11 faces covered" in running.said
    assert "@" not in running.said


def test_a_moderator_bot_removes_the_original_after_its_answer(server, ada, bob, tmp_path):
    bot, room, running = begin(server, ada, bob, tmp_path, "bot2", level=50)
    photo = ada.post_photo(room, MARKET)
    running.until(lambda: ada.is_redacted(room, photo))
    assert len(answers(ada, room, bot)) == 1
    broken = ada.post_photo(room, MARKET[:5000])
    running.until(lambda: len(answers(ada, room, bot)) == 2)
    assert "not covered" in answers(ada, room, bot)[1]["content"]["body"]
    assert not ada.is_redacted(room, broken)
    assert running.stop() == 0
    assert len(answers(ada, room, bot)) == 2, "its own removal takes no answer with it"


def test_a_restart_answers_missed_photos_and_none_twice(server, ada, bob, tmp_path):
    bot, room, running = begin(server, ada, bob, tmp_path, "bot3")
    ada.post_photo(room, STREET)
    running.until(lambda: len(answers(ada, room, bot)) == 1)
    running.stop(signal.SIGKILL)
    [position] = (tmp_path / "state" / "unionveil" / "bot").rglob("position")
    before = position.read_text()
    for number in range(120):  # more than one sync returns
        bob.send(room, "m.room.message", {"msgtype": "m.text", "body": f"message {number}"})
        if number == 10:
            ada.post_photo(room, STREET)
    running = Running(bot, tmp_path)
    running.until(lambda: len(answers(ada, room, bot)) == 2)
    running.until(lambda: position.read_text() != before)
    assert running.stop() == 0
    position.write_text(before)  # as if it had been killed between answering and recording that
    running = Running(bot, tmp_path)
    ada.post_photo(room, STREET)
    running.until(lambda: len(answers(ada, room, bot)) == 3)
    time.sleep(1)
    assert len(answers(ada, room, bot)) == 3
    assert running.stop() == 0


def test_a_restart_removes_the_originals_of_answered_photos_only(server, ada, bob, tmp_path):
    bot, room, running = begin(server, ada, bob, tmp_path, "bot5", "--keep-originals", level=50)
    folder = tmp_path / "state" / "unionveil" / "bot"
    running.until(lambda: list(folder.rglob("position")))
    [position] = folder.rglob("position")
    before = position.read_text()
    broken, photo = ada.post_photo(room, MARKET[:5000]), ada.post_photo(room, STREET)
    running.until(lambda: len(answers(ada, room, bot)) == 2)
    running.stop(signal.SIGKILL)
    position.write_text(before)  # as if it had been killed between answering and removing
    running = Running(bot, tmp_path)
    running.until(lambda: ada.is_redacted(room, photo))
    running.until(lambda: position.read_text() != before)
    assert not ada.is_redacted(room, broken)
    assert len(answers(ada, room, bot)) == 2
    assert running.stop() == 0


def test_one_sender_is_limited(server, ada, bob, tmp_path):
    bot, room, running = begin(server, ada, bob, tmp_path, "bot4", "--per-minute", "1")
    ada.post_photo(room, STREET)
    ada.post_photo(room, STREET)
    bob.post_photo(room, STREET)
    running.until(lambda: len(answers(ada, room, bot)) == 3)
    kinds = [answer["content"]["msgtype"] for answer in answers(ada, room, bot)]
    assert kinds == ["m.image", "m.notice", "m.image"]
    assert running.stop() == 0


def test_a_wrong_token_is_one_sentence(server):
    command = [sys.executable, "-m", "unionveil", "bot", "--homeserver", server.url, "--token", "wrong"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "the Matrix server refuses: M_UNKNOWN_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
