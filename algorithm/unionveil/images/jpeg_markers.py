"""The markers of a JPEG: parses them, and writes a file with the same coded data and nothing else.

Markers and segments: ITU-T T.81, annex B. JFIF and Adobe segments: ITU-T T.871 and T.872. Where files are
ambiguous, the rules of libjpeg decide, as in every browser.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from ..errors import UnreadableImage, UnsupportedImage
from .orientation import read_density, read_orientation

__all__ = ["Component", "Jpeg", "Model", "exif_segment", "has_standard_tables", "head", "parse", "with_head"]

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _DAC, _DNL = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xCC, 0xDC
_DHP, _EXP, _COM = 0xDE, 0xDF, 0xFE
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_SOF = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, _DAC}
_DECODABLE_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_PROGRESSIVE_SOF = frozenset({0xC2, 0xCA})
_ARITHMETIC_SOF = frozenset({0xC9, 0xCA})
_DAMAGED = "the JPEG is damaged: "

_MOST_SCANS = 100
"""Encoders write about ten; files with thousands exist only to burn time."""

_UNSENT = 16
"""The missing bits of a coefficient that no scan contains; a scan leaves at most 13 to others."""

# fmt: off
_ZIGZAG = np.array([  # T.81, figure A.6: position in the file -> position in the 8x8 block
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5, 12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13,  6,  7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
])

_STANDARD_TABLES = frozenset(bytes.fromhex(table) for table in (  # T.81, K.3: class, lengths and values
    "00" "00010501010101010100000000000000" "000102030405060708090a0b",
    "00" "00030101010101010101010000000000" "000102030405060708090a0b",
    "10" "0002010303020403050504040000017d"
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a2526272829"
    "2a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92"
    "939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5"
    "e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
    "10" "00020102040403040705040400010277"
    "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a2627"
    "28292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a8283848586878889"
    "8a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4"
    "e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa",
))
# fmt: on


class Model(Enum):
    """Meaning of the components."""

    GREY = "luma"
    YCC = "luma and chroma"
    RGB = "red, green, blue"
    CMYK = "inks"
    YCCK = "inks, the coloured ones as luma and chroma"


@dataclass(frozen=True)
class Component:
    """One component of the picture as stored.

    Attributes:
        horizontal: sampling factor, 1 to 4.
        vertical: sampling factor, 1 to 4.
        table: quantisation table, `(8, 8)` int32, rows are vertical frequencies; at least 1.
    """

    horizontal: int
    vertical: int
    table: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Jpeg:
    """The parsed markers of a JPEG.

    Attributes:
        data: a file with the same frame and coded data and rewritten markers: no metadata, no bytes between
            segments, no scan that is not part of the picture.
        size_wh: as stored, before the orientation.
        components: at least one.
        model: meaning of the components.
        adobe: whether it has Adobe's segment, which decides the polarity of CMYK.
        progressive: whether the scans are progressive.
        whole: whether the scans contain every coefficient. Decoders guess the coefficients that a progressive
            file leaves out, so its coefficients alone are not what viewers show.
        standard_tables: whether all scans use the Huffman tables of T.81, K.3.
        orientation: of the first EXIF segment, 1 to 8.
        density_xy: pixels per metre as stored, of the JFIF segment or else the first EXIF segment.
        icc: colour profile as stored in the file, unchecked.
    """

    data: bytes
    size_wh: tuple[int, int]
    components: tuple[Component, ...]
    model: Model
    adobe: bool
    progressive: bool
    whole: bool
    standard_tables: bool
    orientation: int
    density_xy: tuple[float, float] | None
    icc: bytes | None


@dataclass
class _Frame:
    """The frame header, and the state of the scans read so far.

    Attributes:
        tables: quantisation table of each component that has had a scan, as of its first scan.
        missing_bits: for each such component, how many low bits each of its 64 coefficients lacks.
    """

    marker: int
    size_wh: tuple[int, int]
    ids: bytes
    sampling: list[tuple[int, int]]
    table_numbers: list[int]
    tables: dict[int, npt.NDArray[np.int32]] = field(default_factory=dict)
    missing_bits: dict[int, list[int]] = field(default_factory=dict)

    @property
    def progressive(self) -> bool:
        return self.marker in _PROGRESSIVE_SOF

    @property
    def complete(self) -> bool:
        """Whether a sequential picture is complete: later data belong to no picture, or to another one."""
        return not self.progressive and len(self.tables) == len(self.ids)

    def parts(self) -> bytes:
        """The components for a frame header, numbered: their own IDs would be copied bytes."""
        parts = zip(self.sampling, self.table_numbers, strict=True)
        return b"".join(bytes([name, h << 4 | v, table]) for name, ((h, v), table) in enumerate(parts, 1))


class _Parser:
    """Parses one segment after the other."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.frame: _Frame | None = None
        self.adobe: int | None = None
        self.jfif: bytes | None = None
        self.exif: bytes | None = None
        self.standard_tables = True
        self._icc: list[tuple[int, int, bytes]] = []
        self._quantization: dict[int, npt.NDArray[np.int32]] = {}
        self._huffman: dict[int, bytes] = {}

    def segment(self, marker: int, body: bytes, scan: bytes) -> None:
        """One segment: its marker, the data after its length, and the coded data of a scan."""
        if self.frame is not None and self.frame.complete:
            return
        if marker in _SOF:
            if self.frame is not None:
                raise UnsupportedImage("a JPEG of several frames is not handled")
            self.frame = _frame(marker, body)
            self._keep(marker, body[:6] + self.frame.parts())
        elif marker == _SOS:
            self._scan(body, scan)
        elif marker == _DQT:
            self._quantization.update(_quantization(body))
            self._keep(marker, body)
        elif marker == _DHT:
            self._huffman.update(_huffman(body))
            self._keep(marker, body)
        elif marker in (_DRI, _DAC):
            self._keep(marker, body)
        elif marker == _DNL:
            raise UnsupportedImage("a JPEG that gives its height at the end is not handled")
        elif marker in (_DHP, _EXP):
            raise UnsupportedImage("a hierarchical JPEG is not handled")
        elif self.frame is None or not self.frame.tables:
            self._application(marker, body)

    def _application(self, marker: int, body: bytes) -> None:
        if marker == _APP1 and body.startswith(b"Exif\x00") and self.exif is None:
            self.exif = body
        elif marker == _APP2 and body.startswith(b"ICC_PROFILE\x00") and len(body) > 14:
            self._icc.append((body[12], body[13], body[14:]))
        elif marker == _APP0 and body.startswith(b"JFIF\x00") and len(body) >= 14:
            self.jfif = body
        elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            self.adobe = body[11]

    def _keep(self, marker: int, body: bytes, scan: bytes = b"") -> None:
        self.kept += (_segment(marker, body), scan)

    def _scan(self, body: bytes, scan: bytes) -> None:
        frame = self.frame
        if frame is None or not body or len(body) != 4 + 2 * body[0]:
            raise UnreadableImage(f"{_DAMAGED}a scan has no proper header")
        places = [frame.ids.find(name) for name in body[1:-3:2]]
        if not places or min(places) < 0 or len(set(places)) != len(places):
            raise UnreadableImage(f"{_DAMAGED}a scan names an unknown component")
        limits = body[-3:] if frame.progressive else b"\x00\x3f\x00"
        for place in places:
            self._begin(frame, place, limits[0] == 0)
            first, last, low = limits[0], limits[1] + 1, limits[2] & 15
            frame.missing_bits[place][first:last] = [low] * (last - first)
        if frame.marker in _ARITHMETIC_SOF or not self._standard(body):
            self.standard_tables = False
        parts = b"".join(
            bytes([place + 1, tables]) for place, tables in zip(places, body[2:-3:2], strict=True)
        )
        self._keep(_SOS, body[:1] + parts + limits, scan)

    def _begin(self, frame: _Frame, place: int, first: bool) -> None:
        if place in frame.tables:
            if not frame.progressive:
                raise UnreadableImage(f"{_DAMAGED}it holds a part of its picture twice")
            return
        table = self._quantization.get(frame.table_numbers[place])
        if table is None or not first:
            raise UnreadableImage(f"{_DAMAGED}a scan lacks what should stand in front of it")
        frame.tables[place] = table
        frame.missing_bits[place] = [_UNSENT] * 64

    def _standard(self, body: bytes) -> bool:
        """Whether a scan uses the standard tables; missing ones count as standard, as in Motion JPEG."""
        names = {kind | number for pair in body[2:-3:2] for kind, number in ((0, pair >> 4), (16, pair & 15))}
        return all(self._huffman[name] in _STANDARD_TABLES for name in names if name in self._huffman)

    def model(self, ids: bytes) -> Model:
        """The meaning of components with these IDs, as libjpeg decides (`default_decompress_parms`)."""
        match len(ids):
            case 1:
                return Model.GREY
            case 4:
                return Model.CMYK if self.adobe in (None, 0) else Model.YCCK
            case _:
                pass
        if self.jfif is not None:
            return Model.YCC
        if self.adobe is not None:
            return Model.RGB if self.adobe == 0 else Model.YCC
        return Model.RGB if ids == b"RGB" else Model.YCC

    def icc(self) -> bytes | None:
        """The profile, if each of its parts is present exactly once."""
        parts = sorted(self._icc)
        whole = [number for number, _, _ in parts] == list(range(1, len(parts) + 1))
        if not parts or not whole or {count for _, count, _ in parts} != {len(parts)}:
            return None
        return b"".join(part for _, _, part in parts)


