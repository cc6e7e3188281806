"""HEIC and AVIF containers: a new file around the coded primary picture, without decoding it.

Boxes: ISO/IEC 14496-12 (base media file format) and 23008-12 (HEIF). What is kept is an allow-list: the
primary item, the tiles it is made of, its alpha plane, and the properties that say how to show them. EXIF,
XMP, thumbnails, depth maps, gain maps, second pictures, item names and free space are left behind.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import UnreadableImage

__all__ = ["NotUnderstood", "rebuild"]

_ALPHA_KINDS = (
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\x00",
    b"urn:mpeg:hevc:2015:auxid:1\x00",
)
_PROPERTIES = frozenset(
    b"ispe pixi colr hvcC av1C irot imir clap pasp auxC a1op a1lx lsel clli mdcv lhvC tols oinf".split()
)
_ITEM_KINDS = frozenset(b"hvc1 av01 grid iden iovl".split())
_TOP_LEVEL = frozenset(b"ftyp meta mdat moov moof free skip uuid".split())
_REFERENCES = frozenset(b"dimg auxl prem".split())


class NotUnderstood(Exception):
    """The file has a structure that this module does not take apart."""


class _BeyondEnd(NotUnderstood):
    """A box is longer than what holds it."""


@dataclass(frozen=True)
class _Box:
    kind: bytes
    body: bytes


@dataclass(frozen=True)
class _Extents:
    """Where an item's data lies: 0 in the file or 1 in the `idat` box, as offset and length of each piece."""

    method: int
    pieces: list[tuple[int, int]]


@dataclass(frozen=True)
class _Meta:
    """The parts of a `meta` box that matter."""

    primary: int
    kinds: dict[int, bytes]
    references: list[tuple[bytes, int, list[int]]]
    properties: list[_Box]
    associations: dict[int, list[tuple[int, bool]]]
    extents: dict[int, _Extents]
    idat: bytes


def rebuild(data: bytes) -> bytes:
    """A file that decodes to the same primary picture and holds nothing else.

    Raises:
        NotUnderstood: a sequence, or a structure that is not known.
        UnreadableImage: the file is cut off.
    """
    try:
        return _rebuild(data)
    except (struct.error, IndexError, KeyError, ValueError) as error:
        raise NotUnderstood(str(error)) from error


def _rebuild(data: bytes) -> bytes:
    top: dict[bytes, _Box] = {}
    try:
        for box in _boxes(data):
            top.setdefault(box.kind, box)
    except _BeyondEnd as error:
        # What is appended to a file need not be a box; what bears a box's name is cut off.
        if error.args[0] in _TOP_LEVEL:
            raise UnreadableImage("the picture is cut off") from error
    if b"moov" in top:
        raise NotUnderstood("a picture sequence")
    meta = _read_meta(top[b"meta"].body)
    coded = {item: _coded_data(meta.extents[item], data, meta.idat) for item in _kept_items(meta)}
    return _write(top[b"ftyp"].body, meta, coded)


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


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


