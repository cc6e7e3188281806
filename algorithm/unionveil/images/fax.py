"""Whether fax data is whole: a strict reader of ITU-T T.4 (one and two dimensions) and T.6.

libtiff completes damaged fax data with white or shifted rows and only issues a warning, which no Python
package passes on. This reader decodes no image; it follows the codes and refuses the first wrong one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from ..errors import UnreadableImage

__all__ = ["check_fax"]

_DAMAGED = "the TIFF is damaged: its fax data has a code that does not exist, or rows of a wrong length"

_WINDOW = 13
"""Bits of the longest code."""

_BLOCK_BYTES = 1 << 16

# T.4, tables 2 and 3: codes of the runs 0 to 63, and of 64, 128 and so on.
_WHITE = (
    "00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100 110101 "
    "101010 101011 0100111 0001100 0001000 0010111 0000011 0000100 0101000 0101011 0010011 0100100 "
    "0011000 00000010 00000011 00011010 00011011 00010010 00010011 00010100 00010101 00010110 00010111 "
    "00101000 00101001 00101010 00101011 00101100 00101101 00000100 00000101 00001010 00001011 01010010 "
    "01010011 01010100 01010101 00100100 00100101 01011000 01011001 01011010 01011011 01001010 01001011 "
    "00110010 00110011 00110100"
)
_WHITE_64 = (
    "11011 10010 010111 0110111 00110110 00110111 01100100 01100101 01101000 01100111 011001100 011001101 "
    "011010010 011010011 011010100 011010101 011010110 011010111 011011000 011011001 011011010 011011011 "
    "010011000 010011001 010011010 011000 010011011"
)
_BLACK = (
    "0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100 00000111 "
    "000011000 0000010111 0000011000 0000001000 00001100111 00001101000 00001101100 00000110111 00000101000 "
    "00000010111 00000011000 000011001010 000011001011 000011001100 000011001101 000001101000 000001101001 "
    "000001101010 000001101011 000011010010 000011010011 000011010100 000011010101 000011010110 000011010111 "
    "000001101100 000001101101 000011011010 000011011011 000001010100 000001010101 000001010110 000001010111 "
    "000001100100 000001100101 000001010010 000001010011 000000100100 000000110111 000000111000 000000100111 "
    "000000101000 000001011000 000001011001 000000101011 000000101100 000001011010 000001100110 000001100111"
)
_BLACK_64 = (
    "0000001111 000011001000 000011001001 000001011011 000000110011 000000110100 000000110101 0000001101100 "
    "0000001101101 0000001001010 0000001001011 0000001001100 0000001001101 0000001110010 0000001110011 "
    "0000001110100 0000001110101 0000001110110 0000001110111 0000001010010 0000001010011 0000001010100 "
    "0000001010101 0000001011010 0000001011011 0000001100100 0000001100101"
)
_FROM_1792 = (
    "00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101 000000010110 "
    "000000010111 000000011100 000000011101 000000011110 000000011111"
)
_PASS, _HORIZONTAL = 100, 101
# T.4, table 4: the vertical modes by their offset from the row above.
_MODES = {
    "0001": _PASS,
    "001": _HORIZONTAL,
    "1": 0,
    "011": 1,
    "000011": 2,
    "0000011": 3,
    "010": -1,
    "000010": -2,
    "0000010": -3,
}


@cache
def _tables() -> tuple[dict[int, tuple[int, int]], ...]:
    """Length and meaning of the code at the start of each window: white runs, black runs, and modes."""
    return (
        _table(_runs(_WHITE, _WHITE_64)),
        _table(_runs(_BLACK, _BLACK_64)),
        _table(_MODES),
    )


def _runs(terminating: str, make_up: str) -> dict[str, int]:
    longer = (make_up + " " + _FROM_1792).split()
    codes = {code: run for run, code in enumerate(terminating.split())}
    return codes | {code: 64 * number for number, code in enumerate(longer, 1)}


def _table(codes: dict[str, int]) -> dict[int, tuple[int, int]]:
    table = {}
    for code, meaning in codes.items():
        free = _WINDOW - len(code)
        first = int(code, 2) << free
        table.update(dict.fromkeys(range(first, first + (1 << free)), (len(code), meaning)))
    return table


class _Codes:
    """The bits of a strip, read code by code.

    Args:
        data: the strip, the first pixel in the highest bit.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._windows = array("H")
        self._first = 0
        self.position = 0
        self._white, self._black, self._modes = _tables()

    def window(self) -> int:
        """The next 13 bits."""
        place = self.position - self._first
        if place >= len(self._windows):
            self._load()
            place = self.position - self._first
        return self._windows[place]

    def _load(self) -> None:
        """Prepares the windows of the next block; all of them, one per bit, would take too much memory."""
        start = self.position // 8
        if start >= len(self._data):
            raise UnreadableImage("the TIFF is cut off inside its fax data")
        part = np.frombuffer(self._data, np.uint8)[start : start + _BLOCK_BYTES + 2]
        bits = np.concatenate([np.unpackbits(part), np.zeros(_WINDOW, np.uint8)])
        count = min(len(part), _BLOCK_BYTES) * 8
        windows = np.zeros(count, np.uint16)
        for place in range(_WINDOW):
            windows = windows << np.uint16(1) | bits[place : place + count]
        self._windows, self._first = array("H", windows.tobytes()), 8 * start

    def mode(self) -> int:
        """The next two-dimensional mode."""
        return self._next(self._modes)

    def run(self, *, black: bool) -> int:
        """The next run: make-up codes and a terminating one."""
        table = self._black if black else self._white
        length = 0
        while True:
            part = self._next(table)
            length += part
            if part < 64:
                return length

    def _next(self, table: dict[int, tuple[int, int]]) -> int:
        found = table.get(self.window())
        if found is None:
            raise UnreadableImage(_DAMAGED)
        self.position += found[0]
        return found[1]

    def align(self) -> None:
        """Skips to the next byte."""
        self.position = -(-self.position // 8) * 8

    def skip_end_of_line(self) -> bool:
        """Skips fill bits and an end-of-line code, if one is next."""
        start = self.position
        if self.window() >> 2:
            return False
        while not self.window() >> (_WINDOW - 1):
            self.position += 1
        if self.position - start < 11:
            raise UnreadableImage(_DAMAGED)
        self.position += 1
        return True


def check_fax(data: bytes, width: int, rows: int, *, dimensions: int, lines: bool) -> None:
    """Reads all rows of a strip. Data after them are not read.

    Args:
        data: the strip, the first pixel in the highest bit.
        width: pixels per row.
        rows: expected number of rows.
        dimensions: 1, 2 for T.6, or 0 if a bit before each row gives the mode (T.4 in two dimensions).
        lines: whether rows may begin with an end-of-line code (T.4); without, one-dimensional rows begin at
            a byte boundary.

    Raises:
        UnreadableImage: a code does not exist, a row has another length, or rows are missing.
    """
    codes = _Codes(data)
    above: Sequence[int] = [width] * 4
    for _ in range(rows):
        flat = dimensions == 1
        if lines:
            codes.skip_end_of_line()
            if dimensions == 0:
                flat = bool(codes.window() >> (_WINDOW - 1))
                codes.position += 1
        elif flat:
            codes.align()
        above = [*(_flat_row(codes, width) if flat else _row(codes, above, width)), *[width] * 4]


def _flat_row(codes: _Codes, width: int) -> Iterator[int]:
    """The columns at which the colour changes in a one-dimensional row (T.4, clause 4.1)."""
    column, black = 0, False
    while column < width:
        column += codes.run(black=black)
        black = not black
        if column > width:
            raise UnreadableImage(_DAMAGED)
        yield column


def _row(codes: _Codes, above: Sequence[int], width: int) -> list[int]:
    """The same for a two-dimensional row (T.4, clause 4.2); `above` are the changes of the row above."""
    changes: list[int] = []
    column, place = -1, 0
    while column < width:
        black = len(changes) % 2
        place = max(0, place - 3)
        place += (place % 2) ^ black
        while above[place] <= column and above[place] < width:
            place += 2
        mode = codes.mode()
        if mode == _PASS:
            column = above[place + 1]
        elif mode == _HORIZONTAL:
            start = max(column, 0)
            middle = start + codes.run(black=bool(black))
            column = middle + codes.run(black=not black)
            changes += [middle, column]
        else:
            changes.append(above[place] + mode)
            if changes[-1] < max(column, 0):
                raise UnreadableImage(_DAMAGED)
            column = changes[-1]
    if column > width:
        raise UnreadableImage(_DAMAGED)
    return changes
