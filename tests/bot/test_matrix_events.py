"""Matrix messages and the events read from them."""

import pytest

from unionveil.bot.matrix_events import event_of, image_content, text_content
from unionveil.bot.room import Answer, Photo, RemovalAsked, Withdrawn

ME, ADA = "@bot:example.org", "@ada:example.org"


def message(content, sender=ADA, kind="m.room.message", **more):
    return {"type": kind, "sender": sender, "event_id": "$1", "content": content, **more}


IMAGE = {"msgtype": "m.image", "body": "x.jpg", "url": "mxc://example.org/abc"}
SECRET_IMAGE = {"msgtype": "m.image", "body": "x.jpg", "file": {"url": "mxc://example.org/abc"}}
FILE = {"msgtype": "m.file", "url": "mxc://example.org/abc", "info": {"mimetype": "image/heic"}}


@pytest.mark.parametrize("content", [IMAGE, SECRET_IMAGE, FILE])
def test_photos(content):
    event = event_of("!r", message(content), ME)
    assert event == Photo("$1", "!r", ADA, content)


@pytest.mark.parametrize(
    "source",
    [
        message(IMAGE, sender=ME),
        message({**IMAGE, "m.relates_to": {"rel_type": "m.replace", "event_id": "$0"}}),
        message({"msgtype": "m.file", "url": "mxc://a/b", "info": {"mimetype": "application/pdf"}}),
        message({"msgtype": "m.image"}),
        message({"msgtype": "m.image", "url": 5}),
        message({"msgtype": "m.text", "body": "delete"}),
        message(
            {"msgtype": "m.text", "body": "hello", "m.relates_to": {"m.in_reply_to": {"event_id": "$0"}}}
        ),
        message({"m.relates_to": {"event_id": "$0", "key": "👍"}}, kind="m.reaction"),
        message({"m.relates_to": None}, kind="m.reaction"),
        message([], kind="m.reaction"),
        message({}, kind="m.room.redaction", sender=ME, redacts="$0"),
        message({}, kind="m.room.member"),
        {},
    ],
)
def test_irrelevant_events_are_ignored(source):
    assert event_of("!r", source, ME) is None


@pytest.mark.parametrize("key", ["❌", "🗑️", "🗑"])
def test_a_reaction_asks_for_removal(key):
    source = message(
        {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$0", "key": key}}, kind="m.reaction"
    )
    assert event_of("!r", source, ME) == RemovalAsked("!r", ADA, "$0")


@pytest.mark.parametrize(
    "body", ["delete", "Delete!", "> <@bot> The photo\n\ndelete", "Löschen", "supprimer"]
)
def test_a_reply_asks_for_removal(body):
    content = {"msgtype": "m.text", "body": body, "m.relates_to": {"m.in_reply_to": {"event_id": "$0"}}}
    assert event_of("!r", message(content), ME) == RemovalAsked("!r", ADA, "$0")


@pytest.mark.parametrize("place", [{"redacts": "$0"}, {"content": {"redacts": "$0"}}])
def test_a_withdrawn_message(place):
    source = {"type": "m.room.redaction", "sender": ADA, "content": {}, **place}
    assert event_of("!r", source, ME) == Withdrawn("!r", "$0")


def test_an_answer_lies_in_the_photos_thread():
    answer = Answer(b"data", "image/jpeg", "covered.jpg", (4, 3), "2 faces covered")
    alone = image_content(Photo("$1", "!r", ADA, IMAGE), answer, {"url": "mxc://a/b"})
    assert alone["body"] == "2 faces covered"
    assert alone["info"] == {"mimetype": "image/jpeg", "size": 4, "w": 4, "h": 3}
    assert alone["m.relates_to"]["event_id"] == "$1"
    threaded = {**IMAGE, "m.relates_to": {"rel_type": "m.thread", "event_id": "$root"}}
    inside = text_content(Photo("$1", "!r", ADA, threaded), "no")
    assert inside["m.relates_to"]["event_id"] == "$root"
    assert inside["m.relates_to"]["m.in_reply_to"] == {"event_id": "$1"}