class _Reader:
    """Reads big-endian integers one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def int(self, size: int) -> int:
        if self._position + size > len(self._data):
            raise ValueError("a box is too short")
        value = int.from_bytes(self._data[self._position : self._position + size], "big")
        self._position += size
        return value

    def rest(self) -> bytes:
        return self._data[self._position :]


def _read_meta(body: bytes) -> _Meta:
    parts = {box.kind: box.body for box in _boxes(body[4:])}
    pitm = _Reader(parts[b"pitm"])
    primary = pitm.int(2 if _version(pitm) == 0 else 4)
    iprp = {box.kind: box.body for box in _boxes(parts[b"iprp"])}
    return _Meta(
        primary,
        dict(_item_kinds(parts[b"iinf"])),
        list(_references(parts[b"iref"])) if b"iref" in parts else [],
        list(_boxes(iprp[b"ipco"])),
        dict(_associations(iprp[b"ipma"])),
        dict(_item_data(parts[b"iloc"])),
        parts.get(b"idat", b""),
    )


def _version(reader: _Reader) -> int:
    version = reader.int(1)
    reader.int(3)
    return version


def _item_kinds(body: bytes) -> Iterator[tuple[int, bytes]]:
    reader = _Reader(body)
    reader.int(2 if _version(reader) == 0 else 4)
    for box in _boxes(reader.rest()):
        item = _Reader(box.body)
        version = _version(item)
        if version < 2:
            raise NotUnderstood("an item of an old kind")
        number = item.int(2 if version == 2 else 4)
        if item.int(2):
            raise NotUnderstood("a protected item")
        yield number, item.int(4).to_bytes(4, "big")


def _references(body: bytes) -> Iterator[tuple[bytes, int, list[int]]]:
    head = _Reader(body)
    size = 2 if _version(head) == 0 else 4
    for box in _boxes(head.rest()):
        reader = _Reader(box.body)
        source = reader.int(size)
        yield box.kind, source, [reader.int(size) for _ in range(reader.int(2))]


def _associations(body: bytes) -> Iterator[tuple[int, list[tuple[int, bool]]]]:
    reader = _Reader(body)
    version = reader.int(1)
    wide = reader.int(3) & 1
    for _ in range(reader.int(4)):
        item = reader.int(2 if version < 1 else 4)
        pairs = []
        for _ in range(reader.int(1)):
            value = reader.int(2 if wide else 1)
            essential = 0x8000 if wide else 0x80
            pairs.append((value & (essential - 1), bool(value & essential)))
        yield item, pairs


def _item_data(body: bytes) -> Iterator[tuple[int, _Extents]]:
    reader = _Reader(body)
    version = _version(reader)
    sizes = reader.int(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(reader.int(2 if version < 2 else 4)):
        item = reader.int(2 if version < 2 else 4)
        method = reader.int(2) & 15 if version in (1, 2) else 0
        reader.int(2)  # data reference; 0 is this file, and others do not occur in pictures
        base = reader.int(base_size)
        pieces = []
        for _ in range(reader.int(2)):
            if version in (1, 2):
                reader.int(index_size)
            pieces.append((base + reader.int(offset_size), reader.int(length_size)))
        yield item, _Extents(method, pieces)


def _coded_data(extents: _Extents, data: bytes, idat: bytes) -> bytes:
    if extents.method not in (0, 1):
        raise NotUnderstood("an item that is stored inside another")
    source = (data, idat)[extents.method]
    if any(not length or offset + length > len(source) for offset, length in extents.pieces):
        raise NotUnderstood("an item that reaches beyond the file")
    return b"".join(source[offset : offset + length] for offset, length in extents.pieces)


def _kept_items(meta: _Meta) -> list[int]:
    """The primary item, its alpha plane and premultiplication mark, and the tiles of both."""
    kept = [meta.primary]
    for kind, source, targets in meta.references:
        if kind == b"auxl" and meta.primary in targets and _is_alpha(meta, source):
            kept.append(source)
    for item in kept:  # grows while it is walked: tiles of tiles
        for kind, source, targets in meta.references:
            if kind == b"dimg" and source == item:
                kept.extend(target for target in targets if target not in kept)
    if any(meta.kinds.get(item) not in _ITEM_KINDS for item in kept):
        raise NotUnderstood("a picture made of an unknown kind of item")
    return sorted(kept)


def _is_alpha(meta: _Meta, item: int) -> bool:
    boxes = [meta.properties[index - 1] for index, _ in meta.associations.get(item, []) if index]
    return any(box.kind == b"auxC" and box.body[4:].startswith(_ALPHA_KINDS) for box in boxes)


def _write(ftyp: bytes, meta: _Meta, coded: dict[int, bytes]) -> bytes:
    head = _box(b"ftyp", ftyp)
    length = len(_write_meta(meta, coded, 0))
    return head + _write_meta(meta, coded, len(head) + length + 8) + _box(b"mdat", b"".join(coded.values()))


def _write_meta(meta: _Meta, coded: dict[int, bytes], offset: int) -> bytes:
    """The `meta` box, as long for any `offset` of the first coded byte in the file."""
    infe = [_box(b"infe", struct.pack(">IIH4sB", 3 << 24, item, 0, meta.kinds[item], 0)) for item in coded]
    references = [
        (kind, source, kept)
        for kind, source, targets in meta.references
        if kind in _REFERENCES and source in coded and (kept := [item for item in targets if item in coded])
    ]
    used = sorted({index for item in coded for index, _ in meta.associations.get(item, []) if index})
    used = [index for index in used if meta.properties[index - 1].kind in _PROPERTIES]
    number = {index: new for new, index in enumerate(used, 1)}
    ipma = struct.pack(">II", 1 << 24 | 1, len(coded))
    iloc = struct.pack(">IHI", 2 << 24, 0x4400, len(coded))
    for item, data in coded.items():
        pairs = [pair for pair in meta.associations.get(item, []) if pair[0] in number]
        if len(pairs) < sum(essential for _, essential in meta.associations.get(item, [])):
            raise NotUnderstood("a picture with an unknown property that must be understood")
        ipma += struct.pack(">IB", item, len(pairs))
        for index, essential in pairs:
            ipma += struct.pack(">H", number[index] | (0x8000 if essential else 0))
        iloc += struct.pack(">IHHHII", item, 0, 0, 1, offset, len(data))
        offset += len(data)
    iref = b"".join(
        _box(kind, struct.pack(f">IH{len(kept)}I", source, len(kept), *kept))
        for kind, source, kept in references
    )
    ipco = b"".join(_box(meta.properties[index - 1].kind, meta.properties[index - 1].body) for index in used)
    parts = [
        _box(b"hdlr", struct.pack(">II4s12xB", 0, 0, b"pict", 0)),
        _box(b"pitm", struct.pack(">II", 1 << 24, meta.primary)),
        _box(b"iinf", struct.pack(">II", 1 << 24, len(infe)) + b"".join(infe)),
        _box(b"iref", struct.pack(">I", 1 << 24) + iref) if iref else b"",
        _box(b"iprp", _box(b"ipco", ipco) + _box(b"ipma", ipma)),
        _box(b"iloc", iloc),
    ]
    return _box(b"meta", struct.pack(">I", 0) + b"".join(parts))
