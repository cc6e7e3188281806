"""The bot's reactions to events, in a room that is a small fake."""

import asyncio
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

import samples
import unionveil
from unionveil import AnonymizeConfig, Anonymized
from unionveil.bot.bot import Bot
from unionveil.bot.room import Answer, Batch, Photo, RemovalAsked, Reply, Withdrawn
from unionveil.bot.state import Position
from unionveil.detections import Detections, Kind
from unionveil.errors import BodyTooLarge, OutputError, RoomError
from unionveil.formats import ImageFormat
from unionveil.serve.limits import RateLimit
from unionveil.serve.pictures import Pictures

MARKET = (samples.SCENES / "market.jpg").read_bytes()
ADA, BOB = "@ada:example.org", "@bob:example.org"


class FakeRoom:
    """One room in memory, with given messages and a network that may fail."""

    def __init__(self, *, may_remove: bool = False) -> None:
        self.photos: dict[str, bytes] = {}
        self.posted: list[tuple[str, Any]] = []
        self.removed: list[str] = []
        self.failures: Counter[str] = Counter()
        self.may_remove = may_remove

    def photo(self, data: bytes, sender: str = ADA) -> Photo:
        name = f"${len(self.photos)}"
        self.photos[name] = data
        return Photo(name, "!room", sender, {})

    def _network(self, call: str) -> None:
        if self.failures[call]:
            self.failures[call] -= 1
            raise RoomError("the server does not answer")

    async def fetch(self, photo, most_bytes):
        self._network("fetch")
        if len(self.photos[photo.id]) > most_bytes:
            raise BodyTooLarge(most_bytes)
        return self.photos[photo.id]

    async def replies_to(self, room, message):
        self._network("replies_to")
        return [
            Reply(f"answer-{n}", isinstance(what, Answer))
            for n, (to, what) in enumerate(self.posted)
            if to == message and f"answer-{n}" not in self.removed
        ]

    async def answer(self, photo, answer):
        self._network("answer")
        self.posted.append((photo.id, answer))

    async def explain(self, photo, sentence):
        self._network("explain")
        self.posted.append((photo.id, sentence))

    async def may_remove_answer(self, asked):
        self._network("may_remove_answer")
        return asked.sender == ADA

    async def remove(self, room, message):
        self._network("remove")
        if message not in self.removed and (message.startswith("answer") or self.may_remove):
            self.removed.append(message)
            return True
        return False


@pytest.fixture(scope="module")
def do():
    return Pictures(AnonymizeConfig()).start(1)


@pytest.fixture
def run(do):
    """Handles events with a bot, and returns its reports."""
    pauses = []

    def run(room, *events, per_minute=math.inf, most_bytes=8 << 20, removes_originals=True, outcome=None):
        lines: list[str] = []

        async def pause(seconds):
            pauses.append(seconds)

        async def submit(task):
            return outcome or do(task)

        async def all_of_them():
            bot = Bot(
                room,
                submit,
                AnonymizeConfig(),
                RateLimit(per_minute, lambda: 0.0),
                most_bytes=most_bytes,
                removes_originals=removes_originals,
                report=lines.append,
                pause=pause,
            )
            await bot.handle_batch(Batch(events, "next"))

        asyncio.run(all_of_them())
        return lines

    return run


def test_a_photo_is_answered_with_alt_text(run):
    room = FakeRoom()
    assert run(room, room.photo(MARKET)) == ["a photo was answered, 11 faces covered"]
    [(to, answer)] = room.posted
    assert to == "$0"
    expected = unionveil.load(AnonymizeConfig(), threads=1)(MARKET)
    assert isinstance(expected, Anonymized)
    assert answer.data == expected.data
    assert (answer.media_type, answer.name, answer.size_wh) == ("image/jpeg", "covered.jpg", (1600, 1067))
    assert answer.alt == "The photo with 11 faces covered."
    assert room.removed == []


@pytest.mark.parametrize(
    ("kinds", "alt"),
    [
        ([], "The photo; nothing to cover was found in it."),
        ([Kind.FACE, Kind.TEXT, Kind.TEXT], "The photo with 1 face and 2 lines of text covered."),
    ],
)
def test_the_alt_text_names_what_is_covered(run, kinds, alt):
    found = Detections.of(np.zeros((len(kinds), 4)), np.ones(len(kinds)), kind=kinds or Kind.FACE)
    room = FakeRoom()
    run(room, room.photo(MARKET), outcome=Anonymized(MARKET, ImageFormat.JPEG, (1600, 1067), (found,)))
    assert room.posted[0][1].alt == alt


