"""GIF, still and animated: decoded strictly and always encoded anew, with the colours that are shown.

Each frame is the whole screen as a viewer shows it. Colours are exact; only where a cover brings more colours
than a table has room for, they are reduced, those of the cover first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..formats import ImageFormat
from .gif_blocks import CLEAR, Control, Gif, compress, read_blocks, walk
from .gif_colours import fit_colours
from .gif_plan import Step, plan
from .palette import Packed, pack, unpack
from .picture import Colour, Frame, Picture, writer
from .pillow import check_size

__all__ = ["read"]

_OPAQUE = 255 << 24

_REDRAWN = 0.5
"""Least share of changed pixels for which the others are drawn again. Over eight animations .5 gave the
smallest files, from 86 to 99 % of what Pillow makes of the same frames; at 0 some grow to 3.7 times."""


@dataclass(frozen=True)
class _Coding:
    """What makes an output like its input.

    Attributes:
        colours: packed RGBA of all colour tables.
        delays_cs: hundredths of a second that each frame is shown.
        loop: repetitions after the first showing, 0 for ever; None leaves the block out.
    """

    colours: Packed
    delays_cs: tuple[int, ...]
    loop: int | None


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes a GIF; see `images.decode`."""
    gif = read_blocks(data)
    check_size((gif.width, gif.height), len(gif.regions), max_pixels)
    delays_cs = tuple(region.control.delay_cs for region in gif.regions)
    animated = len(delays_cs) > 1
    frames = tuple(
        Frame(pixels, Colour.RGBA, 10.0 * delay if animated else 0.0)
        for pixels, delay in zip(walk(gif), delays_cs, strict=True)
    )
    coding = _Coding(_table_colours(gif), delays_cs if animated else (0,), gif.loop)
    return Picture(ImageFormat.GIF, frames, writer(frames, partial(_encode, coding=coding)))


def _table_colours(gif: Gif) -> Packed:
    tables = {id(region.table): region.table for region in gif.regions}
    return np.unique(np.concatenate([pack(table) | np.uint32(_OPAQUE) for table in tables.values()]))


def _encode(frames: tuple[Frame, ...], coding: _Coding) -> bytes:
    """Encodes a GIF from frames in RGBA whose pixels are opaque or transparent black."""
    steps = [_fitted(step, coding.colours) for step in plan([_screen(frame) for frame in frames])]
    shared = _shared_table(steps)
    width, height = frames[0].size_wh
    parts = [
        b"GIF89a",
        struct.pack("<HHBBB", width, height, 0x70 | _table_flags(shared), 0, 0),
        _table(shared),
    ]
    if coding.loop is not None:
        parts.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", coding.loop) + b"\x00")
    for step, delay_cs in zip(steps, coding.delays_cs, strict=True):
        parts += _region(step, shared, Control(delay_cs, step.disposal))
    return b"".join([*parts, b"\x3b"])


def _screen(frame: Frame) -> Packed:
    packed = pack(frame.pixels.astype(np.uint8, copy=False))
    packed[frame.pixels[..., 3] == 0] = 0
    return packed


def _fitted(step: Step, old: Packed) -> Step:
    """The step with no more colours than a table of its own has room for.

    Unchanged pixels are drawn again if that needs no more colours and if they are few, since transparent
    pixels among others lengthen the codes; otherwise they stay transparent.
    """
    opaque = step.colours.all() and len(np.unique(step.colours)) <= 256
    if opaque and (step.drawn.mean() > _REDRAWN or len(np.unique(step.colours[step.drawn])) > 255):
        return replace(step, drawn=np.ones_like(step.drawn))
    most = 256 if step.drawn.all() else 255
    colours = step.colours.copy()
    colours[step.drawn] = fit_colours(colours[step.drawn], old, most)
    return replace(step, colours=colours)


def _shared_table(steps: Sequence[Step]) -> Packed:
    """The colours of all regions where they fit into one table with a transparent index, or of the first."""
    shared = np.empty(0, np.uint32)
    most = 256 if all(step.drawn.all() for step in steps) else 255
    for step in steps:
        union = np.union1d(shared, step.colours[step.drawn])
        if len(union) > most:
            return np.unique(steps[0].colours[steps[0].drawn])
        shared = union
    return shared


def _region(step: Step, shared: Packed, control: Control) -> Iterator[bytes]:
    """The blocks of one region, with a colour table of its own where the shared one does not serve."""
    own = np.unique(step.colours[step.drawn])
    room = len(shared) < 256 or bool(step.drawn.all())
    table = shared if room and np.isin(own, shared).all() else own
    indices = np.searchsorted(table, step.colours).astype(np.uint8)
    indices[~step.drawn] = len(table) & 255
    # Pillow clears a region to the background colour instead, unless it has a transparent index.
    if len(table) < 256 and (step.disposal == CLEAR or not step.drawn.all()):
        control = replace(control, transparent=len(table))
    flags = control.disposal << 2 | (control.transparent is not None)
    yield struct.pack("<BBBBHBB", 0x21, 0xF9, 4, flags, control.delay_cs, control.transparent or 0, 0)
    rows, columns = step.place
    height, width = step.colours.shape
    local = table is not shared
    yield struct.pack(
        "<BHHHHB", 0x2C, columns.start, rows.start, width, height, _table_flags(table) if local else 0
    )
    if local:
        yield _table(table)
    yield compress(indices)


def _table_bits(colours: Packed) -> int:
    """Bits of an index into a table, with room for a transparent one where there is room."""
    return max(1, min(len(colours), 255).bit_length())


def _table_flags(colours: Packed) -> int:
    return 0x80 | (_table_bits(colours) - 1)


def _table(colours: Packed) -> bytes:
    return unpack(colours, 3).tobytes().ljust(3 << _table_bits(colours), b"\x00")
