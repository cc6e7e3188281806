"""Multipart bodies in memory (RFC 7578): `request.form()` would write large parts to a temporary file."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ..errors import RequestError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["encode", "parse"]

_MOST_PARTS = 8


def parse(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of a body by name; file names and types are ignored.

    Args:
        content_type: the header, with its boundary.
        body: the whole body.

    Raises:
        RequestError: it is malformed, a part has no name, two have the same, or there are too many.
    """
    _, options = parse_options_header(content_type)
    collector = _Collector()
    try:
        parser = MultipartParser(options[b"boundary"], collector.callbacks())
        parser.write(body)
        parser.finalize()
    except (KeyError, FormParserError) as error:
        raise RequestError("the multipart body is malformed; send it as curl -F does") from error
    if not collector.is_whole:
        raise RequestError("the multipart body is cut off; send it again")
    return collector.parts


def encode(parts: Mapping[str, tuple[str, bytes]]) -> tuple[str, bytes]:
    """A multipart body and its Content-Type.

    Args:
        parts: media type and content by name.
    """
    boundary = secrets.token_hex(16)
    pieces = []
    for name, (media_type, data) in parts.items():
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n"
        )
        pieces += [head.encode(), data, b"\r\n"]
    return f"multipart/form-data; boundary={boundary}", b"".join([*pieces, f"--{boundary}--\r\n".encode()])


class _Collector:
    """Receives the parser's callbacks and collects the parts."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self.is_whole = False
        self._header = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._field,
            "on_header_value": self._field_value,
            "on_header_end": self._field_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._all,
        }

    def _begin(self) -> None:
        self._headers, self._pieces = {}, []

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _field_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _field_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def _end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if not name:
            raise RequestError("a part of the multipart body has no name")
        if name in self.parts:
            raise RequestError(f"two parts of the multipart body are named {name!r}; send one")
        if len(self.parts) == _MOST_PARTS:
            raise RequestError(f"the multipart body has more than {_MOST_PARTS} parts")
        self.parts[name] = b"".join(self._pieces)

    def _all(self) -> None:
        self.is_whole = True
