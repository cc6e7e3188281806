"""PNG and APNG: decoded strictly, and always re-encoded in the input's colour type and bit depth.

No bytes of a file are copied. The chunks that define how to show the samples are parsed and rewritten from
their values; all others are dropped. Interlaced files are written without interlacing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..formats import ImageFormat
from .apng import Animation, animation_chunks, composed, read_animation
from .orientation import read_orientation, swaps_axes, upright
from .picture import Colour, Frame, Picture, Pixels, Rendering, writer
from .pillow import check_size
from .png_chunks import (
    GREY,
    GREY_ALPHA,
    RGB,
    RGB_ALPHA,
    SIGNATURE,
    Body,
    Header,
    chunk,
    chunk_parts,
    read_chunks,
    read_header,
    read_rendering,
    rendering_chunks,
)
from .png_layout import choose_layout, to_pixels
from .png_samples import choose_level, compress, decompress

__all__ = ["encode", "read"]


@dataclass(frozen=True)
class _Coding:
    """The properties that an output takes from its input.

    Attributes:
        header: layout of the samples.
        rendering: how to show them.
        level: of compression.
        delays: numerator and denominator of the seconds that each step of an animation is shown; None for a
            still picture.
        plays: how often an animation is played, 0 means forever.
        default: whether the first frame is shown only by viewers without animation.
    """

    header: Header
    rendering: Rendering
    level: int
    delays: tuple[tuple[int, int], ...] | None = None
    plays: int = 0
    default: bool = False


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes a PNG or an APNG; see `images.decode`."""
    chunks = read_chunks(data)
    header = read_header(chunks)
    animation = read_animation(chunks, header)
    count = len(animation.controls) + (animation.default is not None) if animation else 1
    check_size((header.width, header.height), count, max_pixels)
    bodies = dict(chunks)
    orientation = read_orientation(bytes(next((body for kind, body in chunks if kind == b"eXIf"), b"")))
    rendering = _turned(read_rendering(chunks, header), orientation)
    level = choose_level(header, sum(len(body) for kind, body in chunks if kind in (b"IDAT", b"fdAT")))
    decode = partial(_decode, palette=bodies.get(b"PLTE"), key=bodies.get(b"tRNS"))
    if animation is None:
        pixels, colour = decode(header, [body for kind, body in chunks if kind == b"IDAT"])
        frames: tuple[Frame, ...] = (Frame(upright(pixels, orientation), colour),)
        coding = _Coding(header, rendering, level)
    else:
        frames = _animated(animation, header, decode, orientation)
        delays = tuple(control.delay for control in animation.controls)
        coding = _Coding(header, rendering, level, delays, animation.plays, animation.default is not None)
    return Picture(ImageFormat.PNG, frames, writer(frames, partial(_encode, coding=coding)), rendering)


def _turned(rendering: Rendering, orientation: int) -> Rendering:
    density = rendering.density_xy
    if density is None or not swaps_axes(orientation):
        return rendering
    return replace(rendering, density_xy=density[::-1])


def _decode(
    header: Header, data: Sequence[Body], *, palette: Body | None, key: Body | None
) -> tuple[Pixels, Colour]:
    return to_pixels(decompress(header, data), header, palette, key)


def _animated(
    animation: Animation, header: Header, decode: partial[tuple[Pixels, Colour]], orientation: int
) -> tuple[Frame, ...]:
    """All frames in one colour model, without alpha if all are opaque."""
    steps = list(composed(animation, header, decode))
    durations_ms = [control.duration_ms for control in animation.controls]
    if animation.default is not None:
        pixels, colour = decode(header, animation.default)
        if not colour.has_alpha:
            white = np.full((*pixels.shape[:2], 1), np.iinfo(pixels.dtype).max, pixels.dtype)
            pixels = np.concatenate([pixels, white], axis=2)
        steps.insert(0, (pixels, steps[0][1]))
        durations_ms.insert(0, 0.0)
    opaque = header.colour_type not in (GREY_ALPHA, RGB_ALPHA) and all(
        int(pixels[..., -1].min()) == np.iinfo(pixels.dtype).max for pixels, _ in steps
    )
    return tuple(_frames(steps, durations_ms, orientation, opaque=opaque))


def _frames(
    steps: list[tuple[Pixels, Colour]], durations_ms: Sequence[float], orientation: int, *, opaque: bool
) -> Iterator[Frame]:
    """Turns each step into a frame; consumes the steps, since they fit into memory only once."""
    steps.reverse()
    for duration_ms in durations_ms:
        pixels, colour = steps.pop()
        if opaque:
            pixels, colour = pixels[..., :-1], Colour.GREY if colour is Colour.GREY_ALPHA else Colour.RGB
        yield Frame(upright(pixels, orientation), colour, duration_ms)


def encode(frame: Frame, rendering: Rendering) -> bytes:
    """Encodes a frame of any depth, in grey or RGB, with or without alpha.

    Args:
        frame: one frame.
        rendering: how its samples are to be shown.
    """
    kinds = {Colour.GREY: GREY, Colour.GREY_ALPHA: GREY_ALPHA, Colour.RGB: RGB, Colour.RGBA: RGB_ALPHA}
    header = Header(*frame.size_wh, 8 * frame.pixels.dtype.itemsize, kinds[frame.colour])
    return _encode((frame,), _Coding(header, rendering, _LEVEL))


_LEVEL = 6
"""Of zlib: its own default."""


def _encode(frames: tuple[Frame, ...], coding: _Coding) -> bytes:
    """Encodes a PNG or an APNG."""
    pixels = [frame.pixels for frame in frames]
    layout = choose_layout(pixels, frames[0].colour, coding.header)
    width, height = frames[0].size_wh
    header = layout.header(width, height)
    parts: list[bytes | Body] = [SIGNATURE, header.chunk(), rendering_chunks(coding.rendering)]
    if coding.delays is None:
        data = compress(layout.samples(pixels[0]), header, coding.level)
        parts += [layout.chunks(), *chunk_parts(b"IDAT", data)]
    else:
        parts += animation_chunks(
            pixels, layout, coding.delays, coding.plays, default=coding.default, level=coding.level
        )
    return b"".join([*parts, chunk(b"IEND", b"")])
