"""Animated PNG: frames to whole pictures and back.

Chunks and composition: PNG specification, third edition (W3C, 2025), sections 11.3.6 and 12.6.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..errors import UnreadableImage
from .picture import Colour, Pixels
from .png_chunks import Body, Chunk, Header, chunk
from .png_layout import Layout
from .png_samples import compress

__all__ = ["Animation", "Control", "animation_chunks", "composed", "read_animation"]

_KEEP, _CLEAR, _RESTORE = 0, 1, 2
_SOURCE, _OVER = 0, 1

DecodeRegion: TypeAlias = Callable[[Header, Sequence[Body]], tuple[Pixels, Colour]]


@dataclass(frozen=True)
class Control:
    """The frame control chunk: a region's position, its duration, and how it is drawn over the last frame.

    Attributes:
        width: pixels.
        height: pixels.
        x: column of the region's left edge.
        y: row of its upper edge.
        delay: numerator and denominator of a number of seconds.
        disposal: what happens to the region afterwards: kept (0), cleared (1) or restored (2).
        blend: whether the region replaces the pixels below it (0) or is composited over them (1).
    """

    width: int
    height: int
    x: int
    y: int
    delay: tuple[int, int]
    disposal: int
    blend: int

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    @property
    def duration_ms(self) -> float:
        """How long the frame is shown; a denominator of 0 means 100."""
        return 1000 * self.delay[0] / (self.delay[1] or 100)

    def body(self, sequence: int) -> bytes:
        """Body of the chunk."""
        return struct.pack(
            ">IIIIIHHBB",
            sequence,
            self.width,
            self.height,
            self.x,
            self.y,
            *self.delay,
            self.disposal,
            self.blend,
        )


@dataclass(frozen=True)
class Animation:
    """All frames of an animated PNG, still compressed.

    Attributes:
        plays: how often it is played, 0 means forever.
        controls: one for each frame.
        data: bodies of each frame's pixel data.
        default: bodies of the pixel data shown by viewers without animation; None if that is the first
            frame.
    """

    plays: int
    controls: tuple[Control, ...]
    data: tuple[tuple[Body, ...], ...]
    default: tuple[Body, ...] | None


def read_animation(chunks: Sequence[Chunk], header: Header) -> Animation | None:
    """The animation of a PNG; None if it has none, even if it holds frames.

    Raises:
        UnreadableImage: frames are missing, out of order, or outside the picture.
    """
    kinds = [kind for kind, _ in chunks]
    if b"acTL" not in kinds or kinds.index(b"acTL") > kinds.index(b"IDAT"):
        return None
    announced, plays = struct.unpack(">II", chunks[kinds.index(b"acTL")][1])
    controls: list[Control] = []
    parts: list[list[Body]] = []
    default = [body for kind, body in chunks if kind == b"IDAT"]
    for kind, body in _in_sequence(chunks):
        if kind == b"fcTL":
            controls.append(_read_control(body, header))
            parts.append([])
        elif not parts:
            if kind == b"fdAT":
                raise UnreadableImage("the animated PNG is damaged: frame data without a frame")
        else:
            parts[-1].append(body)
    if announced != len(controls) or not controls or not all(parts):
        raise UnreadableImage("the animated PNG is damaged: frames are missing, or there are too many")
    first_is_default = kinds.index(b"fcTL") < kinds.index(b"IDAT")
    if first_is_default and (controls[0].width, controls[0].height) != (header.width, header.height):
        raise UnreadableImage("the animated PNG is damaged: its first frame does not fill the picture")
    data = tuple(tuple(part) for part in parts)
    return Animation(plays, tuple(controls), data, None if first_is_default else tuple(default))


def _in_sequence(chunks: Sequence[Chunk]) -> Iterator[Chunk]:
    """Chunks of pixel data and frame controls without their sequence numbers, which are checked."""
    expected = 0
    seen_data = False
    for kind, body in chunks:
        if kind in (b"fcTL", b"fdAT"):
            if len(body) < 4 or int.from_bytes(body[:4], "big") != expected:
                raise UnreadableImage("the animated PNG is damaged: its frames are out of order")
            if kind == b"fdAT" and not seen_data:
                raise UnreadableImage("the animated PNG is damaged: a frame is before the first picture")
            expected += 1
            yield kind, body[4:]
        elif kind == b"IDAT":
            seen_data = True
            yield kind, body


def _read_control(body: Body, header: Header) -> Control:
    width, height, x, y, numerator, denominator, disposal, blend = struct.unpack(">IIIIHHBB", body)
    inside = 0 < width <= header.width - x and 0 < height <= header.height - y
    if not inside or disposal > _RESTORE or blend > _OVER:
        raise UnreadableImage("the animated PNG is damaged: a frame is outside the picture")
    return Control(width, height, x, y, (numerator, denominator), disposal, blend)


def composed(animation: Animation, header: Header, decode: DecodeRegion) -> Iterator[tuple[Pixels, Colour]]:
    """The whole image at each step of an animation.

    Args:
        animation: its frames.
        header: of the file.
        decode: returns the pixels of a frame's region.

    Yields:
        `(H, W, C)` and colour, always with alpha; transparent black where nothing was drawn.
    """
    canvas: Pixels | None = None
    for control, data in zip(animation.controls, animation.data, strict=True):
        region, colour = _with_opacity(*decode(header.sized(control.width, control.height), data))
        if canvas is None:
            canvas = np.zeros((header.height, header.width, region.shape[2]), region.dtype)
        target = canvas[control.region]
        before = target.copy() if control.disposal == _RESTORE else None
        if control.blend == _OVER:
            _lay_over(target, region)
        else:
            target[...] = region
        yield canvas.copy(), colour
        if control.disposal == _CLEAR:
            target[...] = 0
        elif before is not None:
            target[...] = before


def _with_opacity(pixels: Pixels, colour: Colour) -> tuple[Pixels, Colour]:
    if colour.has_alpha:
        return pixels, colour
    alpha = np.full((*pixels.shape[:2], 1), np.iinfo(pixels.dtype).max, pixels.dtype)
    return np.concatenate([pixels, alpha], axis=2), (
        Colour.GREY_ALPHA if colour is Colour.GREY else Colour.RGBA
    )


def _lay_over(target: Pixels, region: Pixels) -> None:
    """Porter and Duff's "over" for colours that are not premultiplied (section 13.16)."""
    white = float(np.iinfo(target.dtype).max)
    opaque = region[..., -1] == white
    mixed = (region[..., -1] > 0) & ~opaque
    target[opaque] = region[opaque]
    over, under = region[mixed].astype(np.float64), target[mixed].astype(np.float64)
    share, below = over[:, -1:] / white, under[:, -1:] / white
    opacity = share + below * (1 - share)
    colours = (over[:, :-1] * share + under[:, :-1] * below * (1 - share)) / opacity
    target[mixed] = np.rint(np.concatenate([colours, opacity * white], axis=1)).astype(target.dtype)


