"""ICC profiles built by hand: every tag type, with a marker wherever a profile can hide one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

MARKER = b"MARKERINAPROFILE"
CURVE_TAGS = (b"rTRC", b"gTRC", b"bTRC")
MATRIX_TAGS = (b"rXYZ", b"gXYZ", b"bXYZ")
P3_D50 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
"""Red, green and blue of Display P3, adapted to D50 (SMPTE EG 432-1 and Bradford's matrix)."""


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + fixed(*values)


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def sampled(values: list[int]) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(f">I{len(values)}H", len(values), *values)


def parametric(kind: int, *values: float) -> bytes:
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + fixed(*values)


SRGB_CURVE = parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def lut8(inputs: int, outputs: int, grid: list[int], side: int) -> bytes:
    curve = bytes(range(256))
    head = b"mft1\0\0\0\0" + bytes([inputs, outputs, side, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return head + curve * inputs + bytes(grid) + curve * outputs


def lut16(inputs: int, outputs: int, grid: list[int], side: int) -> bytes:
    curve = struct.pack(">2H", 0, 65535)
    head = b"mft2\0\0\0\0" + bytes([inputs, outputs, side, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table = struct.pack(f">{len(grid)}H", *grid)
    return head + struct.pack(">2H", 2, 2) + curve * inputs + table + curve * outputs


def modern(kind: bytes, inputs: int, outputs: int, grid: list[int], side: int, gap: bytes = b"") -> bytes:
    """lutAToBType or lutBToAType with all five elements, a gap before each."""
    pad = gap + bytes(-len(gap) % 4)
    connection, device = (outputs, inputs) if kind == b"mAB " else (inputs, outputs)
    curve = parametric(0, 1.0)
    parts = [
        curve * connection,
        fixed(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0),
        (gamma(1) + bytes(2)) * connection,
        bytes([side] * inputs + [0] * (16 - inputs)) + b"\2\0\0\0" + struct.pack(f">{len(grid)}H", *grid),
        curve * device,
    ]
    body, offsets = b"", []
    for part in parts:
        offsets.append(32 + len(body) + len(pad))
        body += pad + part + bytes(-len(part) % 4)
    return kind + bytes(4) + struct.pack(">2Bxx5I", inputs, outputs, *offsets) + body


def profile(
    tags: dict[bytes, bytes],
    *,
    space: bytes = b"RGB ",
    connection: bytes = b"XYZ ",
    kind: bytes = b"mntr",
    major: int = 4,
    gap: bytes = b"",
    tail: bytes = b"",
) -> bytes:
    """A profile with given header fields, gaps and tail."""
    table, place, stored = b"", 132 + 12 * len(tags) + len(gap), gap
    for name, body in tags.items():
        table += struct.pack(">4sII", name, place + len(stored) - len(gap), len(body))
        stored += body + gap + bytes(-len(body + gap) % 4)
    header = struct.pack(
        ">I4s4B4s4s4s6H4s4sI4s4s8sI3i4s16s28x",
        place + len(stored) - len(gap) + len(tail),
        MARKER[:4],
        *(major, 0x30, 0, 0),
        *(kind, space, connection),
        *(2024, 5, 17, 10, 20, 30),
        *(b"acsp", MARKER[:4], 0, MARKER[:4], MARKER[:4], MARKER[:8]),
        1,
        *(0xF6D6, 0x10000, 0xD32D),
        MARKER[:4],
        MARKER[:16],
    )
    return header + struct.pack(">I", len(tags)) + table + stored + tail


def texts() -> dict[bytes, bytes]:
    word = MARKER.decode().encode("utf-16-be")
    localized = b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(word), 28) + word
    return {b"desc": localized, b"cprt": localized, b"dmnd": localized, b"mmod": MARKER, b"vcgt": MARKER * 9}


def matrix_profile(
    primaries: Sequence[Sequence[float]] = P3_D50, curve: bytes = SRGB_CURVE, **options: Any
) -> bytes:
    tags = {b"wtpt": xyz(0.9642, 1, 0.8249)}
    tags |= {name: xyz(*column) for name, column in zip(MATRIX_TAGS, primaries, strict=True)}
    tags |= dict.fromkeys(CURVE_TAGS, curve)
    return profile(texts() | tags | options.pop("more", {}), **options)


def cube(outputs: int, side: int, top: int, inputs: int = 3) -> list[int]:
    """A table from inputs to light; with four inputs, each makes it darker."""
    values = []
    for index in range(side**inputs):
        digits = [index // side**place % side for place in reversed(range(inputs))]
        levels = [digit * top // (side - 1) for digit in digits]
        if inputs == 4:
            levels = [max(0, top - level - levels[3]) for level in levels[:3]]
        values += (levels * outputs)[:outputs]
    return values