def parse(data: bytes) -> Jpeg:
    """Reads the markers of a JPEG.

    Args:
        data: a whole file that begins with its start marker.

    Raises:
        UnreadableImage: cut off or damaged.
        UnsupportedImage: a variant that is not handled.
    """
    parser = _Parser()
    for marker, body, scan in _segments(data):
        parser.segment(marker, body, scan)
    frame = parser.frame
    if frame is None:
        raise UnreadableImage(f"{_DAMAGED}it does not say how large it is")
    missing = {bits for coefficients in frame.missing_bits.values() for bits in coefficients}
    if len(frame.tables) < len(frame.ids) or missing - {0, _UNSENT}:
        raise UnreadableImage("the JPEG is cut off: a part of its picture is missing")
    exif = parser.exif or b""
    model = parser.model(frame.ids)
    adobe = parser.adobe is not None
    return Jpeg(
        b"".join([_SOI_BYTES, _colour_marker(model, adobe, None), *parser.kept, _EOI_BYTES]),
        frame.size_wh,
        tuple(Component(*frame.sampling[place], frame.tables[place]) for place in range(len(frame.ids))),
        model,
        adobe,
        frame.progressive,
        _UNSENT not in missing,
        parser.standard_tables,
        read_orientation(exif),
        _jfif_density(parser.jfif) or read_density(exif),
        parser.icc(),
    )


