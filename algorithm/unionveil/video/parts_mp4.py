"""Accounts for every byte of an MP4 or MOV output: known boxes, and samples (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from .parts import Contents, Overlong

__all__ = ["contents_of_mp4", "is_cut_off_mp4", "is_encrypted_mp4", "size_of_mp4"]

_CONTAINERS = frozenset(
    {b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"udta", b"mvex", b"sinf", b"gmhd"}
)
_KNOWN = frozenset(
    {
        *(b"ftyp", b"moov", b"mdat", b"free", b"wide", b"mvhd", b"trak", b"tkhd", b"edts", b"elst", b"mdia"),
        *(b"mdhd", b"hdlr", b"minf", b"vmhd", b"smhd", b"dinf", b"dref", b"stbl", b"stsd", b"stts", b"ctts"),
        *(b"stss", b"stsc", b"stsz", b"stco", b"co64", b"sgpd", b"sbgp", b"sdtp", b"udta", b"meta"),
    }
)
"""The boxes that our muxer writes; all others are reported by name."""

_OF_SAMPLES = frozenset(
    {
        *(b"avcC", b"av1C", b"vpcC", b"esds", b"dOps", b"dac3", b"dec3", b"alac", b"wave", b"chan", b"srat"),
        *(b"colr", b"pasp", b"btrt", b"fiel", b"clap"),
    }
)
"""Boxes that describe samples (8.5.2): codecs' own headers, colours, pixel aspect ratio, rates."""

_VIDEO_HEAD_BYTES = 86
_SOUND_HEAD_BYTES = {0: 36, 1: 52, 2: 72}
"""Length of a sample entry before its boxes (12.1.3, 12.2.3), by the version that QuickTime gives sound."""

_HANDLERS = {b"vide": "video", b"soun": "sound"}
_MOST_BOX_BYTES = 64 << 20
_EMPTY_ILST = struct.pack(">I4s", 8, b"ilst")
_NAMES = (b"VideoHandler", b"SoundHandler", b"DataHandler", b"")


@dataclass(frozen=True)
class _Box:
    name: bytes
    start: int
    end: int


def contents_of_mp4(file: BinaryIO, size: int) -> Contents:
    """The streams of a file and everything in it that belongs to none of them.

    Args:
        file: seekable.
        size: its length.
    """
    streams: list[str] = []
    extra: list[str] = []
    samples = media = 0
    for box in _walk(file, 0, size, extra):
        if box.name == b"hdlr":
            _handler(_data(file, box), streams, extra)
        elif box.name == b"stsz":
            samples += _sample_bytes(_data(file, box))
        elif box.name == b"stsd":
            extra += _entries(_data(file, box), is_video=streams[-1:] == ["video"])
        elif box.name == b"mdat":
            media += box.end - box.start
        elif box.name == b"meta" and not _data(file, box).endswith(_EMPTY_ILST):
            extra.append("metadata in moov/udta/meta")
        elif box.name in (b"free", b"wide") and any(_data(file, box)):
            extra.append(f"bytes in a box {_shown(box.name)}")
        elif box.name not in _KNOWN:
            extra.append(f"a box {_shown(box.name)}")
    if samples != media:
        extra.append(f"{media - samples} bytes of media that belong to no stream")
    return Contents(tuple(streams), tuple(extra))


def is_encrypted_mp4(file: BinaryIO, size: int) -> bool:
    """Whether a stream is encrypted (ISO/IEC 23001-7): its sample entry is renamed and contains `sinf`."""
    for box in _walk(file, 0, size, []):
        if box.name == b"stsd":
            data = _data(file, box)
            if any(name in data for name in (b"encv", b"enca", b"sinf", b"drmi", b"drms")):
                return True
        if box.name == b"pssh":
            return True
    return False


def is_cut_off_mp4(file: BinaryIO, size: int) -> bool:
    """Whether the last box claims to be longer than the file."""
    extra: list[str] = []
    for _ in _walk(file, 0, size, extra, within=frozenset()):
        pass
    return any(isinstance(what, Overlong) for what in extra)


def size_of_mp4(file: BinaryIO, size: int) -> tuple[int, int] | None:
    """Width and height of the largest track, from its header (8.3.2); None if it has none."""
    sizes = [
        (width >> 16, height >> 16)
        for box in _walk(file, 0, size, [])
        if box.name == b"tkhd" and box.end - box.start >= _SIZE_BYTES
        for width, height in [struct.unpack(">II", _data(file, box)[-_SIZE_BYTES:])]
    ]
    return max(sizes, key=lambda wh: wh[0] * wh[1], default=None)


_SIZE_BYTES = 8


def _walk(
    file: BinaryIO, start: int, end: int, extra: list[str], within: frozenset[bytes] = _CONTAINERS
) -> Iterator[_Box]:
    """All boxes; those inside others come after them; the payload is between `start` and `end`."""
    while start < end:
        file.seek(start)
        head = file.read(16)
        if len(head) < 8 or end - start < 8:
            extra.append(f"{end - start} bytes after the last box")
            return
        length, name = struct.unpack(">I4s", head[:8])
        skip = 8
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
            skip = 16
        length = length or end - start
        if length < skip or start + length > end:
            extra.append(Overlong(f"a box {_shown(name)} that is longer than the file"))
            return
        box = _Box(name, start + skip, start + length)
        yield box
        if name in within:
            yield from _walk(file, box.start, box.end, extra, within)
        start += length


def _data(file: BinaryIO, box: _Box) -> bytes:
    file.seek(box.start)
    return file.read(min(box.end - box.start, _MOST_BOX_BYTES))


def _handler(data: bytes, streams: list[str], extra: list[str]) -> None:
    """8.4.3: the kind of a track, and a name that could contain anything."""
    kind, name = data[8:12], data[24:].strip(b"\0")
    if data[4:8] == b"dhlr" or kind == b"url ":  # QuickTime's handler of data
        kind = b"url "
    else:
        streams.append(_HANDLERS.get(kind, _shown(kind)))
    if name.lstrip(bytes([len(name) - 1])) not in _NAMES and name not in _NAMES:
        extra.append("a track's name")


def _entries(data: bytes, *, is_video: bool) -> Iterator[str]:
    """Contents of a track's sample descriptions that are not needed to decode the samples."""
    place = 8
    while place + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = min(place + length, len(data))
        version = int.from_bytes(data[place + 16 : place + 18], "big")
        inner = place + (_VIDEO_HEAD_BYTES if is_video else _SOUND_HEAD_BYTES.get(version, 36))
        while inner + 8 <= end:
            size, name = struct.unpack_from(">I4s", data, inner)
            if name not in _OF_SAMPLES:
                yield f"a box {_shown(name)}"
            inner += max(size, 8)
        place += max(length, 8)


def _sample_bytes(data: bytes) -> int:
    """8.7.3.2: the total size of all samples."""
    fixed, count = struct.unpack_from(">II", data, 4)
    if fixed:
        return int(fixed) * int(count)
    return sum(struct.unpack_from(f">{count}I", data, 12))


def _shown(name: bytes) -> str:
    return repr(name.decode("latin-1"))
