"""Boxes of HEIC and AVIF files: items, their properties and references, read and written.

Boxes: ISO/IEC 14496-12 (base media file format) and 23008-12 (HEIF).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..errors import UnreadableImage
from .coded import NotAccounted

__all__ = ["Container", "Item", "Property", "Reference", "read", "top_level", "write"]

_Value = TypeVar("_Value")

_TOP_LEVEL = frozenset(b"ftyp meta mdat moov moof free skip uuid".split())


@dataclass(frozen=True)
class Property:
    """One property of an item.

    Attributes:
        kind: name of its box.
        body: what the box holds.
        essential: whether a reader must understand it.
    """

    kind: bytes
    body: bytes
    essential: bool = False


@dataclass(frozen=True)
class Item:
    """One item.

    Attributes:
        kind: four characters, as `hvc1` or `grid`.
        properties: in the order in which they apply.
        data: its bytes.
        hidden: whether viewers leave it out of the list of images.
    """

    kind: bytes
    properties: tuple[Property, ...]
    data: bytes
    hidden: bool = False

    def bodies(self, kind: bytes) -> list[bytes]:
        """Bodies of the properties of one kind."""
        return [each.body for each in self.properties if each.kind == kind]

    def body(self, kind: bytes) -> bytes | None:
        """Body of the only property of a kind, if present.

        Raises:
            NotAccounted: there are several.
        """
        bodies = self.bodies(kind)
        if len(bodies) > 1:
            raise NotAccounted("a picture that has one property twice")
        return bodies[0] if bodies else None


@dataclass(frozen=True)
class Reference:
    """A typed reference from an item to others: `dimg` to tiles, `auxl` from an alpha plane."""

    kind: bytes
    source: int
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Container:
    """A file with pictures.

    Attributes:
        primary: number of the item to show.
        items: by their numbers.
        references: between them.
    """

    primary: int
    items: dict[int, Item]
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True)
class _Box:
    kind: bytes
    body: bytes


@dataclass(frozen=True)
class _Extents:
    """Location of an item's data: 0 in the file, 1 in the `idat` box; offset and length of each extent."""

    method: int
    pieces: tuple[tuple[int, int], ...]


class _BeyondEnd(NotAccounted):
    """A box is longer than its container."""


def read(data: bytes) -> Container:
    """Items of a file, each once, with the data stored in the file.

    Raises:
        NotAccounted: a sequence, or a structure that is unknown or not unique.
        UnreadableImage: the file is cut off.
    """
    try:
        return _read(data)
    except (struct.error, IndexError, KeyError, ValueError) as error:
        raise NotAccounted(str(error)) from error


def _read(data: bytes) -> Container:
    top: dict[bytes, _Box] = {}
    try:
        for box in _boxes(data):
            if box.kind in (b"ftyp", b"meta") and box.kind in top:
                raise NotAccounted("a file with two headers")
            top.setdefault(box.kind, box)
    except _BeyondEnd as error:
        # Data appended to a file need not be boxes; a known name means that the box is cut off.
        if error.args[0] in _TOP_LEVEL:
            raise UnreadableImage("the picture is cut off") from error
    if b"moov" in top or b"moof" in top:
        raise NotAccounted("a picture sequence")
    return _read_meta(_unique(top[b"meta"].body[4:]), data)


def top_level(data: bytes) -> set[bytes]:
    """Names of the top-level boxes, up to the first that does not fit."""
    kinds = set()
    try:
        for box in _boxes(data):
            kinds.add(box.kind)
    except _BeyondEnd as error:
        kinds.add(error.args[0])
    return kinds


def _boxes(data: bytes) -> Iterator[_Box]:
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, position + 8)
            head = 16
        elif size == 0:
            size = len(data) - position
        if size < head or position + size > len(data):
            raise _BeyondEnd(kind)
        yield _Box(kind, data[position + head : position + size])
        position += size


def _unique(data: bytes) -> dict[bytes, bytes]:
    """Bodies of boxes by their kinds, which must be unique: decoders differ in which of two they use."""
    parts: dict[bytes, bytes] = {}
    for box in _boxes(data):
        if box.kind in parts and box.kind not in (b"free", b"skip", b"uuid"):
            raise NotAccounted("a file with one part twice")
        parts[box.kind] = box.body
    return parts


