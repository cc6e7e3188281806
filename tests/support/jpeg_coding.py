"""Reads and writes the coefficients of Huffman-coded JPEGs by ITU-T T.81, independent of the product's code.

Reads baseline, extended and progressive scans (annexes F and G), interleaved or not, with restart intervals,
and asserts that every byte of them belongs to a block. Writes baseline files, odd ones too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np


def zigzag() -> list[int]:
    """Position in a scan to position in the block, row-major (figure A.6)."""
    places = [(row, column) for row in range(8) for column in range(8)]
    places.sort(key=lambda p: (sum(p), p[0] if sum(p) % 2 else p[1]))
    return [8 * row + column for row, column in places]


ZIGZAG = zigzag()

Codes: TypeAlias = dict[tuple[int, int], int]
"""Symbol by length and bits of its code."""

Part: TypeAlias = tuple[int, int, np.ndarray]
"""Sampling factors and blocks of a component."""


@dataclass
class Component:
    horizontal: int
    vertical: int
    table_number: int
    blocks: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 64), np.int32))  # of whole coded units
    shape: tuple[int, int] = (0, 0)  # blocks with a part of the picture
    table: np.ndarray | None = None


class Bits:
    def __init__(self, data: bytes) -> None:
        self.data, self.place, self.left, self.value = data, 0, 0, 0

    def bit(self) -> int:
        if not self.left:
            if self.place >= len(self.data):
                raise EOFError("the coded data end too early")
            self.value, self.left, self.place = self.data[self.place], 8, self.place + 1
        self.left -= 1
        return (self.value >> self.left) & 1

    def bits(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self.bit()
        return value

    def signed(self, count: int) -> int:
        """F.2.2.1, EXTEND."""
        value = self.bits(count)
        return value if not count or value >> (count - 1) else value - (1 << count) + 1

    def symbol(self, table: Codes) -> int:
        code = 0
        for length in range(1, 17):
            code = code << 1 | self.bit()
            if (length, code) in table:
                return table[length, code]
        raise ValueError("there is no such code")


def huffman(body: bytes) -> Iterator[tuple[int, dict[tuple[int, int], int]]]:
    while body:
        counts, values = body[1:17], iter(body[17:])
        table, code = {}, 0
        for length, count in enumerate(counts, 1):
            for _ in range(count):
                table[length, code] = next(values)
                code += 1
            code <<= 1
        yield body[0], table
        body = body[17 + sum(counts) :]


def read(data: bytes, *, whole_units: bool = False) -> list[Component]:
    """Components with their blocks, `(rows, columns, 64)` in row-major order, and quantisation tables.

    Args:
        data: a whole file.
        whole_units: whether to include the blocks that only fill the last coded units.
    """
    components: dict[int, Component] = {}
    tables: dict[int, np.ndarray] = {}
    codes: dict[int, dict[tuple[int, int], int]] = {}
    interval, progressive = 0, False
    for marker, body, coded in segments(data):
        if marker == 0xDB:
            tables |= dict(quantization(body))
        elif marker == 0xC4:
            codes |= dict(huffman(body))
        elif marker == 0xDD:
            (interval,) = struct.unpack(">H", body)
        elif marker in (0xC0, 0xC1, 0xC2):
            components, progressive = frame(body), marker == 0xC2
        elif marker == 0xDA:
            Scan(body, components, codes, interval, progressive).read(coded)
    for part in components.values():
        part.table = tables[part.table_number]
        if not whole_units:
            part.blocks = part.blocks[: part.shape[0], : part.shape[1]]
    return list(components.values())


def segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    place = 2
    while data[place + 1] != 0xD9:
        assert data[place] == 0xFF, "there are bytes between the segments"
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        stop = end
        if data[place + 1] == 0xDA:
            while data[stop] != 0xFF or data[stop + 1] == 0 or 0xD0 <= data[stop + 1] <= 0xD7:
                stop += 1
        yield data[place + 1], data[place + 4 : end], data[end:stop]
        place = stop


def quantization(body: bytes) -> Iterator[tuple[int, np.ndarray]]:
    while body:
        size = 128 if body[0] >> 4 else 64
        table = np.zeros(64, int)
        table[ZIGZAG] = np.frombuffer(body[1 : 1 + size], ">u2" if size == 128 else "u1")
        yield body[0] & 15, table.reshape(8, 8)
        body = body[1 + size :]


def frame(body: bytes) -> dict[int, Component]:
    height, width = struct.unpack_from(">HH", body, 1)
    parts = {
        name: Component(hv >> 4, hv & 15, table)
        for name, hv, table in zip(body[6::3], body[7::3], body[8::3], strict=True)
    }
    across = max(part.horizontal for part in parts.values())
    down = max(part.vertical for part in parts.values())
    units = -(-height // (8 * down)), -(-width // (8 * across))
    for part in parts.values():
        part.blocks = np.zeros((units[0] * part.vertical, units[1] * part.horizontal, 64), np.int32)
        samples = -(-height * part.vertical // down), -(-width * part.horizontal // across)
        part.shape = -(-samples[0] // 8), -(-samples[1] // 8)
    return parts


class Scan:
    def __init__(
        self,
        body: bytes,
        components: dict[int, Component],
        codes: dict[int, Codes],
        interval: int,
        progressive: bool,
    ) -> None:
        self.parts = [
            (components[name], codes.get(pair >> 4, {}), codes.get(16 | pair & 15, {}))
            for name, pair in zip(body[1:-3:2], body[2:-3:2], strict=True)
        ]
        self.first, self.last, bits = body[-3:]
        self.high, self.low = bits >> 4, bits & 15
        self.interval, self.progressive = interval, progressive

    def units(self) -> list[list[tuple[int, int, int]]]:
        """The blocks of each coded unit: part, row and column (A.2)."""
        if len(self.parts) == 1:
            rows, columns = self.parts[0][0].shape
            return [[(0, row, column)] for row in range(rows) for column in range(columns)]
        first = self.parts[0][0]
        rows, columns = first.blocks.shape[0] // first.vertical, first.blocks.shape[1] // first.horizontal
        return [
            [
                (index, row * part.vertical + y, column * part.horizontal + x)
                for index, (part, _, _) in enumerate(self.parts)
                for y in range(part.vertical)
                for x in range(part.horizontal)
            ]
            for row in range(rows)
            for column in range(columns)
        ]

    def read(self, coded: bytes) -> None:
        units = self.units()
        step = self.interval or len(units)
        rest = coded
        for number, start in enumerate(range(0, len(units), step)):
            stop = next((i for i in range(len(rest) - 1) if rest[i] == 0xFF and rest[i + 1]), len(rest))
            self.bits, self.run = Bits(rest[:stop].replace(b"\xff\x00", b"\xff")), 0
            self.means = [0] * len(self.parts)
            for unit in units[start : start + step]:
                for index, row, column in unit:
                    self.block(index, self.parts[index][0].blocks[row, column])
            assert len(self.bits.data) == self.bits.place, "there are bytes that belong to no block"
            if start + step < len(units):
                assert rest[stop + 1] == 0xD0 + number % 8, "a restart marker is missing"
            rest = rest[stop + 2 :]
        assert not rest, "there are bytes after the last block"

    def block(self, index: int, block: np.ndarray) -> None:
        _, dc, ac = self.parts[index]
        if self.first == 0 and self.high:
            block[0] |= self.bits.bit() << self.low
        elif self.first == 0:
            self.means[index] += self.bits.signed(self.bits.symbol(dc))
            block[0] = self.means[index] * (1 << self.low)
        if not self.progressive:
            self.sequential(block, ac)
        elif self.first and self.high:
            self.refine(block, ac)
        elif self.first:
            self.begin(block, ac)

    def sequential(self, block: np.ndarray, ac: Codes) -> None:
        place = 1
        while place < 64:
            run, size = divmod(self.bits.symbol(ac), 16)
            if not size and run < 15:
                break
            place += run
            if size:
                block[ZIGZAG[place]] = self.bits.signed(size)
            place += 1

    def begin(self, block: np.ndarray, ac: Codes) -> None:
        """G.1.2.2."""
        if self.run:
            self.run -= 1
            return
        place = self.first
        while place <= self.last:
            run, size = divmod(self.bits.symbol(ac), 16)
            if not size and run < 15:
                self.run = (1 << run) - 1 + self.bits.bits(run)
                break
            place += run
            if size:
                block[ZIGZAG[place]] = self.bits.signed(size) * (1 << self.low)
            place += 1

    def refine(self, block: np.ndarray, ac: Codes) -> None:
        """G.1.2.3."""
        place = self.first
        while place <= self.last and not self.run:
            run, size = divmod(self.bits.symbol(ac), 16)
            new = 0
            if size:
                new = (1 if self.bits.bit() else -1) << self.low
            elif run < 15:
                self.run = (1 << run) + self.bits.bits(run)
                break
            while place <= self.last:
                target = ZIGZAG[place]
                place += 1
                if block[target]:
                    self.correct(block, target)
                elif run:
                    run -= 1
                else:
                    block[target] = new
                    break
        if self.run:
            for later in range(place, self.last + 1):
                if block[ZIGZAG[later]]:
                    self.correct(block, ZIGZAG[later])
            self.run -= 1

    def correct(self, block: np.ndarray, place: int) -> None:
        if self.bits.bit():
            block[place] += (1 if block[place] > 0 else -1) << self.low


def write(
    parts: list[Part],
    size_wh: tuple[int, int],
    *,
    ids: bytes = b"\x01\x02\x03\x04",
    table: int = 16,
    scans: list[list[int]] | None = None,
    in_front: bytes = b"",
) -> bytes:
    """A baseline JPEG whose Huffman tables have an eight-bit code for each symbol that it needs.

    Args:
        parts: sampling factors and blocks, `(rows, columns, 64)` of whole coded units, of each component.
        size_wh: width and height in its header.
        ids: names of the components.
        table: every value of its quantisation table.
        scans: indices of the components in each scan; all in one by default.
        in_front: segments after the start marker.
    """
    names = [*zip(ids, parts, strict=False)]
    header = struct.pack(">BHHB", 8, *size_wh[::-1], len(parts))
    header += b"".join(bytes([name, h << 4 | v, 0]) for name, (h, v, _) in names)
    out = b"\xff\xd8" + in_front + segment(0xDB, bytes([0] + [table] * 64)) + segment(0xC0, header)
    for chosen in scans or [list(range(len(parts)))]:
        symbols = list(coded([names[index][1] for index in chosen], size_wh, parts))
        alphabets = [sorted({code for kind, code, _, _ in symbols if kind == which}) for which in (0, 1)]
        for kind, alphabet in enumerate(alphabets):
            counts = bytes(len(alphabet) if length == 8 else 0 for length in range(1, 17))
            out += segment(0xC4, bytes([kind << 4]) + counts + bytes(alphabet))
        body = bytes([len(chosen)]) + b"".join(bytes([ids[index], 0]) for index in chosen) + b"\x00\x3f\x00"
        bits = "".join(
            f"{alphabets[kind].index(code):08b}" + (f"{value:0{size}b}" if size else "")
            for kind, code, size, value in symbols
        )
        bits += "1" * (-len(bits) % 8)
        packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
        out += segment(0xDA, body) + packed.replace(b"\xff", b"\xff\x00")
    return out + b"\xff\xd9"


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def coded(
    chosen: Sequence[Part], size_wh: tuple[int, int], parts: Sequence[Part]
) -> Iterator[tuple[int, int, int, int]]:
    """Symbols of a scan: 0 for a DC and 1 for an AC symbol, the symbol, and the bits that follow it."""
    across, down = max(h for h, _, _ in parts), max(v for _, v, _ in parts)
    means = [0] * len(chosen)
    if len(chosen) == 1:
        h, v, _ = chosen[0]
        rows, columns = -(-size_wh[1] * v // (8 * down)), -(-size_wh[0] * h // (8 * across))
        places = [(0, row, column) for row in range(rows) for column in range(columns)]
    else:
        rows, columns = -(-size_wh[1] // (8 * down)), -(-size_wh[0] // (8 * across))
        places = [
            (index, row * v + y, column * h + x)
            for row in range(rows)
            for column in range(columns)
            for index, (h, v, _) in enumerate(chosen)
            for y in range(v)
            for x in range(h)
        ]
    for index, row, column in places:
        block = chosen[index][2][row, column]
        difference, means[index] = int(block[0]) - means[index], int(block[0])
        yield 0, abs(difference).bit_length(), *extended(difference)
        run = 0
        for place in range(1, 64):
            value = int(block[ZIGZAG[place]])
            if not value:
                run += 1
                continue
            while run > 15:
                yield 1, 0xF0, 0, 0
                run -= 16
            yield 1, run << 4 | abs(value).bit_length(), *extended(value)
            run = 0
        if run:
            yield 1, 0, 0, 0


def extended(value: int) -> tuple[int, int]:
    """Number of bits, and their value (table F.1)."""
    size = abs(value).bit_length()
    return size, value if value >= 0 else value + (1 << size) - 1
