"""HEVC stills: parameter sets are written from parsed values, and only the slice is kept."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from checked import present
from containers import heic, only_item
from unionveil.images import hevc
from unionveil.images.bits import BitReader, BitWriter
from unionveil.images.coded import NotAccounted
from unionveil.images.nal import escape, kind_of, nal_units, trimmed, unescape
from unionveil.images.parameter_sets import named_colours

ITEM = only_item(heic(samples.scene(128, 64), quality=80))
HVCC = present(ITEM.body(b"hvcC"))


def units_of(hvcc):
    """NAL units of a configuration by kind."""
    units: dict[int, list[bytes]] = {}
    position = 23
    for _ in range(hvcc[22]):
        (count,) = struct.unpack_from(">H", hvcc, position + 1)
        position += 3
        for _ in range(count):
            (length,) = struct.unpack_from(">H", hvcc, position)
            unit = hvcc[position + 2 : position + 2 + length]
            units.setdefault(kind_of(unit), []).append(unit)
            position += 2 + length
    assert position == len(hvcc)
    return units


def configuration(*units):
    arrays = b"".join(struct.pack(">BHH", kind_of(unit), 1, len(unit)) + unit for unit in units)
    return HVCC[:22] + bytes([len(units)]) + arrays


VPS, SPS, PPS = (units_of(HVCC)[kind][0] for kind in (32, 33, 34))


@given(st.binary(max_size=60).map(lambda tail: b"\x26\x01" + tail + b"\x80"))
def test_escaping_survives_a_round_trip(rbsp):
    escaped = escape(rbsp)
    assert unescape(escaped) == rbsp
    assert not any(bytes([0, 0, byte]) in escaped for byte in range(3))


def test_zeros_behind_a_slice_are_trimmed():
    assert trimmed(b"\x26\x01\x80\x00\x00\x03\x00\x00\x03\x00") == b"\x26\x01\x80"


@pytest.mark.parametrize("data", [b"\x00\x00\x00\x09\x26\x01", b"\x00\x00", b"\x00\x00\x00\x01\x26"])
def test_lengths_that_do_not_fit_are_an_error(data):
    with pytest.raises(ValueError, match="lengths"):
        list(nal_units(data, 4))


def test_writing_twice_gives_the_same_bytes():
    once = hevc.account(HVCC, ITEM.data, None)
    assert hevc.account(once.configuration, once.data, None) == once
    assert (once.size_wh, once.depth, once.chroma) == ((128, 64), 8, 420)
    assert {kind: len(units) for kind, units in units_of(once.configuration).items()} == {32: 1, 33: 1, 34: 1}


def test_parameter_sets_that_no_slice_uses_are_gone():
    def renumbered(unit, number):
        bits = BitWriter()
        bits.ue(number)
        reader = BitReader(unit[2:])
        reader.ue()
        while reader.left:
            bits.u(reader.u(1), 1)
        return unit[:2] + bits.finish()

    hvcc = configuration(VPS, VPS, SPS, PPS, renumbered(PPS, 5))
    assert hevc.account(hvcc, ITEM.data, None) == hevc.account(HVCC, ITEM.data, None)


@pytest.mark.parametrize(
    "units",
    [(VPS, SPS), (VPS, PPS), (VPS, SPS, SPS, PPS), (VPS, SPS, PPS, PPS), (VPS, SPS + b"SECRET", PPS)],
    ids=["no-pps", "no-sps", "two-sps", "two-pps", "longer"],
)
def test_other_parameter_sets_are_not_accounted_for(units):
    with pytest.raises(NotAccounted):
        hevc.account(configuration(*units), ITEM.data, None)


def test_the_colours_of_the_container_replace_those_inside():
    coded = hevc.account(HVCC, ITEM.data, (9, 16, 9, False))
    assert coded.cicp == named_colours(coded.configuration) == (9, 16, 9, False)
    assert named_colours(HVCC) == (1, 13, 6, True)
    assert named_colours(b"") is None


@pytest.mark.parametrize("pixels", ["grey", "444", "422", "deep"])
def test_variants_are_named(pixels):
    scene = samples.scene(128, 64)
    match pixels:
        case "grey":
            data = heic(np.ascontiguousarray(scene[..., 0]))
        case "444" | "422":
            data = heic(scene, chroma=pixels)
        case _:
            data = heic(scene.astype(np.uint16) * 256)
    item = only_item(data)
    coded = hevc.account(present(item.body(b"hvcC")), item.data, None)
    assert coded.chroma == {"grey": 400, "444": 444, "422": 422, "deep": 420}[pixels]
    assert coded.depth == (10 if pixels == "deep" else 8)
    assert coded.configuration[1:13] == present(item.body(b"hvcC"))[1:13]  # profile and level


@pytest.mark.parametrize("change", ["two-slices", "sps-between", "predicted", "layer"])
def test_other_coded_data_are_not_accounted_for(change):
    (unit,) = nal_units(ITEM.data, 4)
    units = {
        "two-slices": [unit, unit],
        "sps-between": [SPS, unit],
        "predicted": [bytes([1 << 1, 1]) + unit[2:]],
        "layer": [unit[:1] + bytes([9]) + unit[2:]],
    }[change]
    data = b"".join(struct.pack(">I", len(each)) + each for each in units)
    with pytest.raises(NotAccounted):
        hevc.account(HVCC, data, None)


def test_the_end_of_a_slice_can_be_replaced():
    data = hevc.replace_end(ITEM.data, 4, 3, b"\x00\x00\x00\x00\x80")
    assert hevc.read_end(data, 4, 5) == b"\x00\x00\x00\x00\x80"
    assert b"\x00\x00\x03\x00\x00\x80" in data
