"""Converts Matrix messages to events, and answers to Matrix messages: pure functions over JSON.

Source: the Matrix Client-Server API, https://spec.matrix.org/v1.11/client-server-api/ (`m.room.message` with
`m.image` and `m.file`, threads, reactions, redactions).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .room import Answer, Event, Photo, RemovalAsked, Withdrawn

__all__ = ["event_of", "image_content", "replied_to", "text_content"]

_REMOVE_REACTIONS = {"❌", "🗑", "✖"}
_REMOVE_WORDS = {"delete", "remove", "löschen", "entfernen", "supprimer", "effacer", "borrar", "eliminar"}
_VARIATION = "\N{VARIATION SELECTOR-16}"


def event_of(room: str, source: Mapping[str, Any], me: str) -> Event | None:
    """The event that a message means for the bot; None for all others, including its own messages.

    Args:
        room: where it was posted.
        source: the message as JSON, decrypted.
        me: the bot's own account.
    """
    sender, content = source.get("sender"), source.get("content")
    if not isinstance(sender, str) or sender == me or not isinstance(content, dict):
        return None
    match source.get("type"):
        case "m.room.message":
            return _of_message(room, sender, source, content)
        case "m.reaction":
            relation = _dict(content.get("m.relates_to"))
            key = str(relation.get("key", "")).removesuffix(_VARIATION)
            asked = relation.get("event_id")
            if key in _REMOVE_REACTIONS and isinstance(asked, str):
                return RemovalAsked(room, sender, asked)
        case "m.room.redaction":
            gone = source.get("redacts") or content.get("redacts")
            if isinstance(gone, str):
                return Withdrawn(room, gone)
        case _:
            pass
    return None


def _of_message(
    room: str, sender: str, source: Mapping[str, Any], content: Mapping[str, Any]
) -> Event | None:
    relation = _dict(content.get("m.relates_to"))
    if relation.get("rel_type") == "m.replace":  # an edit of a message that was handled
        return None
    info = _dict(content.get("info"))
    kind, is_image = content.get("msgtype"), str(info.get("mimetype", "")).startswith("image/")
    encrypted = _dict(content.get("file"))
    url = content.get("url") or encrypted.get("url")
    if isinstance(url, str) and (kind == "m.image" or (kind == "m.file" and is_image)):
        return Photo(str(source.get("event_id")), room, sender, dict(content))
    asked = replied_to(content)
    text = str(content.get("body", "")).strip().rsplit("\n", 1)[-1].strip(" .!").casefold()
    if kind == "m.text" and asked and text in _REMOVE_WORDS:
        return RemovalAsked(room, sender, asked)
    return None


def replied_to(content: Mapping[str, Any]) -> str | None:
    """The message to which a message replies."""
    relation = _dict(content.get("m.relates_to"))
    found = _dict(relation.get("m.in_reply_to")).get("event_id")
    return found if isinstance(found, str) else None


def image_content(photo: Photo, answer: Answer, place: Mapping[str, Any]) -> dict[str, Any]:
    """The message that answers a photo with a covered one.

    Args:
        photo: the original.
        answer: the covered photo.
        place: `{"url": ...}`, or `{"file": ...}` if it was encrypted.
    """
    width, height = answer.size_wh
    return {
        "msgtype": "m.image",
        "body": answer.alt,  # clients show and read this if they cannot show the image
        "filename": answer.name,
        "info": {"mimetype": answer.media_type, "size": len(answer.data), "w": width, "h": height},
        **place,
        **_thread(photo),
    }


def text_content(photo: Photo, sentence: str) -> dict[str, Any]:
    """The message that answers a photo with a sentence."""
    return {"msgtype": "m.notice", "body": sentence, **_thread(photo)}


def _thread(photo: Photo) -> dict[str, Any]:
    """The relation of an answer: in the photo's thread, and a reply for clients without threads."""
    relation = _dict(photo.handle.get("m.relates_to"))
    root = relation.get("event_id") if relation.get("rel_type") == "m.thread" else photo.id
    return {
        "m.relates_to": {
            "rel_type": "m.thread",
            "event_id": root,
            "is_falling_back": False,
            "m.in_reply_to": {"event_id": photo.id},
        }
    }


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
