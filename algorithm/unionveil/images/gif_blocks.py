"""The blocks of a GIF, read strictly, and its compressed pixels.

Blocks: GIF89a specification (CompuServe, 1990), sections 15 to 27 and appendix F.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import UnreadableImage
from .pillow import opened

__all__ = [
    "CLEAR",
    "KEEP",
    "RESTORE",
    "Control",
    "Gif",
    "Region",
    "compress",
    "decompress",
    "read_blocks",
    "walk",
]

KEEP, CLEAR, RESTORE = 1, 2, 3
"""What happens to a region after it was shown (section 23.c.iv)."""

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_INTERLACED, _HAS_TABLE = 0x40, 0x80


@dataclass(frozen=True)
class Control:
    """The graphic control extension before a region.

    Attributes:
        delay_cs: hundredths of a second.
        disposal: see `KEEP` and its neighbours.
        transparent: index of pixels that are left as they were.
    """

    delay_cs: int = 0
    disposal: int = KEEP
    transparent: int | None = None


@dataclass(frozen=True)
class Region:
    """One image of a file, still compressed.

    Attributes:
        x: column of its left edge on the screen.
        y: row of its upper edge.
        width: pixels.
        height: pixels.
        table: `(K, 3)` uint8, the colours of its indices.
        interlaced: whether its rows come in four passes.
        data: code size and data blocks.
        control: how it is drawn over the screen.
    """

    x: int
    y: int
    width: int
    height: int
    table: npt.NDArray[np.uint8]
    interlaced: bool
    data: bytes
    control: Control

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


@dataclass(frozen=True)
class Gif:
    """A whole file.

    Attributes:
        width: pixels of the screen, enlarged if a region extends beyond it.
        height: pixels.
        regions: at least one.
        loop: repetitions after the first showing, 0 means forever; None if the file does not specify it.
    """

    width: int
    height: int
    regions: tuple[Region, ...]
    loop: int | None


def read_blocks(data: bytes) -> Gif:
    """Reads all blocks up to the end mark; anything after it is not read.

    Raises:
        UnreadableImage: cut off, or an unknown block.
    """
    try:
        return _read(data)
    except (IndexError, struct.error) as error:
        raise UnreadableImage("the GIF is cut off") from error


def _read(data: bytes) -> Gif:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    table, position = _read_table(data, 13, flags)
    regions: list[Region] = []
    control, loop = Control(), None
    while data[position] != _TRAILER:
        if data[position] == _IMAGE:
            region, position = _read_region(data, position, table)
            regions.append(replace(region, control=control))
            control = Control()
        elif data[position] == _EXTENSION:
            label, (blocks, position) = data[position + 1], _read_data(data, position + 2)
            if label == _GRAPHIC_CONTROL:
                control = _read_control(blocks)
            elif label == _APPLICATION and blocks[:1] and blocks[0] in _LOOPS and loop is None:
                loop = next(
                    (int.from_bytes(b[1:], "little") for b in blocks[1:] if len(b) == 3 and b[0] == 1), None
                )
        else:
            raise UnreadableImage("the GIF is damaged: an unknown block")
    if not regions:
        raise UnreadableImage("the GIF holds no picture")
    right = max(region.x + region.width for region in regions)
    bottom = max(region.y + region.height for region in regions)
    return Gif(max(width, right), max(height, bottom), tuple(regions), loop)


def _read_table(data: bytes, position: int, flags: int) -> tuple[npt.NDArray[np.uint8], int]:
    """A colour table, empty if the flags announce none, and the offset of its end."""
    size = 3 << ((flags & 7) + 1) if flags & _HAS_TABLE else 0
    if position + size > len(data):
        raise IndexError("the table is cut off")
    return np.frombuffer(data, np.uint8, size, position).reshape(-1, 3), position + size


def _read_region(data: bytes, position: int, global_table: npt.NDArray[np.uint8]) -> tuple[Region, int]:
    x, y, width, height, flags = struct.unpack_from("<HHHHB", data, position + 1)
    local, start = _read_table(data, position + 10, flags)
    table = local if len(local) else global_table
    if not width or not height or not len(table):
        raise UnreadableImage("the GIF is damaged: a frame has no size or no colours")
    if not 1 <= data[start] <= 8:
        raise UnreadableImage("the GIF is damaged: the code size of a frame does not exist")
    _, end = _read_data(data, start + 1)
    interlaced = bool(flags & _INTERLACED)
    return Region(x, y, width, height, table, interlaced, data[start:end], Control()), end


def _read_data(data: bytes, position: int) -> tuple[list[bytes], int]:
    """Data blocks up to the empty one, and the offset of its end."""
    blocks = []
    while size := data[position]:
        blocks.append(data[position + 1 : position + 1 + size])
        position += 1 + size
    return blocks, position + 1


def _read_control(blocks: list[bytes]) -> Control:
    if len(blocks) != 1 or len(blocks[0]) != 4:
        raise UnreadableImage("the GIF is damaged: a graphic control block has a wrong length")
    flags, delay, transparent = struct.unpack("<BHB", blocks[0])
    disposal = flags >> 2 & 7
    # Browsers read 4 as 3, since older encoders wrote that, and ignore undefined values.
    disposal = {CLEAR: CLEAR, RESTORE: RESTORE, 4: RESTORE}.get(disposal, KEEP)
    return Control(delay, disposal, transparent if flags & 1 else None)


def decompress(region: Region) -> npt.NDArray[np.uint8]:
    """The indices of one region.

    Returns:
        `(H, W)` uint8. Codes after the last pixel are not read.

    Raises:
        UnreadableImage: damaged, or fewer pixels than its size.
    """
    size = struct.pack("<HH", region.width, region.height)
    flags = _INTERLACED if region.interlaced else 0
    screen = b"GIF89a" + size + bytes(3)
    image = struct.pack("<BHH", _IMAGE, 0, 0) + size + bytes([flags]) + region.data
    try:
        with opened(screen + image + bytes([_TRAILER]), "GIF") as file:
            file.load()
            return np.array(file).reshape(region.height, region.width)
    except (OSError, SyntaxError) as error:
        raise UnreadableImage("the GIF is damaged: a frame has fewer pixels than its size says") from error


def compress(indices: npt.NDArray[np.uint8]) -> bytes:
    """Code size and data blocks of one region of `(H, W)` indices."""
    height, width = indices.shape
    image = Image.frombuffer("P", (width, height), np.ascontiguousarray(indices), "raw", "P", 0, 1)
    image.putpalette(bytes(range(256)) * 3)
    out = io.BytesIO()
    image.save(out, "GIF", optimize=False, interlace=0)
    return read_blocks(out.getvalue()).regions[0].data


def walk(gif: Gif) -> Iterator[npt.NDArray[np.uint8]]:
    """The screen after each region, `(H, W, 4)` uint8 RGBA; transparent black where nothing was drawn.

    Raises:
        UnreadableImage: a region is damaged.
    """
    canvas = np.zeros((gif.height, gif.width, 4), np.uint8)
    for region in gif.regions:
        target = canvas[region.place]
        before = target.copy() if region.control.disposal == RESTORE else None
        indices = decompress(region)
        drawn = np.ones(indices.shape, bool)
        if region.control.transparent is not None:
            drawn = indices != region.control.transparent
        if int(indices.max(initial=0, where=drawn)) >= len(region.table):
            raise UnreadableImage("the GIF is damaged: a pixel is outside its colour table")
        colours = np.full((256, 4), 255, np.uint8)
        colours[: len(region.table), :3] = region.table
        np.copyto(target, colours[indices], where=drawn[..., None])
        if region is gif.regions[-1]:
            yield canvas
            return
        yield canvas.copy()
        if region.control.disposal == CLEAR:
            target[...] = 0
        elif before is not None:
            target[...] = before
