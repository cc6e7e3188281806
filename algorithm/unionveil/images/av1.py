"""AV1 stills: the sequence header and one frame.

Syntax: AV1 Bitstream and Decoding Process Specification (2019), 5.3 to 5.11. Decoder configuration: AV1 Codec
ISO Media File Format Binding, 2.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .bits import BitReader
from .coded import Cicp, Codec, CodedImage, NotAccounted

__all__ = ["account", "named_colours", "read_end", "recolour", "replace_end"]

_SEQUENCE_HEADER, _TEMPORAL_DELIMITER, _FRAME_HEADER, _TILE_GROUP, _FRAME = 1, 2, 3, 4, 6
_LEFT_OUT = frozenset({_TEMPORAL_DELIMITER, 5, 15})
"""Delimiters, metadata and padding: decoders show the same image without them."""

_IDENTITY, _SRGB_TRANSFER, _BT709 = 0, 13, 1
_SELECT = 2
_BLOCK = 8
"""Sides are coded as multiples of this (AV1, 5.9.9, `compute_image_size`)."""

_MAX_TILE_WIDTH, _MAX_TILE_AREA = 4096, 4096 * 2304


@dataclass(frozen=True)
class _Sequence:
    """Fields of a sequence header that frames, the configuration and the container depend on.

    `colours_at` is the bit offset of primaries, transfer and matrix, if they are present.
    """

    profile: int
    level: int
    tier: int
    reduced: bool
    size_bits: tuple[int, int]
    size_wh: tuple[int, int]
    screen_content: int
    integer_mv: int
    order_bits: int
    superres: bool
    superblock: int
    depth: int
    chroma: int
    sample_position: int
    cicp: Cicp
    colours_at: int | None


def recolour(image: CodedImage, primaries: int, transfer: int) -> CodedImage:
    """The image with other colours in its sequence header, if it has any; the samples stay.

    Args:
        image: what `account` returned.
        primaries: colour primaries (ITU-T H.273).
        transfer: transfer characteristics.
    """
    (kind, header), *others = _units(image.data)
    place = _read_sequence(BitReader(header)).colours_at
    if place is None or image.cicp is None:
        return image
    shift = 8 * len(header) - place - 16
    value = int.from_bytes(header, "big") & ~(0xFFFF << shift) | (primaries << 8 | transfer) << shift
    data = b"".join(_write_unit(*each) for each in [(kind, value.to_bytes(len(header), "big")), *others])
    return replace(image, data=data, cicp=(primaries, transfer, *image.cicp[2:]))


def named_colours(data: bytes) -> Cicp | None:
    """Colours in the first sequence header of an item, if it can be parsed."""
    try:
        header = next(body for kind, body in _units(data) if kind == _SEQUENCE_HEADER)
        return _read_sequence(BitReader(header)).cicp
    except (NotAccounted, ValueError, IndexError, StopIteration):
        return None


def account(data: bytes) -> CodedImage:
    """Parses a coded item and keeps only the parts that its image needs.

    Raises:
        NotAccounted: more than one frame, or a structure whose bytes are not all understood.
    """
    try:
        return _account(data)
    except (ValueError, IndexError) as error:
        raise NotAccounted(str(error)) from error


def _account(data: bytes) -> CodedImage:
    units = [unit for unit in _units(data) if unit[0] not in _LEFT_OUT]
    kinds = [kind for kind, _ in units]
    if kinds not in ([_SEQUENCE_HEADER, _FRAME], [_SEQUENCE_HEADER, _FRAME_HEADER, _TILE_GROUP]):
        raise NotAccounted("a coded picture of more than one frame")
    sequence = _read_sequence(BitReader(units[0][1]))
    size_wh, streams = _check_frame(BitReader(units[1][1][:64]), sequence)
    units[-1] = units[-1][0], units[-1][1].rstrip(b"\x00")
    coded = b"".join(_write_unit(kind, body) for kind, body in units)
    return CodedImage(
        Codec.AV1,
        size_wh,
        (-size_wh[0] % _BLOCK, -size_wh[1] % _BLOCK),
        sequence.depth,
        sequence.chroma,
        _write_configuration(sequence),
        coded,
        sequence.cicp,
        sequence.profile,
        streams,
    )


def _units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of every OBU (5.3)."""
    position = 0
    while position < len(data):
        head = data[position]
        if head & 0x85:  # forbidden bit, extension, reserved bit
            raise NotAccounted("a coded picture in layers")
        position += 1
        size = len(data) - position
        if head & 2:
            size, position = _leb128(data, position)
        if size > len(data) - position:
            raise ValueError("the lengths of the coded units do not fit")
        yield head >> 3 & 15, data[position : position + size]
        position += size


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = data[position + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, position + index + 1
    raise ValueError("a length in the coded picture is too long")


def _write_unit(kind: int, body: bytes) -> bytes:
    size, length = [], len(body)
    while True:
        size.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return bytes([kind << 3 | 2, *size]) + body


def _read_sequence(reader: BitReader) -> _Sequence:
    """The sequence header (5.5). Stills need not be marked as stills."""
    profile = reader.u(3)
    reader.u(1)
    reduced = reader.flag()
    level, tier = (reader.u(5), 0) if reduced else _read_operating_point(reader)
    bits = reader.u(4) + 1, reader.u(4) + 1
    size_wh = reader.u(bits[0]) + 1, reader.u(bits[1]) + 1
    if not reduced and reader.flag():
        raise NotAccounted("a picture with the numbers of a video's frames")
    superblock = 128 if reader.flag() else 64
    reader.u(2)  # filter intra, intra edge filter
    screen_content, integer_mv, order_bits = (_SELECT, _SELECT, 0) if reduced else _read_tools(reader)
    superres = reader.flag()
    reader.u(2)  # directional enhancement, restoration
    depth, chroma, sample_position, cicp, colours_at = _read_colours(reader, profile)
    reader.u(1)  # film grain
    reader.trailing()
    return _Sequence(
        profile,
        level,
        tier,
        reduced,
        bits,
        size_wh,
        screen_content,
        integer_mv,
        order_bits,
        superres,
        superblock,
        depth,
        chroma,
        sample_position,
        cicp,
        colours_at,
    )


def _read_operating_point(reader: BitReader) -> tuple[int, int]:
    if reader.flag():
        raise NotAccounted("a picture with the timing of a video")
    delay = reader.flag()
    if reader.u(5) or reader.u(12):
        raise NotAccounted("a coded picture in layers")
    level = reader.u(5)
    tier = reader.u(1) if level > 7 else 0
    if delay and reader.flag():
        reader.u(4)
    return level, tier


def _read_tools(reader: BitReader) -> tuple[int, int, int]:
    """How frames select screen content tools and integer motion vectors, and the bits of an order hint."""
    reader.u(4)  # interintra, masked compound, warped motion, dual filter
    order_hint = reader.flag()
    if order_hint:
        reader.u(2)
    screen_content = _SELECT if reader.flag() else reader.u(1)
    integer_mv = _SELECT
    if screen_content and not reader.flag():
        integer_mv = reader.u(1)
    return screen_content, integer_mv, reader.u(3) + 1 if order_hint else 0


def _read_colours(reader: BitReader, profile: int) -> tuple[int, int, int, Cicp, int | None]:
    """Depth, chroma sampling, chroma position, colours, and the bit offset of the colours (5.5.2)."""
    depth = 10 if reader.flag() else 8
    if profile == 2 and depth == 10:
        depth = 12 if reader.flag() else 10
    grey = profile != 1 and reader.flag()
    named = reader.flag()
    place = reader.position if named else None
    primaries, transfer, matrix = (reader.u(8), reader.u(8), reader.u(8)) if named else (2, 2, 2)
    if grey:
        return depth, 400, 0, (primaries, transfer, matrix, reader.flag()), place
    if (primaries, transfer, matrix) == (_BT709, _SRGB_TRANSFER, _IDENTITY):
        reader.u(1)
        return depth, 444, 0, (primaries, transfer, matrix, True), place
    full = reader.flag()
    halved = _chroma_halved(reader, profile, depth)
    position = reader.u(2) if all(halved) else 0
    reader.u(1)  # separate quantisers
    chroma = {(False, False): 444, (True, False): 422, (True, True): 420}[halved]
    return depth, chroma, position, (primaries, transfer, matrix, full), place


def _chroma_halved(reader: BitReader, profile: int, depth: int) -> tuple[bool, bool]:
    if profile == 0:
        return True, True
    if profile == 1:
        return False, False
    if depth < 12:
        return True, False
    across = reader.flag()
    return across, across and reader.flag()


def _check_frame(reader: BitReader, sequence: _Sequence) -> tuple[tuple[int, int], bool]:
    """Reads a frame header (5.9) up to its tiles; returns its size, and whether there are several tiles."""
    if not sequence.reduced and reader.u(4) != 0b0001:  # not another frame, a key frame, shown
        raise NotAccounted("a coded picture that is not shown at once")
    disable_update = reader.flag()
    screen_content = sequence.screen_content
    if screen_content == _SELECT:
        screen_content = reader.u(1)
    if screen_content and sequence.integer_mv == _SELECT:
        reader.u(1)
    other_size = False if sequence.reduced else reader.flag()
    reader.u(sequence.order_bits)
    size_wh = sequence.size_wh
    if other_size:
        size_wh = reader.u(sequence.size_bits[0]) + 1, reader.u(sequence.size_bits[1]) + 1
    coded_width = size_wh[0]
    if sequence.superres and reader.flag():
        denominator = reader.u(3) + 9
        coded_width = (size_wh[0] * 8 + denominator // 2) // denominator
    if reader.flag() and (reader.u(16) + 1, reader.u(16) + 1) != size_wh:
        raise NotAccounted("a picture that is to be shown in another size")
    if screen_content and coded_width == size_wh[0]:
        reader.u(1)
    if not sequence.reduced and not disable_update:
        reader.u(1)
    return size_wh, _has_tiles(reader, sequence, (coded_width, size_wh[1]))


def _has_tiles(reader: BitReader, sequence: _Sequence, size_wh: tuple[int, int]) -> bool:
    """Whether a frame is divided into several tiles (5.9.15)."""
    side = sequence.superblock
    across, down = (-(-2 * ((length + 7) // 8) * 4 // side) for length in size_wh)
    if across * side > _MAX_TILE_WIDTH or across * down * side * side > _MAX_TILE_AREA:
        return True
    uniform = reader.flag()
    return not uniform or any(reader.flag() for blocks in (across, down) if blocks > 1)


def _write_configuration(sequence: _Sequence) -> bytes:
    """The body of an `av1C` box."""
    fields = (
        sequence.tier << 7
        | (sequence.depth > 8) << 6
        | (sequence.depth > 10) << 5
        | (sequence.chroma == 400) << 4
        | (sequence.chroma != 444) << 3
        | (sequence.chroma in (400, 420)) << 2
        | sequence.sample_position
    )
    return bytes([0x81, sequence.profile << 5 | sequence.level, fields, 0])


def read_end(data: bytes, count: int) -> bytes:
    """The last bytes of the last frame of an item."""
    units, last = _last_frame(data)
    return units[last][1][-count:]


def replace_end(data: bytes, cut: int, more: bytes) -> bytes:
    """Replaces the end of an item's last frame.

    Args:
        data: OBUs.
        cut: bytes to leave out at the frame's end.
        more: bytes to put there.
    """
    units, last = _last_frame(data)
    kind, body = units[last]
    units[last] = kind, body[: len(body) - cut] + more
    return b"".join(_write_unit(kind, body) for kind, body in units)


def _last_frame(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    units = list(_units(data))
    last = max(index for index, (kind, _) in enumerate(units) if kind in (_FRAME, _TILE_GROUP))
    units[last] = units[last][0], units[last][1].rstrip(b"\x00")
    return units, last