_SOI_BYTES, _EOI_BYTES = b"\xff\xd8", b"\xff\xd9"


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Segments up to the end marker: marker, body, and the coded data after the header of a scan.

    Bytes between segments belong to none, and are skipped as in libjpeg.
    """
    markers = _markers(data)
    position = 2
    scans = 0
    while True:
        start = _next(markers, position)
        marker = data[start - 1]
        if marker == _EOI:
            return
        if marker in (_SOI, 0x01):
            raise UnreadableImage(f"{_DAMAGED}it has a marker in the wrong place")
        length = int.from_bytes(data[start : start + 2], "big")
        end = position = start + length
        if length < 2 or end > len(data):
            raise UnreadableImage("the JPEG is cut off inside a segment")
        if marker == _SOS:
            scans += 1
            if scans > _MOST_SCANS:
                raise UnsupportedImage(f"the JPEG has more than {_MOST_SCANS} scans")
            position = _next(markers, end) - 2
        yield marker, data[start + 2 : end], data[end:position]


def _markers(data: bytes) -> npt.NDArray[np.intp]:
    """Offsets of markers that end coded data: neither stuffed bytes nor restart markers."""
    stored = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(stored[:-1] == 0xFF)
    codes = stored[places + 1]
    return places[(codes != 0) & (codes & 0xF8 != 0xD0) & (codes != 0xFF)]


def _next(markers: npt.NDArray[np.intp], position: int) -> int:
    """Offset of the next marker's body."""
    index = np.searchsorted(markers, position)
    if index == len(markers):
        raise UnreadableImage("the JPEG is cut off: its end is missing")
    return int(markers[index]) + 2


def _frame(marker: int, body: bytes) -> _Frame:
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise UnreadableImage(f"{_DAMAGED}it does not say how large it is")
    precision, height, width, components = struct.unpack_from(">BHHB", body)
    if marker not in _DECODABLE_SOF or precision != 8:
        raise UnsupportedImage("only 8-bit baseline and progressive JPEGs are handled")
    if components not in (1, 3, 4) or not width or not height:
        raise UnsupportedImage(f"a JPEG of {width}x{height} with {components} components is not handled")
    ids, sampling, tables = body[6::3], body[7::3], body[8::3]
    # A single component is never subsampled, whatever its factors.
    factors = [(value >> 4, value & 15) for value in sampling] if components > 1 else [(1, 1)]
    if len(set(ids)) != components or not all(1 <= factor <= 4 for pair in factors for factor in pair):
        raise UnreadableImage(f"{_DAMAGED}its components do not make sense")
    most = [max(pair) for pair in zip(*factors, strict=True)]
    if any(most[0] % horizontal or most[1] % vertical for horizontal, vertical in factors):
        raise UnsupportedImage("a JPEG whose samples are not on whole pixels is not handled")
    return _Frame(marker, (width, height), ids, factors, list(tables))


def _quantization(body: bytes) -> Iterator[tuple[int, npt.NDArray[np.int32]]]:
    position = 0
    while position < len(body):
        wide, number = body[position] >> 4, body[position] & 15
        size = 128 if wide else 64
        if position + 1 + size > len(body):
            raise UnreadableImage(f"{_DAMAGED}a quantisation table is cut off")
        stored = np.frombuffer(body, ">u2" if wide else "u1", 64, position + 1)
        if not stored.all():
            raise UnreadableImage(f"{_DAMAGED}a quantisation table holds a zero")
        table = np.zeros(64, np.int32)
        table[_ZIGZAG] = stored
        yield number, table.reshape(8, 8)
        position += 1 + size


