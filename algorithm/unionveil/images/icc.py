"""ICC profiles (ICC.1:2022 and ICC.1:2001-04), parsed and rewritten from the values that colour needs.

A profile is a small file in itself: it names makers, models, serial numbers and people, and private tags can
hold any bytes. None of that is copied.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Model", "clean_profile", "models", "profile_cicp"]

_MOST_BYTES = 16 * 2**20
"""A JPEG cannot carry more (255 segments); large press profiles take 2 to 8 MB."""

_MOST_TAGS = 200
"""Real profiles have 9 to 60 tags."""

_HEADER_BYTES = 128
_SPACES = {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}
_CLASSES = frozenset({b"scnr", b"mntr", b"prtr", b"spac"})
"""Input, display, output and colour space (clause 7.2.5); the other classes are not for images."""

_D50 = (0xF6D6, 0x10000, 0xD32D)
"""The profile connection space's illuminant as s15Fixed16 (clause 7.2.16)."""

_TABLES = (b"A2B0", b"A2B1", b"A2B2")
"""Device to connection space, by rendering intent (clause 9.2.1)."""

_DESCRIPTION, _COPYRIGHT = "colour profile", "not stated"

_Tag: TypeAlias = bytes
_Parser: TypeAlias = Callable[[bytes], bytes]
"""The body of a tag to the same value in its shortest form; reads no further than the value extends."""


class _Malformed(ValueError):
    """The profile breaks a rule of the standard that its colours depend on."""


@dataclass(frozen=True)
class _Profile:
    """The parsed header, and the offset and length of each tag."""

    major: int
    minor: int
    device_class: bytes
    space: bytes
    connection: bytes
    intent: int
    bodies: dict[_Tag, bytes]


def clean_profile(data: bytes, channels: int) -> bytes | None:
    """A profile with the same colours and nothing else: no names, no dates, no private tags, no gaps.

    The matrix, the curves, the tables, white and black point, chromatic adaptation and CICP are kept, each
    rewritten from its parsed values. The description and the copyright are neutral words.

    Args:
        data: a profile as stored in a file.
        channels: colour channels of the picture: 1 grey, 3 RGB, 4 CMYK.

    Returns:
        None if the profile does not parse or is for images of another kind. The image then has to be shown
        without a profile.
    """
    try:
        return _write(_parse(data, channels), channels)
    except (_Malformed, struct.error):
        return None


@dataclass(frozen=True)
class Model:
    """One of the ways in which a profile turns samples into colours.

    Attributes:
        profile: the profile, changed so that readers prefer this way.
        intent: rendering intent, 0 perceptual, 1 colorimetric, 2 saturation.
        tables: whether colours come from tables instead of curves and a matrix.
    """

    profile: bytes
    intent: int
    tables: bool


def models(data: bytes, channels: int) -> list[Model]:
    """All the ways in which viewers may show samples through a profile.

    A profile can hold tables for three intents as well as curves and a matrix. They should agree, but nothing
    enforces that, and viewers differ in which they use.

    Args:
        data: what `clean_profile` returned.
        channels: as for `clean_profile`.
    """
    profile = _parse(data, channels)
    intents = {name: intent for intent, name in enumerate(_TABLES) if name in profile.bodies}
    found = [Model(data, intent, tables=True) for intent in intents.values()]
    plain = {name: body for name, body in profile.bodies.items() if name not in _TABLES}
    with suppress(_Malformed):
        found.append(Model(_write(replace(profile, bodies=plain), channels), 0, tables=False))
    return found


def profile_cicp(data: bytes) -> tuple[int, int, int, bool] | None:
    """The CICP tag of a clean profile, as `Rendering.cicp`; it precedes the tables (clause 9.2.17).

    Args:
        data: what `clean_profile` returned.
    """
    for at in range(_HEADER_BYTES + 4, _HEADER_BYTES + 4 + 12 * int.from_bytes(data[128:132], "big"), 12):
        name, start = struct.unpack_from(">4sI", data, at)
        if name == b"cicp":
            primaries, transfer, matrix, full = data[start + 8 : start + 12]
            return primaries, transfer, matrix, bool(full)
    return None


def _parse(data: bytes, channels: int) -> _Profile:
    _require(_HEADER_BYTES + 4 <= len(data) <= _MOST_BYTES)
    size, version, device_class, space, connection = struct.unpack_from(">I4xI4s4s4s", data)
    _require(data[36:40] == b"acsp")
    _require(space == _SPACES.get(channels) and device_class in _CLASSES)
    _require(connection in (b"XYZ ", b"Lab "))
    major, minor = version >> 24, version >> 20 & 15
    _require(major in (2, 4) and minor <= 9)
    intent = int.from_bytes(data[64:68], "big")
    # Readers use the smaller of the two sizes; bytes after it belong to nothing.
    return _Profile(
        major,
        min(minor, 4),
        device_class,
        space,
        connection,
        intent if intent <= 3 else 0,
        _bodies(data[: max(size, _HEADER_BYTES + 4)]),
    )


