"""Reads and writes bit fields one after the other, with the Exp-Golomb codes of H.264 and H.265."""

from __future__ import annotations

__all__ = ["BitReader", "BitWriter"]


class BitReader:
    """Reads fields, most significant bit first.

    Every method raises `ValueError` if the data end, or hold a value above the given limit.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0
        """Bits read so far."""

    @property
    def left(self) -> int:
        """Bits that have not been read."""
        return 8 * len(self._data) - self.position

    def u(self, bits: int) -> int:
        """An unsigned integer of `bits` bits."""
        end = self.position + bits
        if end > 8 * len(self._data):
            raise ValueError("the coded header is too short")
        last = (end + 7) >> 3
        value = int.from_bytes(self._data[self.position >> 3 : last], "big") >> (8 * last - end)
        self.position = end
        return value & ((1 << bits) - 1)

    def flag(self) -> bool:
        """One bit."""
        return bool(self.u(1))

    def ue(self, most: int = 255) -> int:
        """An unsigned Exp-Golomb code (ITU-T H.265, 9.2)."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 32:
                raise ValueError("a code in the coded header is too long")
        value = (1 << zeros) - 1 + self.u(zeros)
        if value > most:
            raise ValueError(f"a field of the coded header is {value}, above {most}")
        return value

    def se(self, most: int = 127) -> int:
        """A signed Exp-Golomb code (ITU-T H.265, 9.2.2) between `-most` and `most`."""
        code = self.ue(2 * most)
        return (code + 1) // 2 if code % 2 else -(code // 2)

    def zeros(self, bits: int) -> None:
        """Bits that must be 0."""
        if self.u(bits):
            raise ValueError("a reserved field of the coded header is in use")

    def trailing(self) -> None:
        """The end of a header: a 1, then zeros up to the end of that byte, which must be the last."""
        if not self.flag():
            raise ValueError("a coded header does not end where it should")
        self.zeros(-self.position % 8)
        if self.left:
            raise ValueError("a coded header is followed by other data")


class BitWriter:
    """Writes fields, most significant bit first."""

    def __init__(self) -> None:
        self._value = 0
        self._bits = 0

    def u(self, value: int, bits: int) -> None:
        """An unsigned integer of `bits` bits."""
        self._value = self._value << bits | value
        self._bits += bits

    def flag(self, value: bool) -> None:
        """One bit."""
        self.u(int(value), 1)

    def ue(self, value: int) -> None:
        """An unsigned Exp-Golomb code."""
        self.u(value + 1, 2 * (value + 1).bit_length() - 1)

    def se(self, value: int) -> None:
        """A signed Exp-Golomb code."""
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def finish(self) -> bytes:
        """All bytes, after a 1 and zeros up to the end of the last byte."""
        self.u(1, 1)
        self.u(0, -self._bits % 8)
        return self._value.to_bytes(self._bits // 8, "big")