def animation_chunks(
    frames: Sequence[Pixels],
    layout: Layout,
    delays: Sequence[tuple[int, int]],
    plays: int,
    *,
    default: bool,
    level: int,
) -> Iterator[bytes]:
    """The chunks of an animation, from its control chunk to the last frame.

    Args:
        frames: the whole image at each step, after the default image if there is one.
        layout: of all frames.
        delays: numerator and denominator of seconds for each step.
        plays: how often it is played, 0 means forever.
        default: whether the first of the frames is a default image.
        level: of compression.
    """
    head = layout.chunks()
    yield chunk(b"acTL", struct.pack(">II", len(delays), plays)) + head
    height, width = frames[0].shape[:2]
    if default:
        yield chunk(b"IDAT", *compress(layout.samples(frames[0]), layout.header(width, height), level))
    sequence = 0
    shown: Pixels | None = None
    for pixels, delay in zip(frames[default:], delays, strict=True):
        rows, columns = (slice(0, height), slice(0, width)) if shown is None else changed(shown, pixels)
        region = pixels[rows, columns]
        high, wide = region.shape[:2]
        control = Control(wide, high, columns.start, rows.start, delay, _KEEP, _SOURCE)
        yield chunk(b"fcTL", control.body(sequence))
        data = compress(layout.samples(region), layout.header(wide, high), level)
        if sequence or default:
            yield chunk(b"fdAT", struct.pack(">I", sequence + 1), *data)
        else:
            yield chunk(b"IDAT", *data)
        sequence += 2 if sequence or default else 1
        shown = pixels


def changed(before: Pixels, after: Pixels) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around all pixels that differ; one pixel if none do."""
    differs = (before != after).any(axis=2)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
