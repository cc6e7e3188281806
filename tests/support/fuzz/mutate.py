"""Damages files: flips, cuts and repeats bytes, changes lengths, moves, doubles and exchanges pieces."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from .seeds import MARKER

_NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    8,
    16,
    127,
    128,
    255,
    256,
    1024,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0xFFFFFFFF,
)


def mutation(seeds: dict[str, bytes], number: int) -> tuple[str, bytes]:
    """The file with a number, always the same: the name of its seed, and its bytes."""
    rng = np.random.default_rng([20, number])
    names = list(seeds)
    name = names[number % len(names)]
    data = seeds[name]
    if number < len(names):
        return name, data  # each seed once unchanged
    for _ in range(int(rng.integers(1, 4))):
        match int(rng.integers(0, 10)):
            case 0 | 1 | 2 | 3:
                data = _rearrange(data, seeds[names[int(rng.integers(0, len(names)))]], rng)
            case 4:
                data = _splice(data, seeds[names[int(rng.integers(0, len(names)))]], rng)
            case _:
                data = _damage(data, rng)
        if not data:
            break
    return name, data


def _damage(data: bytes, rng: np.random.Generator) -> bytes:
    """Changes any bytes, those of the head more often than others."""
    changed = bytearray(data)
    head = min(len(changed), 600)
    place = int(rng.integers(0, head if rng.random() < 0.5 else len(changed)))
    length = int(rng.integers(1, 40))
    match int(rng.integers(0, 7)):
        case 0 | 1:
            changed[place] ^= 1 << int(rng.integers(0, 8))
        case 2:
            changed[place : place + length] = rng.bytes(length)
        case 3:
            del changed[place : place + length]
        case 4:
            changed[place:place] = MARKER if rng.random() < 0.5 else changed[place : place + length]
        case 5:
            size, order = int(rng.choice([2, 4])), str(rng.choice(["big", "little"]))
            value = _NUMBERS[int(rng.integers(0, len(_NUMBERS)))] % 256**size
            changed[place : place + size] = value.to_bytes(size, "big" if order == "big" else "little")
        case _:
            del changed[int(rng.integers(1, len(changed))) :]
    return bytes(changed)


def _splice(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The head of one file and the tail of another."""
    return data[: int(rng.integers(0, len(data)))] + other[int(rng.integers(0, len(other))) :]


def _rearrange(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Pieces left out, doubled, swapped, taken from another file, stretched or followed by a marker."""
    head, pieces = split(data)
    if len(pieces) < 2:
        return _damage(data, rng)
    first, second = (int(value) for value in rng.integers(0, len(pieces), 2))
    match int(rng.integers(0, 6)):
        case 0:
            del pieces[first]
        case 1:
            pieces.insert(second, pieces[first])
        case 2:
            pieces[first], pieces[second] = pieces[second], pieces[first]
        case 3:
            others = split(other)[1] or [MARKER]
            pieces.insert(first, others[int(rng.integers(0, len(others)))])
        case 4:
            pieces[first] = _lengthen(data, pieces[first], int(rng.integers(-8, 40)))
        case _:
            pieces.insert(first, MARKER)
    return head + b"".join(pieces)


def split(data: bytes) -> tuple[bytes, list[bytes]]:
    """Head and pieces of a file: segments, chunks, blocks or boxes; a single piece if the format has none."""
    if data.startswith(b"\xff\xd8"):
        return data[:2], _segments(data, 2)
    if data.startswith(b"\x89PNG"):
        return data[:8], _lengthy(data, 8, ">I", 12)
    if data.startswith(b"RIFF"):
        return data[:12], _lengthy(data, 12, "<4xI", 8, even=True)
    if data[4:8] == b"ftyp":
        return b"", _lengthy(data, 0, ">I", 0)
    if data.startswith((b"II*\0", b"MM\0*")):
        return data[:8], [data[at : at + 12] for at in range(8, len(data), 12)]
    if data.startswith(b"GIF8"):
        table = 3 * 2 ** ((data[10] & 7) + 1) if len(data) > 10 and data[10] & 0x80 else 0
        blocks = data[13 + table :].split(b"\0")
        return data[: 13 + table], [block + b"\0" for block in blocks]
    return data[:14], [data[at : at + 40] for at in range(14, len(data), 40)]


def _segments(data: bytes, at: int) -> list[bytes]:
    pieces = []
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        pieces.append(data[at:end])
        at = end
    return [*pieces, data[at:]]


def _lengthy(data: bytes, at: int, layout: str, around: int, *, even: bool = False) -> list[bytes]:
    pieces = []
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(layout, data, at)
        end = at + max(8, length + around + (length % 2 if even else 0))
        pieces.append(data[at:end])
        at = end
    return [*pieces, data[at:]] if at < len(data) else pieces


def _lengthen(data: bytes, piece: bytes, by: int) -> bytes:
    """A piece with a longer or shorter body, and a matching length field and checksum."""
    tail = (MARKER * 2)[:by] if by > 0 else b""
    if data.startswith(b"\x89PNG") and len(piece) >= 12:
        body = piece[4:-4] + tail if by >= 0 else piece[4 : max(8, len(piece) - 4 + by)]
        return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    if data.startswith(b"\xff\xd8") and len(piece) >= 4:
        body = piece[4:] + tail if by >= 0 else piece[4 : max(4, len(piece) + by)]
        return piece[:2] + struct.pack(">H", min(65535, len(body) + 2)) + body
    if data.startswith(b"RIFF") and len(piece) >= 8:
        body = piece[8:] + tail if by >= 0 else piece[8 : max(8, len(piece) + by)]
        return piece[:4] + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
    if data[4:8] == b"ftyp" and len(piece) >= 8:
        body = piece[4:] + tail if by >= 0 else piece[4 : max(8, len(piece) + by)]
        return struct.pack(">I", len(body) + 4) + body
    return piece + tail
