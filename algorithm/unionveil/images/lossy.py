"""Outputs of lossy formats: the input's coded data, or an encoding that matches its frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from .gamut import can_hide_luma
from .picture import Colour, Encoding, Frame, Patches, Writer, Written, writer

__all__ = ["LEAST_PSNR_DB", "faithful", "lossy_writer", "luma_psnr_db"]

LEAST_PSNR_DB = 40.0
"""PSNR between the luma of a lossy output and of its frames."""

_Setting = TypeVar("_Setting")


def lossy_writer(
    frames: tuple[Frame, ...],
    encode: Callable[[tuple[Frame, ...]], bytes],
    keep: Callable[[], bytes | None],
) -> Writer:
    """A writer for a format whose coded data may be kept if no patch is applied and no colour can hide luma.

    Args:
        frames: as decoded. They hold the patches while the writer runs, and are restored afterwards.
        encode: frames to bytes.
        keep: a file with the same coded data, every byte accounted for, or None.
    """
    anew = writer(frames, encode)

    def write(patches: Patches) -> Written:
        changed = any(patches) or any(can_hide_luma(frame) for frame in frames)
        kept = None if changed else keep()
        return anew(patches) if kept is None else Written(kept, Encoding.KEPT)

    return write


def faithful(
    frames: Sequence[Frame],
    encode: Callable[[_Setting], bytes],
    decode: Callable[[bytes], Sequence[Frame]],
    settings: Iterable[_Setting],
) -> bytes:
    """The first encoding that reaches `LEAST_PSNR_DB`, or else the last.

    Args:
        frames: the frames to encode.
        encode: setting to file.
        decode: file to frames of the same sizes.
        settings: of the encoder, at least one, in ascending quality.
    """
    data = b""
    for setting in settings:
        data = encode(setting)
        pairs = zip(frames, decode(data), strict=True)
        if all(luma_psnr_db(before, after) >= LEAST_PSNR_DB for before, after in pairs):
            break
    return data


def luma_psnr_db(before: Frame, after: Frame) -> float:
    """Peak signal-to-noise ratio of the luma (ITU-R BT.601) of two frames of one size, in dB."""
    total = 0.0
    rows = max(1, (1 << 20) // before.pixels.shape[1])  # a whole picture in floats takes too much memory
    for top in range(0, before.pixels.shape[0], rows):
        difference = _luma(before, top, rows) - _luma(after, top, rows)
        total += float(np.square(difference).sum(dtype=np.float64))
    mean = total / (before.pixels.shape[0] * before.pixels.shape[1])
    return math.inf if mean == 0 else -10 * math.log10(mean)


def _luma(frame: Frame, top: int, rows: int) -> npt.NDArray[np.float32]:
    """`(h, W)` float32, 0 to 1."""
    pixels = frame.pixels[top : top + rows].astype(np.float32)
    if frame.colour in (Colour.GREY, Colour.GREY_ALPHA):
        luma = pixels[..., 0]
    else:
        luma = pixels[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    return luma / np.float32(frame.white)
