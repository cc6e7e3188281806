"""The coded data of a lossy WebP, split into partitions.

Syntax: RFC 6386, sections 7 (boolean decoder), 9 and 19.2 (frame header).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

__all__ = ["KeyFrame", "read", "shortest", "write"]

_START_CODE = b"\x9d\x01\x2a"


@dataclass(frozen=True)
class KeyFrame:
    """A key frame.

    Attributes:
        version: of the bitstream, 0 to 3.
        size_wh: width and height in pixels.
        partitions: the first one, with headers and modes, then 1, 2, 4 or 8 with coefficients.
    """

    version: int
    size_wh: tuple[int, int]
    partitions: tuple[bytes, ...]


def read(data: bytes) -> KeyFrame:
    """Parses the body of a `VP8 ` chunk.

    Raises:
        ValueError: not a key frame that is shown, or its lengths do not fit.
    """
    if len(data) < 10 or data[3:6] != _START_CODE:
        raise ValueError("a lossy WebP without a start code")
    tag = int.from_bytes(data[:3], "little")
    if tag & 1 or not tag >> 4 & 1:
        raise ValueError("a lossy WebP whose picture is not a key frame")
    width, height = struct.unpack_from("<HH", data, 6)
    first, rest = _take(data[10:], tag >> 5)
    count = _coefficient_partitions(first)
    sizes, rest = _take(rest, 3 * (count - 1))
    partitions = [first]
    for index in range(count - 1):
        partition, rest = _take(rest, int.from_bytes(sizes[3 * index : 3 * index + 3], "little"))
        partitions.append(partition)
    # The upper two bits of a side ask viewers to enlarge the picture; no viewer does.
    return KeyFrame(tag >> 1 & 7, (width & 0x3FFF, height & 0x3FFF), (*partitions, rest))


def _take(data: bytes, size: int) -> tuple[bytes, bytes]:
    if size > len(data):
        raise ValueError("the lengths in a lossy WebP do not fit")
    return data[:size], data[size:]


class _Booleans:
    """The boolean decoder, for bits of equal probability."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:2].ljust(2, b"\x00"), "big")
        self._data = data
        self._position = 2
        self._range, self._shifted = 255, 0

    def flag(self) -> bool:
        split = 1 + ((self._range - 1) * 128 >> 8)
        bit = self._value >= split << 8
        if bit:
            self._range -= split
            self._value -= split << 8
        else:
            self._range = split
        while self._range < 128:
            self._value <<= 1
            self._range <<= 1
            self._shifted += 1
            if self._shifted == 8:
                self._shifted = 0
                self._value |= self._data[self._position] if self._position < len(self._data) else 0
                self._position += 1
        return bit

    def u(self, bits: int) -> int:
        value = 0
        for _ in range(bits):
            value = 2 * value + self.flag()
        return value

    def optional(self, count: int, bits: int) -> None:
        """Skips values that are each preceded by a flag."""
        for _ in range(count):
            if self.flag():
                self.u(bits)


def _coefficient_partitions(first: bytes) -> int:
    """Reads the frame header (19.2) up to the number of partitions with coefficients."""
    booleans = _Booleans(first)
    booleans.u(2)  # colour space, clamping
    if booleans.flag():
        update_map, update_data = booleans.flag(), booleans.flag()
        if update_data:
            booleans.u(1)
            booleans.optional(4, 7 + 1)
            booleans.optional(4, 6 + 1)
        if update_map:
            booleans.optional(3, 8)
    booleans.u(1 + 6 + 3)  # loop filter
    if booleans.flag() and booleans.flag():
        booleans.optional(8, 6 + 1)
    return 1 << booleans.u(2)


def write(frame: KeyFrame) -> bytes:
    """The body of a `VP8 ` chunk."""
    first, *others = frame.partitions
    tag = len(first) << 5 | 1 << 4 | frame.version << 1
    sizes = b"".join(len(each).to_bytes(3, "little") for each in others[:-1])
    head = tag.to_bytes(3, "little") + _START_CODE + struct.pack("<HH", *frame.size_wh)
    return head + first + sizes + b"".join(others)


def shortest(frame: KeyFrame, same: Callable[[KeyFrame], bool]) -> KeyFrame:
    """The picture with every partition cut to the shortest prefix that decodes to the same pixels.

    A decoder may need bytes that change no pixel, such as those of the rows below a picture whose height is
    not a multiple of 16. The last of these bytes are zeroed.

    Args:
        frame: a picture for which `same` is true.
        same: whether a picture decodes, without error, to the same pixels. libwebp refuses a picture in which
            a partition ends before its last symbol.
    """
    for index in range(len(frame.partitions)):
        for cut, first_steps in ((_cut, (1,)), (_clear, (1, 2, 3))):
            whole, size = frame, len(frame.partitions[index])
            size = _least(size, lambda size: same(cut(whole, index, size)), first_steps)  # noqa: B023
            frame = cut(frame, index, size)
    return frame


def _cut(frame: KeyFrame, index: int, size: int) -> KeyFrame:
    before, partition, behind = (
        frame.partitions[:index],
        frame.partitions[index],
        frame.partitions[index + 1 :],
    )
    return replace(frame, partitions=(*before, partition[:size], *behind))


def _clear(frame: KeyFrame, index: int, size: int) -> KeyFrame:
    """Zeroes all bytes of a partition from `size` on."""
    before, partition, behind = (
        frame.partitions[:index],
        frame.partitions[index],
        frame.partitions[index + 1 :],
    )
    zeros = bytes(len(partition) - size)
    return replace(frame, partitions=(*before, partition[:size] + zeros, *behind))


def _least(size: int, fits: Callable[[int], bool], first_steps: Sequence[int]) -> int:
    """The smallest size that fits, searched from the largest down in growing steps.

    Args:
        size: fits.
        fits: whether another size fits.
        first_steps: tried in turn. The arithmetic decoder reads two bytes ahead: clearing one byte may change
            the picture when clearing two or three does not.
    """
    step = next((step for step in first_steps if step <= size and fits(size - step)), None)
    if step is None:
        return size
    size, step = size - step, 2 * step
    while size and fits(max(0, size - step)):
        size = max(0, size - step)
        step *= 2
    low = max(-1, size - step)
    while size - low > 1:
        middle = (low + size) // 2
        if fits(middle):
            size = middle
        else:
            low = middle
    return size