def test_a_photo_is_answered_once(run):
    room = FakeRoom()
    photo = room.photo(MARKET)
    run(room, photo, photo)
    run(room, photo)
    assert len(room.posted) == 1


def test_the_original_is_removed_after_the_answer_if_the_bot_may(run):
    room = FakeRoom(may_remove=True)
    run(room, room.photo(MARKET))
    assert (len(room.posted), room.removed) == (1, ["$0"])
    run(room, room.photo(MARKET), removes_originals=False)
    assert room.removed == ["$0"]


def test_an_original_is_removed_after_a_restart_if_that_failed_before(run):
    room = FakeRoom(may_remove=True)
    room.failures["remove"] = 5
    photo = room.photo(MARKET)
    run(room, photo)
    assert room.removed == []
    assert run(room, photo, removes_originals=False) == []
    assert run(room, photo) == ["the original of an answered photo was removed"]
    assert run(room, photo) == []
    assert (len(room.posted), room.removed) == (1, ["$0"])


def test_an_original_that_was_not_covered_stays(run):
    room = FakeRoom(may_remove=True)
    photos = (room.photo(MARKET[:5000]), room.photo(b"%PDF-1.7 and so on"))
    run(room, *photos)
    run(room, *photos)  # after a restart
    assert [text.startswith("This photo was not covered: ") for _, text in room.posted] == [True, True]
    assert room.removed == []


def test_an_answer_is_removed_on_request_of_the_right_person(run):
    room = FakeRoom()
    run(room, room.photo(MARKET))
    run(room, RemovalAsked("!room", BOB, "answer-0"))
    assert room.removed == []
    run(room, RemovalAsked("!room", ADA, "answer-0"))
    assert room.removed == ["answer-0"]


def test_an_answer_is_removed_with_its_original(run):
    room = FakeRoom()
    run(room, room.photo(MARKET))
    run(room, Withdrawn("!room", "$0"))
    assert room.removed == ["answer-0"]


def test_one_sender_may_post_so_many(run):
    room = FakeRoom()
    run(room, room.photo(MARKET), room.photo(MARKET), room.photo(MARKET, BOB), per_minute=1)
    kinds = [(to, isinstance(what, Answer)) for to, what in room.posted]
    assert kinds == [("$0", True), ("$1", False), ("$2", True)]
    assert room.posted[1][1] == (
        "This photo was not covered: you posted too many at once; post it again in 60 s."
    )


def test_retries_do_not_count_against_the_sender(run):
    room = FakeRoom()
    room.failures["fetch"] = 3
    run(room, room.photo(MARKET), per_minute=1)
    assert [isinstance(what, Answer) for _, what in room.posted] == [True]


def test_a_photo_that_is_too_large_is_not_read_to_its_end(run):
    room = FakeRoom()
    run(room, room.photo(MARKET), most_bytes=1 << 16)
    assert room.posted[0][1] == (
        "This photo was not covered: it has more than 0.0625 MiB; post a smaller one."
    )


def test_a_short_network_failure_loses_nothing(run):
    room = FakeRoom(may_remove=True)
    calls = ("replies_to", "fetch", "answer", "remove", "explain", "may_remove_answer")
    room.failures.update(dict.fromkeys(calls, 3))
    photo = room.photo(MARKET)
    run(room, photo, room.photo(b"not a photo"), RemovalAsked("!room", ADA, "answer-0"))
    assert [to for to, _ in room.posted] == ["$0", "$1"]
    assert room.removed == ["$0", "answer-0"]
    assert room.failures.total() == 0


def test_an_event_whose_calls_keep_failing_is_given_up_and_the_next_is_handled(run):
    room = FakeRoom()
    room.failures["fetch"] = 5
    lines = run(room, room.photo(MARKET), room.photo(MARKET))
    assert lines == ["given up: the server does not answer", "a photo was answered, 11 faces covered"]


def test_a_position_is_kept_whole(tmp_path):
    position = Position("https://example.org secret", tmp_path)
    assert position.read() is None
    position.keep("s1_2")
    position.keep("s3_4")
    assert Position("https://example.org secret", tmp_path).read() == "s3_4"
    assert Position("https://example.org other", tmp_path).read() is None
    assert "secret" not in str(position.folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Position("x", tmp_path / "file").keep("s1")
