"""HEVC stills: one slice, and the parameter sets that it needs.

Syntax: ITU-T H.265 (2021), 7.3.
"""

from __future__ import annotations

import struct

from .bits import BitReader
from .coded import Cicp, Codec, CodedImage, NotAccounted
from .nal import escape, is_plain, kind_of, nal_units, trimmed, unescape
from .parameter_sets import Pps, Sps, parameter_sets, write_configuration

__all__ = ["account", "length_size", "read_end", "replace_end"]

_IDR = (19, 20)
_CODED_SLICES = range(32)
_PARAMETER_SETS = range(32, 35)


def account(hvcc: bytes, data: bytes, cicp: Cicp | None) -> CodedImage:
    """Parses a coded item and keeps only the parts that its image needs.

    Args:
        hvcc: body of the `hvcC` box.
        data: the item: NAL units, each after its length.
        cicp: colours that the container gives; they replace those of the coded data.

    Raises:
        NotAccounted: more than one slice, or a structure whose bytes are not all understood.
    """
    try:
        return _account(hvcc, data, cicp)
    except (ValueError, IndexError, struct.error) as error:
        raise NotAccounted(str(error)) from error


def _account(hvcc: bytes, data: bytes, cicp: Cicp | None) -> CodedImage:
    units = list(nal_units(data, length_size(hvcc)))
    slices = [unit for unit in units if kind_of(unit) in _CODED_SLICES]
    # Messages, delimiters and filler before or after the slice are left out.
    if len(slices) != 1 or any(kind_of(unit) in _PARAMETER_SETS for unit in units):
        raise NotAccounted("a coded picture of several slices, or with parameter sets in between")
    unit = trimmed(slices[0])
    if kind_of(unit) not in _IDR or not is_plain(unit):
        raise NotAccounted("a coded picture that is not an independent one")
    rbsp = unescape(unit)
    sps, pps = parameter_sets(hvcc, _slice_pps(rbsp), cicp)
    if max(sps.hidden_wh) >= sps.block:
        raise NotAccounted("a picture that hides coded rows or columns")
    streams = _read_slice_header(rbsp, sps, pps) > 1
    coded = escape(rbsp)
    return CodedImage(
        Codec.HEVC,
        sps.size_wh,
        sps.hidden_wh,
        sps.depth,
        (400, 420, 422, 444)[sps.chroma_format],
        write_configuration(sps, pps),
        struct.pack(">I", len(coded)) + coded,
        sps.cicp,
        sps.profile.idc,
        streams,
    )


def _slice_pps(rbsp: bytes) -> int:
    reader = BitReader(rbsp[:64])
    reader.u(16)
    if not reader.flag():
        raise NotAccounted("a picture whose first slice is missing")
    reader.u(1)
    return reader.ue(63)


def _read_slice_header(rbsp: bytes, sps: Sps, pps: Pps) -> int:
    """Reads a slice's header (7.3.6.1) up to the entropy-coded data; returns their number of streams."""
    reader = BitReader(rbsp[:65536])
    reader.u(16 + 2)
    reader.ue(63)
    if reader.ue(2) != 2:
        raise NotAccounted("a picture that is predicted from others")
    if pps.output_flag and not reader.flag():
        raise NotAccounted("a picture that is not to be shown")
    filtered = False
    if sps.sao:
        filtered = reader.flag()
        if sps.chroma_format:
            filtered |= reader.flag()
    reader.se(64)
    if pps.chroma_qp_offsets:
        reader.se(12)
        reader.se(12)
    if pps.chroma_qp_offset_list:
        reader.u(1)
    disabled = pps.deblocking_disabled
    if pps.deblocking_override and reader.flag():
        disabled = reader.flag()
        if not disabled:
            reader.se(6)
            reader.se(6)
    if pps.across_slices and (filtered or not disabled):
        reader.u(1)
    more = reader.ue(16384) if pps.waves else 0
    if more:
        bits = reader.ue(31) + 1
        for _ in range(more):
            reader.u(bits)
    if pps.waves and more + 1 != sps.rows:
        raise ValueError("a slice without an entry point for every row")
    if not reader.flag():
        raise ValueError("a slice header does not end where it should")
    reader.zeros(-reader.position % 8)
    return more + 1


def read_end(data: bytes, length_size: int, count: int) -> bytes:
    """The last bytes of an item's last slice, without emulation prevention."""
    units, last = _last_slice(data, length_size)
    return unescape(trimmed(units[last]))[-count:]


def replace_end(data: bytes, length_size: int, cut: int, more: bytes) -> bytes:
    """Replaces the end of an item's last slice.

    Args:
        data: NAL units, each after its length.
        length_size: bytes of a length.
        cut: bytes to leave out at the slice's end, counted without emulation prevention bytes.
        more: bytes to put there.
    """
    units, last = _last_slice(data, length_size)
    rbsp = unescape(trimmed(units[last]))
    units[last] = escape(rbsp[: len(rbsp) - cut] + more)
    return b"".join(len(unit).to_bytes(length_size, "big") + unit for unit in units)


def _last_slice(data: bytes, length_size: int) -> tuple[list[bytes], int]:
    units = list(nal_units(data, length_size))
    slices = [index for index, unit in enumerate(units) if kind_of(unit) in _CODED_SLICES and is_plain(unit)]
    if not slices:
        raise ValueError("a coded picture without slices")
    return units, slices[-1]


def length_size(hvcc: bytes) -> int:
    """Bytes of the lengths in an item, from the body of its `hvcC` box."""
    return (hvcc[21] & 3) + 1
