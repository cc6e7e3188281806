"""Accounts for every element of a Matroska or WebM output (RFC 9559)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from .parts import Contents, Overlong

__all__ = ["contents_of_mkv", "is_cut_off_mkv", "is_encrypted_mkv", "size_of_mkv"]

_MASTERS = frozenset(
    {
        *(0x1A45DFA3, 0x18538067, 0x114D9B74, 0x4DBB, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0xE1, 0x55B0),
        *(0x1F43B675, 0xA0, 0x1C53BB6B, 0xBB, 0xB7, 0x1254C367, 0x7373, 0x63C0, 0x67C8, 0x6D80, 0x6240),
        *(0x5035, 0x55D0),
    }
)
"""Elements that contain others: EBML, Segment, SeekHead, Seek, Info, Tracks, TrackEntry, Video, Audio,
Colour, Cluster, BlockGroup, Cues, CuePoint, CueTrackPositions, Tags, Tag, Targets, SimpleTag, encodings."""

_KNOWN = frozenset(
    {
        # EBML and its DocType; Void and CRC-32, whose contents are checked.
        *(0x4286, 0x42F7, 0x42F2, 0x42F3, 0x4282, 0x4287, 0x4285, 0xEC, 0xBF),
        # SeekID, SeekPosition; TimestampScale, MuxingApp, WritingApp, Duration.
        *(0x53AB, 0x53AC, 0x2AD7B1, 0x4D80, 0x5741, 0x4489),
        # TrackNumber, TrackUID, FlagLacing, CodecID, CodecDelay, SeekPreRoll, TrackType, DefaultDuration,
        # CodecPrivate, Language, FlagDefault, FlagEnabled, MinCache, MaxBlockAdditionID.
        *(
            0xD7,
            0x73C5,
            0x9C,
            0x86,
            0x56AA,
            0x56BB,
            0x83,
            0x23E383,
            0x63A2,
            0x22B59C,
            0x88,
            0xB9,
            0x6DE7,
            0x55EE,
        ),
        # PixelWidth, PixelHeight, DisplayWidth, DisplayHeight, DisplayUnit, FlagInterlaced, and of Colour:
        # MatrixCoefficients, Range, TransferCharacteristics, Primaries, chroma siting, bits.
        *(0xB0, 0xBA, 0x54B0, 0x54BA, 0x54B2, 0x9A, 0x55B1, 0x55B9, 0x55BA, 0x55BB, 0x55B7, 0x55B8, 0x55B2),
        # SamplingFrequency, OutputSamplingFrequency, Channels, BitDepth.
        *(0xB5, 0x78B5, 0x9F, 0x6264),
        # Timestamp, SimpleBlock, Block, BlockDuration, ReferenceBlock, DiscardPadding, Position, PrevSize.
        *(0xE7, 0xA3, 0xA1, 0x9B, 0xFB, 0x75A2, 0xA7, 0xAB),
        # CueTime, CueTrack, CueClusterPosition, CueRelativePosition, CueDuration.
        *(0xB3, 0xF7, 0xF1, 0xF0, 0xB2),
        # TagTrackUID, TagName, TagString.
        *(0x63C5, 0x45A3, 0x4487),
    }
)
"""The elements that our muxer writes; all others are reported by number."""

_TRACK_TYPE, _TAG_NAME, _VOID, _LANGUAGE, _WRITING_APP, _MUXING_APP = (
    0x83,
    0x45A3,
    0xEC,
    0x22B59C,
    0x5741,
    0x4D80,
)
_TYPES = {1: "video", 2: "sound"}
_TAGS = (b"DURATION",)
"""The muxer writes the duration of each track as a tag."""
_ENCRYPTION = 0x5035
_CLUSTER = 0x1F43B675


@dataclass(frozen=True)
class _Element:
    number: int
    start: int
    end: int


def contents_of_mkv(file: BinaryIO, size: int) -> Contents:
    """The streams of a file and everything in it that belongs to none of them.

    Args:
        file: seekable.
        size: its length.
    """
    streams: list[str] = []
    extra: list[str] = []
    for element in _walk(file, 0, size, extra):
        if element.number not in _KNOWN and element.number not in _MASTERS - {_ENCRYPTION, 0x6D80}:
            extra.append(f"an element 0x{element.number:X}")
        elif element.number == _TRACK_TYPE:
            kind = int.from_bytes(_data(file, element), "big")
            streams.append(_TYPES.get(kind, f"track type {kind}"))
        elif element.number == _TAG_NAME and _data(file, element).rstrip(b"\0") not in _TAGS:
            extra.append("a tag")
        elif element.number == _VOID and any(_data(file, element)):
            extra.append("bytes in a void element")
        elif element.number == _LANGUAGE and _data(file, element) not in (b"und", b"eng"):
            extra.append("a track's language")
        elif element.number in (_WRITING_APP, _MUXING_APP) and not _data(file, element).startswith(b"Lavf"):
            extra.append("a note of the program that wrote it")
    return Contents(tuple(streams), tuple(extra))


def is_encrypted_mkv(file: BinaryIO, size: int) -> bool:
    """Whether a track is encrypted (ContentEncryption, RFC 9559, 5.1.4.1.31.8)."""
    for element in _walk(file, 0, size, []):
        if element.number == _ENCRYPTION:
            return True
        if element.number == _CLUSTER:
            return False
    return False


def is_cut_off_mkv(file: BinaryIO, size: int) -> bool:
    """Whether the segment claims to be longer than the file."""
    extra: list[str] = []
    for _ in _walk(file, 0, size, extra, within=frozenset()):
        pass
    return any(isinstance(what, Overlong) for what in extra)


def size_of_mkv(file: BinaryIO, size: int) -> tuple[int, int] | None:
    """Width and height of the first video track; None if no track has them."""
    found: dict[int, int] = {}
    for element in _walk(file, 0, size, []):
        if element.number in _SIZE:
            found[element.number] = int.from_bytes(_data(file, element), "big")
        if element.number == _CLUSTER or len(found) == len(_SIZE):
            break
    return (found[_SIZE[0]], found[_SIZE[1]]) if len(found) == len(_SIZE) else None


_SIZE = (0xB0, 0xBA)


def _walk(
    file: BinaryIO, start: int, end: int, extra: list[str], within: frozenset[int] = _MASTERS
) -> Iterator[_Element]:
    """All elements; those inside others come after them (RFC 8794, 4 and 5)."""
    while start < end:
        file.seek(start)
        head = file.read(12)
        number, used = _vint(head, keep=True)
        length, more = _vint(head[used:], keep=False)
        if not used or not more:
            extra.append(f"{end - start} bytes that are not an element")
            return
        first = start + used + more
        is_open = length == (1 << (7 * more)) - 1  # its size is unknown: it ends with its parent
        last = end if is_open else first + length
        if last > end:
            extra.append(Overlong(f"an element 0x{number:X} that is longer than the file"))
            return
        yield _Element(number, first, last)
        if number in within:
            yield from _walk(file, first, last, extra, within)
        start = last


def _vint(data: bytes, *, keep: bool) -> tuple[int, int]:
    """A variable-length number and its number of bytes; 0 bytes if it is not one."""
    if not data or not data[0]:
        return 0, 0
    length = 9 - data[0].bit_length()
    if len(data) < length:
        return 0, 0
    value = int.from_bytes(data[:length], "big")
    return (value if keep else value & ((1 << (7 * length)) - 1)), length


def _data(file: BinaryIO, element: _Element) -> bytes:
    file.seek(element.start)
    return file.read(min(element.end - element.start, 1 << 20))