def _bodies(data: bytes) -> dict[_Tag, bytes]:
    """Tags and their bytes, by the tag table; a repeated tag makes the profile invalid."""
    count = int.from_bytes(data[128:132], "big")
    _require(0 < count <= _MOST_TAGS)
    bodies = {}
    for index in range(count):
        name, start, length = struct.unpack_from(">4sII", data, _HEADER_BYTES + 4 + 12 * index)
        _require(name not in bodies)
        bodies[name] = data[start : start + length] if start >= _HEADER_BYTES else b""
    return bodies


def _write(profile: _Profile, channels: int) -> bytes:
    tags = _text_tags(profile.major) | _colour_tags(profile, channels)
    table, place, stored = b"", _HEADER_BYTES + 4 + 12 * len(tags), b""
    places: dict[bytes, int] = {}
    for name, body in tags.items():
        if body not in places:
            places[body] = place + len(stored)
            stored += _padded(body)
        table += struct.pack(">4sII", name, places[body], len(body))
    # Left at zero: preferred engine, date, platform, flags, manufacturer, model, attributes, creator, ID.
    header = struct.pack(
        ">I4xI4s4s4s12x4s24xIIII48x",
        place + len(stored),
        profile.major << 24 | profile.minor << 20,
        profile.device_class,
        profile.space,
        profile.connection,
        b"acsp",
        profile.intent,
        *_D50,
    )
    return header + struct.pack(">I", len(tags)) + table + stored


def _text_tags(major: int) -> dict[_Tag, bytes]:
    """The two texts that every profile must have (clause 8.2)."""
    if major >= 4:
        return {b"desc": _multi_localized(_DESCRIPTION), b"cprt": _multi_localized(_COPYRIGHT)}
    words = _DESCRIPTION.encode() + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(words)) + words + bytes(78)
    return {b"desc": description, b"cprt": b"text\0\0\0\0" + _COPYRIGHT.encode() + b"\0"}


def _multi_localized(words: str) -> bytes:
    text = words.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text


