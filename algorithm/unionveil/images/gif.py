"""GIF, still and animated: blocks kept by allow-list, palettes exact.

Blocks: GIF89a specification (CompuServe, 1990), sections 15 to 27.
"""

from __future__ import annotations

import struct
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import UnreadableImage
from ..formats import ImageFormat
from .picture import Colour, Frame, Picture, writer
from .pillow import check_size, opened, save_frames, to_frame

__all__ = ["read"]

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes a GIF; see `images.decode`."""
    clean, frames, size_wh = _clean(data)
    check_size(size_wh, frames, max_pixels)
    with opened(clean, "GIF") as image:
        decoded = []
        for index in range(frames):
            image.seek(index)
            decoded.append(to_frame(image.convert("RGBA"), duration_ms=float(image.info.get("duration", 0))))
        loop = image.info.get("loop")
    found = tuple(decoded)
    return Picture(ImageFormat.GIF, found, writer(found, partial(_encode, loop=loop), clean))


def _clean(data: bytes) -> tuple[bytes, int, tuple[int, int]]:
    """The file without comments, texts, application data and what follows its end; its frames and its size.

    A frame may reach beyond the screen that the header gives, and decoders then make the screen larger.
    """
    try:
        position = 13 + _table_size(data[10])
        width, height = struct.unpack_from("<HH", data, 6)
        kept = [data[:position]]
        frames = 0
        while position < len(data) and data[position] != _TRAILER:
            start = position
            if data[position] == _IMAGE:
                end = _end_of_blocks(data, position + 10 + _table_size(data[position + 9]) + 1)
                kept.append(data[start:end])
                frames += 1
                x, y, wide, tall = struct.unpack_from("<HHHH", data, start + 1)
                width, height = max(width, x + wide), max(height, y + tall)
            elif data[position] == _EXTENSION:
                end = _end_of_blocks(data, position + 2)
                label, name = data[position + 1], data[position + 3 : position + 14]
                if label == _GRAPHIC_CONTROL or (label == _APPLICATION and name in _LOOPS):
                    kept.append(data[start:end])
            else:
                raise UnreadableImage("the GIF is damaged: an unknown block")
            position = end
    except (IndexError, struct.error) as error:
        raise UnreadableImage("the GIF is cut off") from error
    if not frames:
        raise UnreadableImage("the GIF holds no picture")
    return b"".join([*kept, bytes([_TRAILER])]), frames, (width, height)


def _table_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of_blocks(data: bytes, position: int) -> int:
    while data[position]:
        position += data[position] + 1
    return position + 1


def _encode(frames: tuple[Frame, ...], loop: int | None) -> bytes:
    """Encodes a GIF whose frames keep their colours exactly as long as each has no more than 256.

    Args:
        frames: RGBA of 8 bits.
        loop: repetitions after the first showing, 0 for ever; None leaves the block out.
    """
    options = {} if loop is None else {"loop": loop}
    transparent = any(frame.pixels[..., 3].min() == 0 for frame in frames)
    return save_frames(
        [_to_palette(frame) for frame in frames],
        [round(frame.duration_ms) for frame in frames],
        "GIF",
        disposal=2 if transparent else 1,
        optimize=False,
        **options,
    )


def _to_palette(frame: Frame) -> Image.Image:
    if frame.colour is not Colour.RGBA:
        raise ValueError("GIF frames are handled as RGBA")
    clear = frame.pixels[..., 3] < 128
    rgb = np.where(clear[..., None], 0, frame.pixels[..., :3]).astype(np.uint8)
    packed = rgb[..., 0].astype(np.uint32) << 16 | rgb[..., 1].astype(np.uint32) << 8 | rgb[..., 2]
    packed[clear] = 1 << 24
    colours, index = np.unique(packed, return_inverse=True)
    if len(colours) > 256:
        return _quantized(rgb, clear)
    palette = np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255], axis=1).astype(np.uint8)
    image = Image.fromarray(index.reshape(clear.shape).astype(np.uint8), "P")
    image.putpalette(palette.tobytes())
    if clear.any():
        image.info["transparency"] = len(colours) - 1
    return image


def _quantized(rgb: npt.NDArray[np.uint8], clear: npt.NDArray[np.bool_]) -> Image.Image:
    image = Image.fromarray(rgb, "RGB").quantize(255, dither=Image.Dither.NONE)
    index = np.array(image)
    index[clear] = 255
    quantized = Image.fromarray(index, "P")
    quantized.putpalette(image.getpalette() or b"")
    if clear.any():
        quantized.info["transparency"] = 255
    return quantized