class _Reader:
    """Reads big-endian integers one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def u(self, size: int) -> int:
        if self._position + size > len(self._data):
            raise ValueError("a box is too short")
        value = int.from_bytes(self._data[self._position : self._position + size], "big")
        self._position += size
        return value

    def version(self) -> int:
        version = self.u(1)
        self.u(3)
        return version

    def rest(self) -> bytes:
        return self._data[self._position :]


def _read_meta(parts: dict[bytes, bytes], data: bytes) -> Container:
    pitm = _Reader(parts[b"pitm"])
    primary = pitm.u(2 if pitm.version() == 0 else 4)
    iprp = _unique(parts[b"iprp"])
    properties = list(_boxes(iprp[b"ipco"]))
    associations = _dict(_associations(iprp[b"ipma"]))
    extents = _dict(_item_data(parts[b"iloc"]))
    idat = parts.get(b"idat", b"")
    items = {}
    for number, (kind, hidden) in _dict(_item_kinds(parts[b"iinf"])).items():
        mine = tuple(
            Property(properties[index - 1].kind, properties[index - 1].body, essential)
            for index, essential in associations.get(number, [])
            if index
        )
        items[number] = Item(kind, mine, _coded_data(extents.get(number), data, idat), hidden)
    references = tuple(_references(parts[b"iref"])) if b"iref" in parts else ()
    return Container(primary, items, references)


def _dict(pairs: Iterator[tuple[int, _Value]]) -> dict[int, _Value]:
    """The entry of each item, which must be unique: decoders differ in which of two they use."""
    found: dict[int, _Value] = {}
    for number, value in pairs:
        if number in found:
            raise NotAccounted("a file with one item twice")
        found[number] = value
    return found


def _item_kinds(body: bytes) -> Iterator[tuple[int, tuple[bytes, bool]]]:
    reader = _Reader(body)
    reader.u(2 if reader.version() == 0 else 4)
    for box in _boxes(reader.rest()):
        item = _Reader(box.body)
        version, hidden = item.u(1), item.u(3) & 1
        if version < 2:
            raise NotAccounted("an item of an old kind")
        number = item.u(2 if version == 2 else 4)
        if item.u(2):
            raise NotAccounted("a protected item")
        yield number, (item.u(4).to_bytes(4, "big"), bool(hidden))


def _references(body: bytes) -> Iterator[Reference]:
    head = _Reader(body)
    size = 2 if head.version() == 0 else 4
    for box in _boxes(head.rest()):
        reader = _Reader(box.body)
        source = reader.u(size)
        yield Reference(box.kind, source, tuple(reader.u(size) for _ in range(reader.u(2))))


def _associations(body: bytes) -> Iterator[tuple[int, list[tuple[int, bool]]]]:
    reader = _Reader(body)
    version = reader.u(1)
    wide = reader.u(3) & 1
    for _ in range(reader.u(4)):
        item = reader.u(2 if version < 1 else 4)
        pairs = []
        for _ in range(reader.u(1)):
            value = reader.u(2 if wide else 1)
            essential = 0x8000 if wide else 0x80
            pairs.append((value & (essential - 1), bool(value & essential)))
        yield item, pairs


def _item_data(body: bytes) -> Iterator[tuple[int, _Extents]]:
    reader = _Reader(body)
    version = reader.version()
    sizes = reader.u(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(reader.u(2 if version < 2 else 4)):
        item = reader.u(2 if version < 2 else 4)
        method = reader.u(2) & 15 if version in (1, 2) else 0
        reader.u(2)  # data reference; 0 is this file, and images use no other
        base = reader.u(base_size)
        pieces = []
        for _ in range(reader.u(2)):
            if version in (1, 2):
                reader.u(index_size)
            pieces.append((base + reader.u(offset_size), reader.u(length_size)))
        yield item, _Extents(method, tuple(pieces))


def _coded_data(extents: _Extents | None, data: bytes, idat: bytes) -> bytes:
    """An item's bytes; empty if they are not in the file, which the item's reader will report."""
    if extents is None or extents.method not in (0, 1):
        return b""
    source = (data, idat)[extents.method]
    if any(not length or offset + length > len(source) for offset, length in extents.pieces):
        return b""
    if sum(length for _, length in extents.pieces) > len(source):
        raise NotAccounted("an item that holds some bytes twice")
    return b"".join(source[offset : offset + length] for offset, length in extents.pieces)


def write(container: Container, brands: Sequence[bytes]) -> bytes:
    """A file with these items and nothing else.

    Args:
        container: numbers below 65536.
        brands: the major brand first, then all compatible brands.
    """
    head = _box(b"ftyp", brands[0] + bytes(4) + b"".join(brands[1:]))
    length = len(_write_meta(container, 0))
    meta = _write_meta(container, len(head) + length + 8)
    return head + meta + _box(b"mdat", b"".join(item.data for item in container.items.values()))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _write_meta(container: Container, offset: int) -> bytes:
    """The `meta` box; its length does not depend on `offset`, the position of the first coded byte."""
    infe = [
        _box(b"infe", struct.pack(">IHH4sB", 2 << 24 | item.hidden, number, 0, item.kind, 0))
        for number, item in container.items.items()
    ]
    iref = b"".join(
        _box(
            each.kind,
            struct.pack(f">{2 + len(each.targets)}H", each.source, len(each.targets), *each.targets),
        )
        for each in container.references
    )
    iloc = struct.pack(">IHH", 0, 0x4400, len(container.items))
    for number, item in container.items.items():
        iloc += struct.pack(">HHHII", number, 0, 1, offset, len(item.data))
        offset += len(item.data)
    parts = [
        _box(b"hdlr", struct.pack(">II4s12xB", 0, 0, b"pict", 0)),
        _box(b"pitm", struct.pack(">IH", 0, container.primary)),
        _box(b"iloc", iloc),
        _box(b"iinf", struct.pack(">IH", 0, len(infe)) + b"".join(infe)),
        _box(b"iref", struct.pack(">I", 0) + iref) if iref else b"",
        _write_properties(container),
    ]
    return _box(b"meta", struct.pack(">I", 0) + b"".join(parts))


def _write_properties(container: Container) -> bytes:
    boxes = [_box(each.kind, each.body) for item in container.items.values() for each in item.properties]
    number = {box: index for index, box in enumerate(dict.fromkeys(boxes), 1)}
    ipma = struct.pack(">II", 1, len(container.items))
    for item_number, item in container.items.items():
        ipma += struct.pack(">HB", item_number, len(item.properties))
        for each in item.properties:
            index = number[_box(each.kind, each.body)]
            ipma += struct.pack(">H", index | (0x8000 if each.essential else 0))
    return _box(b"iprp", _box(b"ipco", b"".join(number)) + _box(b"ipma", ipma))
