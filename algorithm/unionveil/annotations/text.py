"""Text and JSON of annotation files, with clear messages for unreadable ones."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from ..errors import InputError
from ..text import printable

__all__ = ["array", "as_json", "as_text", "brief", "field", "mapping", "text_field"]


def as_text(data: bytes, source: str) -> str:
    """UTF-8, with or without a byte order mark.

    Raises:
        InputError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{source} is not text in UTF-8") from error


def as_json(data: bytes, source: str) -> Any:
    """A JSON value.

    Raises:
        InputError: it is not JSON.
    """
    try:
        # json.loads may overflow the stack if a library has raised Python's recursion limit.
        return from_json(as_text(data, source))
    except ValueError as error:
        raise InputError(f"{source} is not valid JSON: {error}") from error


def mapping(value: object, where: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        InputError: it is not an object.
    """
    if not isinstance(value, dict):
        raise InputError(f"{where} is {_kind(value)}, not an object")
    return value


def array(value: object, where: str, length: int | None = None) -> list[Any]:
    """A JSON array, of a given length if specified.

    Raises:
        InputError: it is not an array of that length.
    """
    if not isinstance(value, list):
        raise InputError(f"{where} is {_kind(value)}, not a list")
    if length is not None and len(value) != length:
        raise InputError(f"{where} has {len(value)} values instead of {length}")
    return value


def field(value: dict[str, Any], name: str, where: str) -> Any:
    """A value of an object.

    Raises:
        InputError: it is missing.
    """
    if name not in value:
        raise InputError(f"{where} has no {printable(name)}")
    return value[name]


def text_field(value: dict[str, Any], name: str, where: str) -> str:
    """A string field of an object.

    Raises:
        InputError: it is missing, empty or not a string.
    """
    found = field(value, name, where)
    if not isinstance(found, str) or not found:
        raise InputError(f"{where}: {name} is {_kind(found)}, not a text")
    return found


def brief(value: object) -> str:
    """A JSON value for a message; Python refuses to print a number of more than 4300 digits."""
    is_huge = isinstance(value, int) and abs(value) >= 1 << 64
    return "a number of more than 19 digits" if is_huge else printable(str(value), quoted=False)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number") if value != "" else "an empty text"
