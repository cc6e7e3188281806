"""Chooses colour type, bit depth, palette and colour key of a PNG.

The input's layout is kept as long as it represents the pixels exactly: a palette for up to 256 colours, a low
bit depth if it can represent all values, a colour key if a single colour is transparent and no opaque pixel
has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import UnreadableImage
from .palette import Packed, bands, colours_of, indices_of, sub_byte_depth, unpack, values_in
from .picture import Colour, Pixels
from .png_chunks import GREY, GREY_ALPHA, PALETTE, RGB, RGB_ALPHA, Body, Header, chunk

__all__ = ["Layout", "choose_layout", "to_pixels"]

_TYPES = {Colour.GREY: GREY, Colour.GREY_ALPHA: GREY_ALPHA, Colour.RGB: RGB, Colour.RGBA: RGB_ALPHA}


@dataclass(frozen=True)
class Layout:
    """How pixels become samples, for all frames of a file.

    Attributes:
        colour_type: see `png_chunks`.
        depth: bits per sample.
        palette: packed colours of the palette, of `palette_channels` channels.
        palette_channels: 3, or 4 with alpha.
        key: samples of the transparent colour.
    """

    colour_type: int
    depth: int
    palette: Packed | None = None
    palette_channels: int = 3
    key: tuple[int, ...] | None = None

    def header(self, width: int, height: int) -> Header:
        """The header of a file, or of one frame."""
        return Header(width, height, self.depth, self.colour_type)

    def chunks(self) -> bytes:
        """Palette and transparency chunks."""
        if self.palette is not None:
            colours = unpack(self.palette, self.palette_channels)
            opacity = colours[colours[:, 3] < 255, 3] if self.palette_channels == 4 else colours[:0, 0]
            transparency = chunk(b"tRNS", opacity.tobytes()) if len(opacity) else b""
            return chunk(b"PLTE", colours[:, :3].tobytes()) + transparency
        if self.key is not None:
            return chunk(b"tRNS", b"".join(value.to_bytes(2, "big") for value in self.key))
        return b""

    def samples(self, pixels: Pixels) -> Pixels:
        """`(H, W, C)` pixels as the samples that this layout stores."""
        if self.palette is not None:
            return indices_of(_bytes(pixels), self.palette)[..., None]
        pixels = pixels[..., : self.header(1, 1).channels]
        return pixels // np.uint8(255 // ((1 << self.depth) - 1)) if self.depth < 8 else pixels


def choose_layout(frames: Sequence[Pixels], colour: Colour, like: Header) -> Layout:
    """The layout for some pixels.

    Args:
        frames: `(H, W, C)` each, of equal depth.
        colour: meaning of their channels.
        like: header of the input.
    """
    if frames[0].dtype == np.uint16:
        return _keyed(frames, colour, like, 16) or Layout(_TYPES[colour], 16)
    if like.colour_type == PALETTE:
        palette = colours_of(_bytes(pixels) for pixels in frames)
        if palette is not None:
            depth = next(bits for bits in (1, 2, 4, 8) if bits >= like.depth and len(palette) <= 1 << bits)
            return Layout(PALETTE, depth, palette, colour.channels)
    depth = 8
    if like.colour_type == GREY:
        depth = max(sub_byte_depth(_bytes(pixels[..., 0]), like.depth) for pixels in frames)
    keyed = _keyed(frames, colour, like, depth)
    if keyed:
        return keyed
    return Layout(_TYPES[colour], depth if colour is Colour.GREY else 8)


def _bytes(pixels: Pixels) -> npt.NDArray[np.uint8]:
    return pixels.astype(np.uint8, copy=False)


def _keyed(frames: Sequence[Pixels], colour: Colour, like: Header, depth: int) -> Layout | None:
    """A layout without alpha channel for pixels that had a colour key, or None if that is not possible."""
    if not colour.has_alpha or like.colour_type not in (GREY, RGB):
        return None
    hidden = [_hidden_colours(pixels) for pixels in frames]
    if any(colours is None for colours in hidden):
        return None
    keys = np.unique(np.concatenate([colours for colours in hidden if colours is not None]), axis=0)
    if not len(keys):
        return Layout(like.colour_type, depth)
    if len(keys) > 1 or any(_opaque_has(pixels, keys[0]) for pixels in frames):
        return None
    scale = 255 // ((1 << depth) - 1) if depth < 8 else 1
    return Layout(like.colour_type, depth, key=tuple(int(value) // scale for value in keys[0]))


def _hidden_colours(pixels: Pixels) -> Pixels | None:
    """`(K, C)` colours of transparent pixels, K at most 2; None if some pixel is semi-transparent."""
    white = np.iinfo(pixels.dtype).max
    found = pixels[:0, 0, :-1]
    for rows in bands(*pixels.shape[:2]):
        opacity = pixels[rows, :, -1]
        clear = opacity == 0
        if not (clear | (opacity == white)).all():
            return None
        if clear.any() and len(found) < 2:
            hidden = pixels[rows, :, :-1][clear]
            others = hidden[(hidden != hidden[0]).any(axis=1)]
            found = np.unique(np.concatenate([found, hidden[:1], others[:1]]), axis=0)[:2]
    return found


def _opaque_has(pixels: Pixels, key: Pixels) -> bool:
    return any(
        bool(((pixels[rows, :, :-1] == key).all(axis=2) & (pixels[rows, :, -1] != 0)).any())
        for rows in bands(*pixels.shape[:2])
    )


def to_pixels(
    samples: Pixels, header: Header, palette: Body | None, key: Body | None
) -> tuple[Pixels, Colour]:
    """Samples as pixels of a frame.

    Args:
        samples: as decoded.
        header: their layout.
        palette: body of the palette chunk.
        key: body of the transparency chunk.

    Raises:
        UnreadableImage: a palette or transparency chunk that does not fit.
    """
    match header.colour_type:
        case 3:
            return _look_up(samples[..., 0].astype(np.uint8, copy=False), header, palette, key)
        case 4 | 6:
            if key is not None:
                raise UnreadableImage("the PNG is damaged: it has a colour key beside an alpha channel")
            return samples, Colour.GREY_ALPHA if header.colour_type == GREY_ALPHA else Colour.RGBA
        case _:
            pass
    if header.colour_type == GREY and palette is not None:
        raise UnreadableImage("the PNG is damaged: it has a palette, but its pixels are grey")
    if key is None:
        return samples, Colour.GREY if header.colour_type == GREY else Colour.RGB
    return _apply_key(samples, header, bytes(key))


def _look_up(
    indices: npt.NDArray[np.uint8], header: Header, palette: Body | None, opacity: Body | None
) -> tuple[Pixels, Colour]:
    if palette is None or len(palette) % 3 or not 3 <= len(palette) <= 768:
        raise UnreadableImage("the PNG is damaged: its palette is missing or has a wrong length")
    colours = np.frombuffer(palette, np.uint8).reshape(-1, 3)[: 1 << header.depth]
    used = values_in(indices)
    if used[-1] >= len(colours):
        raise UnreadableImage("the PNG is damaged: a pixel is outside its palette")
    if opacity is None:
        return colours[indices], Colour.RGB
    if not 1 <= len(opacity) <= len(colours):
        raise UnreadableImage("the PNG is damaged: its tRNS chunk has a wrong length")
    alpha = np.full((len(colours), 1), 255, np.uint8)
    alpha[: len(opacity), 0] = np.frombuffer(opacity, np.uint8)
    if (alpha[used] == 255).all():
        return colours[indices], Colour.RGB
    return np.concatenate([colours, alpha], axis=1)[indices], Colour.RGBA


def _apply_key(samples: Pixels, header: Header, key: bytes) -> tuple[Pixels, Colour]:
    """Adds an alpha channel that is 0 where a pixel has the key's colour (section 11.3.1.1)."""
    if len(key) != 2 * header.channels:
        raise UnreadableImage("the PNG is damaged: its tRNS chunk has a wrong length")
    values = np.frombuffer(key, ">u2") & ((1 << header.depth) - 1)
    if header.depth < 8:
        values = values * (255 // ((1 << header.depth) - 1))
    white = np.iinfo(samples.dtype).max
    pixels = np.empty((*samples.shape[:2], header.channels + 1), samples.dtype)
    pixels[..., :-1] = samples
    for rows in bands(*samples.shape[:2]):
        pixels[rows, :, -1] = np.where((samples[rows] == values).all(axis=2), 0, white)
    return pixels, Colour.GREY_ALPHA if header.channels == 1 else Colour.RGBA