def _huffman(body: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(body):
        end = position + 17 + sum(body[position + 1 : position + 17])
        if end > len(body):
            raise UnreadableImage(f"{_DAMAGED}a Huffman table is cut off")
        yield body[position], bytes([body[position] & 0xF0]) + body[position + 1 : end]
        position = end


def _jfif_density(jfif: bytes | None) -> tuple[float, float] | None:
    """T.871, 10.1: dots per inch or centimetre, or an aspect ratio alone."""
    if jfif is None:
        return None
    unit, x, y = struct.unpack_from(">BHH", jfif, 7)
    per_metre = {1: 1 / 0.0254, 2: 100.0}.get(unit)
    return (x * per_metre, y * per_metre) if per_metre and x and y else None


def _colour_marker(model: Model, adobe: bool, density_xy: tuple[float, float] | None) -> bytes:
    """The segments that define the components. Plain CMYK has none: Adobe's would invert it."""
    match model:
        case Model.GREY | Model.YCC:
            return _jfif(density_xy)
        case Model.CMYK if not adobe:
            return _jfif(density_xy) if density_xy else b""
        case Model.RGB | Model.CMYK:
            transform = 0
        case Model.YCCK:
            transform = 2
    # JFIF would turn RGB into luma and chroma.
    jfif = _jfif(density_xy) if density_xy and model is not Model.RGB else b""
    return jfif + _segment(_APP14, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))


def _jfif(density_xy: tuple[float, float] | None) -> bytes:
    unit, x, y = 0, 1, 1
    if density_xy is not None:
        inches = [value * 0.0254 for value in density_xy]
        whole = all(abs(value - round(value)) < 1e-3 for value in inches)
        centimetres = [value / 100 for value in density_xy]
        if not whole and all(abs(value - round(value)) < 1e-3 for value in centimetres):
            unit, values = 2, centimetres
        else:
            unit, values = 1, inches
        x, y = (min(65535, max(1, round(value))) for value in values)
    return _segment(_APP0, b"JFIF\x00" + struct.pack(">BBBHHBB", 1, 1, unit, x, y, 0, 0))


_MOST_ICC_BYTES = 65_533 - 14
"""Capacity of a segment, without the name and the part numbers (ICC.1:2022, B.4)."""


def head(
    model: Model, *, adobe: bool, density_xy: tuple[float, float] | None = None, icc: bytes | None = None
) -> bytes:
    """Everything before the tables: start marker, colour model, density and profile.

    Args:
        model: meaning of the components.
        adobe: whether a CMYK file has Adobe's segment.
        density_xy: pixels per metre, rounded to whole dots per inch or centimetre; files with RGB components
            cannot store it.
        icc: colour profile of at most 16 MB.
    """
    parts = [icc[at : at + _MOST_ICC_BYTES] for at in range(0, len(icc), _MOST_ICC_BYTES)] if icc else []
    profile = (
        _segment(_APP2, b"ICC_PROFILE\x00" + bytes([number, len(parts)]) + part)
        for number, part in enumerate(parts, 1)
    )
    return _SOI_BYTES + _colour_marker(model, adobe, density_xy) + b"".join(profile)


def with_head(data: bytes, new: bytes) -> bytes:
    """An encoder's JPEG with other segments before its tables.

    Args:
        data: a whole file.
        new: what `head` returned.
    """
    position = 2
    while _APP0 <= data[position + 1] <= _APP15 or data[position + 1] == _COM:
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return new + data[position:]


def exif_segment(block: bytes) -> bytes:
    """The segment of a block of EXIF of less than 64 KB."""
    return _segment(_APP1, b"Exif\x00\x00" + block)


def has_standard_tables(data: bytes) -> bool:
    """Whether a sequential file has the Huffman tables of T.81, K.3, for its first scan.

    Args:
        data: a whole file, as an encoder wrote it.
    """
    position = 2
    tables: dict[int, bytes] = {}
    while (marker := data[position + 1]) != _SOS:
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == _DHT:
            tables |= dict(_huffman(data[position + 4 : end]))
        elif marker in _SOF and marker not in (0xC0, 0xC1):
            return False
        position = end
    components = data[position + 4]
    scan = data[position + 5 : position + 5 + 2 * components]
    used = {kind | number for pair in scan[1::2] for kind, number in ((0, pair >> 4), (16, pair & 15))}
    return all(tables.get(name) in _STANDARD_TABLES for name in used)