def _colour_tags(profile: _Profile, channels: int) -> dict[_Tag, bytes]:
    """The tags that colour needs, each in its shortest form.

    Raises:
        _Malformed: a tag that viewers use does not parse, or there is no complete model.
    """
    tags = {
        name: parse(profile.bodies[name])
        for name, parse in _viewer_tags(channels).items()
        if name in profile.bodies
    }
    for name, parse in _output_tags(channels).items():
        # No viewer needs these tags to show the image, so a broken one is left out.
        with suppress(_Malformed, struct.error):
            tags[name] = parse(profile.bodies.get(name, b""))
    matrix = {b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"}
    models = {1: [{b"A2B0"}, {b"kTRC"}], 3: [{b"A2B0"}, matrix], 4: [{b"A2B0"}]}[channels]
    _require(any(model <= tags.keys() for model in models))
    # A matrix can only lead to XYZ (clause 8.3.3).
    _require(b"A2B0" in tags or channels == 1 or profile.connection == b"XYZ ")
    return {b"wtpt": _xyz(b"XYZ \0\0\0\0" + struct.pack(">3I", *_D50))} | tags


def _viewer_tags(channels: int) -> dict[_Tag, _Parser]:
    """The tags that a viewer reads to show an image (clauses 8.3 to 8.6)."""
    tables: dict[_Tag, _Parser] = {name: lambda body: _table(body, b"mAB ", channels, 3) for name in _TABLES}
    common: dict[_Tag, _Parser] = {b"wtpt": _xyz, b"chad": _matrix}
    match channels:
        case 1:
            return common | tables | {b"kTRC": _curve}
        case 3:
            matrix = {b"rXYZ": _xyz, b"gXYZ": _xyz, b"bXYZ": _xyz}
            curves = {b"rTRC": _curve, b"gTRC": _curve, b"bTRC": _curve}
            return common | tables | matrix | curves | {b"cicp": _cicp}
        case _:
            return common | tables


def _output_tags(channels: int) -> dict[_Tag, _Parser]:
    """The tags that printing needs: the inverse transform, the gamut and the black point."""
    back: dict[_Tag, _Parser] = {
        name: lambda body: _table(body, b"mBA ", 3, channels) for name in (b"B2A0", b"B2A1", b"B2A2")
    }
    return back | {b"gamt": lambda body: _table(body, b"mBA ", 3, 1), b"bkpt": _xyz}


def _require(holds: bool) -> None:
    if not holds:
        raise _Malformed


def _take(data: bytes, start: int, length: int) -> bytes:
    _require(start >= 0 and start + length <= len(data))
    return data[start : start + length]


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _xyz(body: bytes) -> bytes:
    """Type `XYZ` (clause 10.31), only its first number: the tags of a profile have one each."""
    _require(body[:4] == b"XYZ ")
    return struct.pack(">4s4x3i", b"XYZ ", *_plausible(struct.unpack_from(">3i", body, 8)))


def _matrix(body: bytes) -> bytes:
    """Type `sf32` (clause 10.22), the nine numbers of a 3 x 3 matrix."""
    _require(body[:4] == b"sf32")
    return struct.pack(">4s4x9i", b"sf32", *_plausible(struct.unpack_from(">9i", body, 8)))


_MOST_FIXED = 16 << 16


def _plausible(fixed: tuple[int, ...]) -> tuple[int, ...]:
    """s15Fixed16 numbers in the range that colour transforms need; larger ones can spell out text."""
    _require(all(abs(number) <= _MOST_FIXED for number in fixed))
    return fixed


def _cicp(body: bytes) -> bytes:
    """Type `cicp` (clause 10.3)."""
    _require(body[:4] == b"cicp" and len(body) >= 12 and body[11] <= 1)
    return struct.pack(">4s4x4B", b"cicp", *body[8:12])


def _curve(body: bytes) -> bytes:
    """Type `curv` (clause 10.6) or `para` (clause 10.18)."""
    match body[:4]:
        case b"curv":
            (count,) = struct.unpack_from(">I", body, 8)
            _require(count <= 65536)
            samples = _take(body, 12, 2 * count)
            _require(_is_monotonic(np.frombuffer(samples, ">u2")))
            return struct.pack(">4s4xI", b"curv", count) + samples
        case b"para":
            (kind,) = struct.unpack_from(">H", body, 8)
            _require(kind <= 4)
            layout = f">{(1, 3, 4, 5, 7)[kind]}i"
            return struct.pack(">4s4xHxx", b"para", kind) + struct.pack(
                layout, *_plausible(struct.unpack_from(layout, body, 12))
            )
        case _:
            raise _Malformed


def _is_monotonic(samples: npt.NDArray[np.uint16]) -> bool:
    """Whether a curve only rises or only falls, as device curves do."""
    steps = np.diff(samples.astype(np.int32))
    return bool((steps >= 0).all() or (steps <= 0).all())


def _table(body: bytes, modern: bytes, inputs: int, outputs: int) -> bytes:
    """Types `mft1`, `mft2`, `mAB` and `mBA` (clauses 10.10 to 10.13)."""
    kind = body[:4]
    _require(len(body) >= 32 and body[8] == inputs and body[9] == outputs)
    if kind == modern:
        return _modern_table(body, inputs, outputs)
    grid = body[10]
    matrix = struct.pack(">9i", *struct.unpack_from(">9i", body, 12))
    match kind:
        case b"mft1":
            start, entries, width = 48, (256, 256), 1
            counts = b""
        case b"mft2":
            entries = struct.unpack_from(">2H", body, 48)
            _require(min(entries) >= 2 and max(entries) <= 4096)
            start, width = 52, 2
            counts = struct.pack(">2H", *entries)
        case _:
            raise _Malformed
    _require(grid >= 2)
    samples = inputs * entries[0] + grid**inputs * outputs + entries[1] * outputs
    head = struct.pack(">4s4x4B", kind, inputs, outputs, grid, 0)
    return head + matrix + counts + _take(body, start, samples * width)


def _modern_table(body: bytes, inputs: int, outputs: int) -> bytes:
    """The elements of an `mAB` or `mBA` table in a fixed order, without gaps between them.

    The B curves are next to the connection space, the A curves and the grid next to the device. Without a
    grid both sides have the same number of channels.
    """
    b_at, matrix_at, m_at, grid_at, a_at = struct.unpack_from(">5I", body, 12)
    to_connection = body[:4] == b"mAB "
    connection, device = (outputs, inputs) if to_connection else (inputs, outputs)
    _require(b_at > 0 and (grid_at > 0) == (a_at > 0) and (matrix_at > 0) <= (m_at > 0))
    _require(grid_at > 0 or inputs == outputs)
    parts = [
        _curves(body, b_at, connection),
        struct.pack(">12i", *struct.unpack_from(">12i", body, matrix_at)) if matrix_at else b"",
        _curves(body, m_at, connection) if m_at else b"",
        _grid(body, grid_at, inputs, outputs) if grid_at else b"",
        _curves(body, a_at, device) if a_at else b"",
    ]
    offsets, place = [], 32
    for part in parts:
        offsets.append(place if part else 0)
        place += len(part)
    return struct.pack(">4s4x2Bxx5I", body[:4], inputs, outputs, *offsets) + b"".join(parts)


def _curves(body: bytes, at: int, count: int) -> bytes:
    """Consecutive curves, each aligned to four bytes."""
    written = b""
    for _ in range(count):
        curve = _padded(_curve(body[at + len(written) :]))
        written += curve
    return written


def _grid(body: bytes, at: int, inputs: int, outputs: int) -> bytes:
    """A multi-dimensional table (clause 10.12.3)."""
    sides, precision = _take(body, at, inputs), _take(body, at + 16, 1)[0]
    _require(min(sides) >= 2 and precision in (1, 2))
    samples = outputs
    for side in sides:
        samples *= side
    values = _take(body, at + 20, samples * precision)
    return _padded(sides + bytes(16 - inputs) + bytes([precision, 0, 0, 0]) + values)
