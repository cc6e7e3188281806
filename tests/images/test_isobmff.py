"""Reads and writes boxes."""

import struct
from dataclasses import replace

import pytest

import samples
from unionveil import UnreadableImage
from unionveil.images import isobmff
from unionveil.images.coded import NotAccounted
from unionveil.images.isobmff import Container, Item, Property, Reference

BRANDS = (b"heic", b"mif1", b"heic")
SIZE = Property(b"ispe", struct.pack(">III", 0, 4, 4))
TURN = Property(b"irot", b"\x01", True)
CONTAINER = Container(
    2,
    {
        2: Item(b"grid", (SIZE, TURN), b"head"),
        3: Item(b"hvc1", (SIZE,), b"first", hidden=True),
        4: Item(b"hvc1", (SIZE,), b"second", hidden=True),
    },
    (Reference(b"dimg", 2, (3, 4)),),
)
DATA = isobmff.write(CONTAINER, BRANDS)


def test_written_boxes_are_read_back():
    assert isobmff.read(DATA) == CONTAINER
    assert DATA.count(b"ispe") == 1


def box(kind, body):
    return struct.pack(">I4s", 8 + len(body), kind) + body


@pytest.mark.parametrize("kind", [b"pitm", b"iloc", b"iinf", b"iprp", b"iref"])
def test_duplicate_parts_are_not_accounted_for(kind):
    place = DATA.index(kind) - 4
    (size,) = struct.unpack_from(">I", DATA, place)
    meta = DATA.index(b"meta") - 4
    (whole,) = struct.unpack_from(">I", DATA, meta)
    twice = DATA[: place + size] + DATA[place:]
    twice = twice[:meta] + struct.pack(">I", whole + size) + twice[meta + 4 :]
    with pytest.raises(NotAccounted, match="twice"):
        isobmff.read(twice)


def test_duplicate_items_are_not_accounted_for():
    place = DATA.index(b"iloc") + 4 + 8
    twice = bytearray(DATA)
    struct.pack_into(">H", twice, place, 3)
    with pytest.raises(NotAccounted, match="twice"):
        isobmff.read(bytes(twice))


@pytest.mark.parametrize("extra", [box(b"moov", b""), box(b"meta", b""), box(b"ftyp", b"heic1234")])
def test_other_structures_are_not_accounted_for(extra):
    with pytest.raises(NotAccounted):
        isobmff.read(DATA + extra)


def test_a_file_that_is_cut_off_is_refused():
    with pytest.raises(UnreadableImage, match="cut off"):
        isobmff.read(DATA[:-3])


def test_appended_bytes_need_not_be_a_box():
    assert isobmff.read(DATA + samples.SECRET * 3) == CONTAINER


def test_an_item_that_repeats_its_bytes_is_not_accounted_for():
    """Otherwise a small file could request any amount of memory."""
    large = Container(1, {1: Item(b"hvc1", (SIZE,), bytes(1000))})
    data = isobmff.write(large, BRANDS)
    place = data.index(b"iloc") - 4
    entry = data[place + 22 : place + 30]
    longer = struct.pack(">IHHHHHH", 0, 0x4400, 1, 1, 0, 500, 0)[:-2] + entry * 500
    iloc = box(b"iloc", longer)
    meta = data.index(b"meta") - 4
    (whole,) = struct.unpack_from(">I", data, meta)
    bomb = data[:place] + iloc + data[place + 30 :]
    bomb = bomb[:meta] + struct.pack(">I", whole - 30 + len(iloc)) + bomb[meta + 4 :]
    with pytest.raises(NotAccounted):
        isobmff.read(bomb)


def test_a_duplicate_property_is_not_accounted_for():
    item = replace(CONTAINER.items[2], properties=(SIZE, SIZE))
    with pytest.raises(NotAccounted, match="twice"):
        item.body(b"ispe")
