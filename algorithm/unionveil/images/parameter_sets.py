"""Parameter sets of HEVC stills, rewritten from parsed values.

Syntax: ITU-T H.265 (2021), 7.3.2. Decoder configuration: ISO/IEC 14496-15, 8.3.3.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from .bits import BitReader, BitWriter
from .coded import Cicp, NotAccounted
from .nal import escape, is_plain, kind_of, unescape

__all__ = ["Pps", "Sps", "named_colours", "parameter_sets", "write_configuration"]

_VPS, _SPS, _PPS = 32, 33, 34


@dataclass(frozen=True)
class _Profile:
    """`profile_tier_level` without sub-layers: the fields before the level, 88 bits, and the level."""

    bits: int
    level: int

    @property
    def idc(self) -> int:
        return self.bits >> 80 & 31


@dataclass(frozen=True)
class Sps:
    """Fields of a sequence parameter set that slices, the configuration and the container depend on."""

    number: int
    unit: bytes
    profile: _Profile
    size_wh: tuple[int, int]
    hidden_wh: tuple[int, int]
    chroma_format: int
    depth: int
    sao: bool
    block: int
    rows: int
    cicp: Cicp | None


@dataclass(frozen=True)
class Pps:
    """Fields of a picture parameter set that slices depend on."""

    number: int
    sps: int
    unit: bytes
    output_flag: bool
    chroma_qp_offsets: bool
    chroma_qp_offset_list: bool
    deblocking_override: bool
    deblocking_disabled: bool
    across_slices: bool
    waves: bool


def named_colours(hvcc: bytes) -> Cicp | None:
    """Colours in the first sequence parameter set of an `hvcC` box, if it can be parsed."""
    try:
        units = _read_configuration(hvcc)
    except (NotAccounted, ValueError, IndexError, struct.error):
        return None
    for number in range(16):
        with suppress(NotAccounted, ValueError):
            return _find_sps(units, number, None).cicp
    return None


@lru_cache(maxsize=1)  # the tiles of a grid share them
def parameter_sets(hvcc: bytes, number: int, cicp: Cicp | None) -> tuple[Sps, Pps]:
    """The picture parameter set with that number, and its sequence parameter set."""
    units = _read_configuration(hvcc)
    pps = _find_pps(units, number)
    return _find_sps(units, pps.sps, cicp), pps


def _read_configuration(body: bytes) -> tuple[bytes, ...]:
    """NAL units of an `hvcC` box."""
    if len(body) < 23 or body[0] != 1:
        raise NotAccounted("a decoder configuration of an unknown version")
    units = []
    position = 23
    for _ in range(body[22]):
        (count,) = struct.unpack_from(">H", body, position + 1)
        position += 3
        for _ in range(count):
            (length,) = struct.unpack_from(">H", body, position)
            units.append(body[position + 2 : position + 2 + length])
            position += 2 + length
    if position > len(body):
        raise ValueError("a decoder configuration is too short")
    return tuple(unit for unit in units if len(unit) > 2)


def write_configuration(sps: Sps, pps: Pps) -> bytes:
    """The body of an `hvcC` box with these parameter sets."""
    units = {_VPS: _write_vps(sps.profile), _SPS: sps.unit, _PPS: pps.unit}
    arrays = b"".join(struct.pack(">BHH", 0x80 | kind, 1, len(unit)) + unit for kind, unit in units.items())
    return (
        b"\x01"
        + sps.profile.bits.to_bytes(11, "big")
        + struct.pack(
            ">BHBBBBHBB",
            sps.profile.level,
            0xF000,  # no minimum of spatial segmentation
            0xFC,  # kind of parallelism unknown
            0xFC | sps.chroma_format,
            0xF8 | sps.depth - 8,
            0xF8 | sps.depth - 8,
            0,  # frame rate unknown
            0x0F,  # one temporal layer, nested, lengths of 4 bytes
            len(units),
        )
        + arrays
    )


def _unit(kind: int, writer: BitWriter) -> bytes:
    return escape(bytes([kind << 1, 1]) + writer.finish())


def _find(units: tuple[bytes, ...], kind: int, number: int) -> BitReader:
    """The only parameter set with that number, from its first field."""
    found = []
    for unit in units:
        if kind_of(unit) == kind and is_plain(unit):
            rbsp = unescape(unit)[2:]
            reader = BitReader(rbsp)
            if kind == _SPS:  # its number follows 8 bits and the profile
                reader.u(8 + 88 + 8)
            if reader.ue() == number:
                found.append(BitReader(rbsp))
    if len(found) != 1:
        raise NotAccounted("a parameter set is missing, or two have the same number")
    return found[0]


def _read_profile(reader: BitReader) -> _Profile:
    """`profile_tier_level` (7.3.3); reserved compatibility and constraint flags become 0."""
    head = reader.u(8)  # space, tier, profile
    compatible = reader.u(32) & 0xFFF00000
    constraints = reader.u(48)
    idc = head & 31
    if head >> 6 or not 1 <= idc <= 11:
        raise NotAccounted("an unknown profile")
    constraints &= 0x3FFF << 34 if idc >= 4 else 0xF << 44
    return _Profile(head << 80 | compatible << 48 | constraints, reader.u(8))


def _write_profile(writer: BitWriter, profile: _Profile) -> None:
    writer.u(profile.bits, 88)
    writer.u(profile.level, 8)


def _write_vps(profile: _Profile) -> bytes:
    """A video parameter set (7.3.2.1) of one layer and one picture."""
    writer = BitWriter()
    writer.u(0, 4)
    writer.u(3, 2)  # base layer inside, available
    writer.u(0, 6 + 3)
    writer.u(1, 1)  # nested
    writer.u(0xFFFF, 16)
    _write_profile(writer, profile)
    writer.u(1, 1)
    for _ in range(3):  # decoded pictures, reordering, latency
        writer.ue(0)
    writer.u(0, 6)
    writer.ue(0)
    writer.u(0, 2)  # no timing, no extension
    return _unit(_VPS, writer)


class _Copy:
    """Reads fields and writes each of them unchanged."""

    def __init__(self, reader: BitReader, writer: BitWriter) -> None:
        self.reader, self.writer = reader, writer

    def u(self, bits: int) -> int:
        value = self.reader.u(bits)
        self.writer.u(value, bits)
        return value

    def flag(self) -> bool:
        return bool(self.u(1))

    def ue(self, most: int) -> int:
        value = self.reader.ue(most)
        self.writer.ue(value)
        return value

    def se(self, most: int) -> int:
        value = self.reader.se(most)
        self.writer.se(value)
        return value

    def absent(self, what: str) -> None:
        """A flag that must be 0."""
        if self.flag():
            raise NotAccounted(f"a picture with {what}")


def _find_sps(units: tuple[bytes, ...], number: int, cicp: Cicp | None) -> Sps:
    """Reads a sequence parameter set (7.3.2.2) and rewrites it with the number 0."""
    reader, writer = _find(units, _SPS, number), BitWriter()
    copy = _Copy(reader, writer)
    reader.u(4)
    if reader.u(3):
        raise NotAccounted("a picture with several temporal layers")
    reader.u(1)
    writer.u(1, 8)
    profile = _read_profile(reader)
    _write_profile(writer, profile)
    reader.ue(15)
    writer.ue(0)
    chroma_format = copy.ue(3)
    if chroma_format == 3:
        copy.absent("separate colour planes")
    coded_wh = copy.ue(65535), copy.ue(65535)
    hidden_wh = _copy_window(copy, chroma_format)
    depth = 8 + copy.ue(8)
    if 8 + copy.ue(8) != depth and chroma_format:
        raise NotAccounted("a picture with two depths")
    poc_bits = 4 + reader.ue(12)
    writer.ue(0)
    reader.u(1)
    for _ in range(3):  # picture buffers: this is a single picture
        reader.ue()
    writer.u(1, 1)
    for _ in range(3):
        writer.ue(0)
    block_log2 = 3 + copy.ue(3)
    tree_log2 = block_log2 + copy.ue(3)
    sao = _copy_tools(copy)
    _skip_references(reader, poc_bits)
    writer.ue(0)
    writer.u(0, 1)
    copy.u(2)  # temporal motion vectors, strong intra smoothing
    inside, chroma_location = _skip_vui(reader) if reader.flag() else (None, None)
    cicp = cicp or inside
    _write_vui(writer, cicp, chroma_location)
    _copy_range_extension(copy, "sequence")
    reader.trailing()
    visible_wh = coded_wh[0] - hidden_wh[0], coded_wh[1] - hidden_wh[1]
    if min(visible_wh) < 1:
        raise ValueError("a picture without a size")
    rows = -(-coded_wh[1] >> tree_log2)
    unit = _unit(_SPS, writer)
    return Sps(
        number, unit, profile, visible_wh, hidden_wh, chroma_format, depth, sao, 1 << block_log2, rows, cicp
    )


def _copy_window(copy: _Copy, chroma_format: int) -> tuple[int, int]:
    """The conformance window: columns and rows that are hidden at the right and at the bottom."""
    if not copy.flag():
        return 0, 0
    left, right, top, bottom = (copy.ue(65535) for _ in range(4))
    if left or top:
        raise NotAccounted("a picture that hides coded rows or columns")
    return right * (2 if chroma_format in (1, 2) else 1), bottom * (2 if chroma_format == 1 else 1)


def _copy_tools(copy: _Copy) -> bool:
    """The fields from the transform blocks to PCM; returns whether sample adaptive offset is in use."""
    for _ in range(4):
        copy.ue(8)
    if copy.flag():
        copy.absent("scaling lists")
    copy.u(1)  # asymmetric partitions
    sao = copy.flag()
    if copy.flag():
        copy.u(4 + 4)
        copy.ue(3)
        copy.ue(3)
        copy.u(1)
    return sao


def _skip_references(reader: BitReader, poc_bits: int) -> None:
    """Short-term (7.3.7) and long-term reference sets, which an independent picture does not use."""
    sizes: list[int] = []
    for index in range(reader.ue(64)):
        if index and reader.flag():
            reader.u(1)
            reader.ue(65535)
            size = 0
            for _ in range(sizes[-1] + 1):
                used = reader.flag()
                size += used or reader.flag()
            sizes.append(size)
        else:
            sizes.append(reader.ue(16) + reader.ue(16))
            for _ in range(sizes[-1]):
                reader.ue(65535)
                reader.u(1)
    if reader.flag():
        for _ in range(reader.ue(32)):
            reader.u(poc_bits + 1)


def _skip_vui(reader: BitReader) -> tuple[Cicp | None, tuple[int, int] | None]:
    """Video usability information (E.2.1): the colours, and the chroma sample positions."""
    if reader.flag() and reader.u(8) == 255:
        reader.u(32)  # sample aspect ratio
    if reader.flag():
        reader.u(1)
    cicp = None
    if reader.flag():
        reader.u(3)
        full = reader.flag()
        cicp = (2, 2, 2, full)
        if reader.flag():
            cicp = (reader.u(8), reader.u(8), reader.u(8), full)
    location = (reader.ue(5), reader.ue(5)) if reader.flag() else None
    reader.u(3)
    if reader.flag():
        raise NotAccounted("a picture with a window for its display")
    if reader.flag():
        reader.u(64)
        if reader.flag():
            reader.ue((1 << 32) - 2)
        if reader.flag():
            raise NotAccounted("a picture with stream parameters")
    if reader.flag():
        reader.u(3)
        for _ in range(5):
            reader.ue(65535)
    return cicp, location


def _write_vui(writer: BitWriter, cicp: Cicp | None, chroma_location: tuple[int, int] | None) -> None:
    writer.flag(cicp is not None or chroma_location is not None)
    if cicp is None and chroma_location is None:
        return
    writer.u(0, 2)
    writer.flag(cicp is not None)
    if cicp is not None:
        writer.u(5, 3)  # video format unspecified
        writer.flag(cicp[3])
        writer.u(1, 1)
        for code in cicp[:3]:
            writer.u(code, 8)
    writer.flag(chroma_location is not None)
    for place in chroma_location or ():
        writer.ue(place)
    writer.u(0, 3 + 1 + 1 + 1)


def _copy_range_extension(copy: _Copy, of: str, *, transform_skip: bool = False) -> bool:
    """The extensions of a parameter set; returns whether a PPS has a list of chroma offsets."""
    if not copy.flag():
        return False
    extended = copy.flag()
    if copy.u(7):
        raise NotAccounted("a picture with an unknown extension")
    if not extended:
        return False
    if of == "sequence":
        copy.u(9)
        return False
    if transform_skip:
        copy.ue(3)
    copy.u(1)
    listed = copy.flag()
    if listed:
        copy.ue(3)
        for _ in range(2 * (copy.ue(5) + 1)):
            copy.se(12)
    copy.ue(8)
    copy.ue(8)
    return listed


def _find_pps(units: tuple[bytes, ...], number: int) -> Pps:
    """Reads a picture parameter set (7.3.2.3) and rewrites it for the sequence parameter set 0."""
    reader, writer = _find(units, _PPS, number), BitWriter()
    copy = _Copy(reader, writer)
    copy.ue(63)
    sps = reader.ue(15)
    writer.ue(0)
    copy.absent("dependent slices")
    output_flag = copy.flag()
    if copy.u(3):
        raise NotAccounted("a picture with reserved fields in its slices")
    copy.u(2)  # hidden signs, initial contexts
    for _ in range(2):  # reference pictures
        reader.ue(14)
        writer.ue(0)
    copy.se(64)  # quantiser
    copy.u(1)
    transform_skip = copy.flag()
    if copy.flag():
        copy.ue(3)
    copy.se(12)
    copy.se(12)
    chroma_qp_offsets = copy.flag()
    copy.u(2)
    copy.u(1)  # lossless blocks
    copy.absent("tiles")
    waves = copy.flag()
    across_slices = copy.flag()
    override, disabled = _copy_deblocking(copy)
    copy.absent("scaling lists")
    copy.u(1)
    copy.ue(8)
    copy.absent("extended slices")
    listed = _copy_range_extension(copy, "picture", transform_skip=transform_skip)
    reader.trailing()
    unit = _unit(_PPS, writer)
    return Pps(
        number, sps, unit, output_flag, chroma_qp_offsets, listed, override, disabled, across_slices, waves
    )


def _copy_deblocking(copy: _Copy) -> tuple[bool, bool]:
    """Whether slices may override the deblocking filter, and whether it is off."""
    if not copy.flag():
        return False, False
    override, disabled = copy.flag(), copy.flag()
    if not disabled:
        copy.se(6)
        copy.se(6)
    return override, disabled
