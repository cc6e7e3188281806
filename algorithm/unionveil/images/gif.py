"""GIF, still and animated: decoded strictly and always re-encoded, with the colours as shown.

Each frame is the whole screen as a viewer shows it. Colours are exact; they are reduced, those of a cover
first, only if a cover adds more colours than a table can hold.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from ..formats import ImageFormat
from .gif_blocks import CLEAR, Gif, compress, read_blocks, walk
from .gif_colours import fit_colours
from .gif_plan import Step, plan
from .palette import Packed, colours_of, indices_of, pack, unpack
from .picture import Colour, Frame, Picture, writer
from .pillow import check_size

__all__ = ["read"]

_OPAQUE = 255 << 24

_REDRAWN = 0.5
"""Least share of changed pixels for which unchanged pixels are redrawn. Over eight animations .5 gave the
smallest files, 86 to 99 % of Pillow's for the same frames; at 0 some grow to 3.7 times."""


@dataclass(frozen=True)
class _Coding:
    """The properties that an output takes from its input.

    Attributes:
        colours: packed RGBA of all colour tables.
        delays_cs: hundredths of a second that each frame is shown.
        loop: repetitions after the first showing, 0 means forever; None leaves the block out.
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


@dataclass(frozen=True)
class _Region:
    """One region as indices.

    Attributes:
        place: rows and columns.
        disposal: what happens to it afterwards.
        table: packed colours that it draws, in ascending order.
        indices: `(h, w)` uint8 into the table; the table's length, modulo 256, for pixels that are not drawn.
        complete: whether all of its pixels are drawn.
    """

    place: tuple[slice, slice]
    disposal: int
    table: Packed
    indices: npt.NDArray[np.uint8]
    complete: bool


def _encode(frames: tuple[Frame, ...], coding: _Coding) -> bytes:
    """Encodes a GIF from frames in RGBA whose pixels are opaque or transparent black."""
    regions = [_indexed(step, coding.colours) for step in plan([_screen(frame) for frame in frames])]
    shared = _shared_table(regions)
    size_wh = frames[0].size_wh
    parts = [
        b"GIF89a",
        struct.pack("<HHBBB", *size_wh, 0x70 | _table_flags(shared), 0, 0),
        _table(shared),
    ]
    if coding.loop is not None:
        parts.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", coding.loop) + b"\x00")
    for region, delay_cs in zip(regions, coding.delays_cs, strict=True):
        parts += _blocks(region, shared, delay_cs)
    return b"".join([*parts, b"\x3b"])


def _screen(frame: Frame) -> Packed:
    """`(H, W)` packed RGBA of a frame: the same memory, read as numbers (see `palette.pack`)."""
    return np.ascontiguousarray(frame.pixels).view("<u4")[..., 0]


def _indexed(step: Step, old: Packed) -> _Region:
    """The indices of one region, with no more colours than its own table can hold.

    Unchanged pixels are redrawn if they are few and add no colours, since transparent pixels scattered among
    others lengthen the codes; otherwise they stay transparent.
    """
    colours, drawn = step.colours, step.drawn
    if colours.all() and colours_of([colours]) is not None:
        again = drawn.mean() > _REDRAWN or colours_of([colours[drawn][None]], 255) is None
        drawn = drawn | again
    complete = bool(drawn.all())
    most = 256 if complete else 255
    chosen = colours[drawn][None]
    table = colours_of([chosen], most)
    if table is None:
        chosen = fit_colours(chosen[0], old, most)[None]
        table = np.unique(chosen)
    indices = np.full(colours.shape, len(table) & 255, np.uint8)
    indices[drawn] = indices_of(chosen, table)[0]
    return _Region(step.place, step.disposal, table, indices, complete)


def _shared_table(regions: Sequence[_Region]) -> Packed:
    """The colours of all regions if one table can hold them and a transparent index, else of the first."""
    shared = np.empty(0, np.uint32)
    most = 256 if all(region.complete for region in regions) else 255
    for region in regions:
        shared = np.union1d(shared, region.table)
        if len(shared) > most:
            return regions[0].table
    return shared


def _blocks(region: _Region, shared: Packed, delay_cs: int) -> Iterator[bytes]:
    """The blocks of one region, with its own colour table if the shared one does not suffice."""
    table, indices = region.table, region.indices
    room = len(shared) < 256 or region.complete
    if room and np.isin(table, shared).all():
        moved = np.full(256, len(shared) & 255, np.uint8)
        moved[: len(table)] = np.searchsorted(shared, table)
        table, indices = shared, moved[indices]
    # Pillow clears a region to the background colour instead, unless it has a transparent index.
    transparent = len(table) < 256 and (region.disposal == CLEAR or not region.complete)
    flags = region.disposal << 2 | transparent
    yield struct.pack("<BBBBHBB", 0x21, 0xF9, 4, flags, delay_cs, len(table) if transparent else 0, 0)
    rows, columns = region.place
    height, width = indices.shape
    local = 0 if table is shared else _table_flags(table)
    yield struct.pack("<BHHHHB", 0x2C, columns.start, rows.start, width, height, local)
    if local:
        yield _table(table)
    yield compress(indices)


def _table_bits(colours: Packed) -> int:
    """Bits of an index into a table, with a transparent index if there is room for one."""
    return max(1, min(len(colours), 255).bit_length())


def _table_flags(colours: Packed) -> int:
    return 0x80 | (_table_bits(colours) - 1)


def _table(colours: Packed) -> bytes:
    return unpack(colours, 3).tobytes().ljust(3 << _table_bits(colours), b"\x00")
