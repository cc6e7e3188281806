"""Run-length encoding of BMP indices (BI_RLE8 and BI_RLE4 of the Windows GDI reference)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import UnreadableImage

__all__ = ["decode_runs", "encode_runs"]

_END_OF_ROW, _END, _JUMP = 0, 1, 2


def decode_runs(data: bytes, bits: int, size_wh: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Decodes all runs up to the end mark; anything after it is not read.

    Args:
        data: pixel data.
        bits: 4 or 8.
        size_wh: width and height.

    Returns:
        `(H, W)` indices, bottom row first; 0 where there is no run.

    Raises:
        UnreadableImage: a run reaches beyond its row or the data, or the end mark is missing.
    """
    width, height = size_wh
    indices = np.zeros((height, width), np.uint8)
    x = y = position = 0
    while position + 2 <= len(data):
        count, value = data[position], data[position + 1]
        position += 2
        if count:
            _write(indices, x, y, _repeated(value, count, bits))
            x += count
        elif value == _END_OF_ROW:
            x, y = 0, y + 1
        elif value == _END:
            return indices
        elif value == _JUMP:
            right, up = data[position : position + 2].ljust(2, b"\x00")
            x, y = x + right, y + up
            position += 2
        else:
            length = value if bits == 8 else -(-value // 2)
            literal = np.frombuffer(data[position : position + length], np.uint8)
            pixels = literal if bits == 8 else np.stack([literal >> 4, literal & 15], axis=1).reshape(-1)
            _write(indices, x, y, pixels[:value], value)
            x += value
            position += length + length % 2
    raise UnreadableImage("the BMP is cut off: the end of its runs is missing")


def _repeated(value: int, count: int, bits: int) -> npt.NDArray[np.uint8]:
    pattern = [value] if bits == 8 else [value >> 4, value & 15]
    return np.resize(np.array(pattern, np.uint8), count)


def _write(
    indices: npt.NDArray[np.uint8], x: int, y: int, pixels: npt.NDArray[np.uint8], count: int = 0
) -> None:
    height, width = indices.shape
    if y >= height or x + len(pixels) > width or len(pixels) < count:
        raise UnreadableImage("the BMP is damaged: a run reaches beyond its row")
    indices[y, x : x + len(pixels)] = pixels


def encode_runs(indices: npt.NDArray[np.uint8], bits: int) -> bytes:
    """Encodes `(H, W)` indices, bottom row first, as runs of one index each."""
    rows = [_encode_row(row, bits) + bytes([0, _END_OF_ROW]) for row in indices]
    return b"".join(rows) + bytes([0, _END])


def _encode_row(row: npt.NDArray[np.uint8], bits: int) -> bytes:
    starts = np.concatenate([[0], np.flatnonzero(row[1:] != row[:-1]) + 1])
    lengths = np.diff(np.append(starts, len(row)))
    parts = -(-lengths // 255)
    counts = np.full(int(parts.sum()), 255)
    counts[np.cumsum(parts) - 1] = lengths - 255 * (parts - 1)
    values = np.repeat(row[starts], parts)
    if bits == 4:
        values = values << 4 | values
    return np.stack([counts.astype(np.uint8), values], axis=1).tobytes()
