"""Frames that are decoded again where needed, so that their pixels are not in memory meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import TypeAlias

from .picture import Frame, Pixels

__all__ = ["LargeFrame", "Reduction", "ScaledFrame"]

Reduction: TypeAlias = Callable[[tuple[int, int]], int]
"""Width and height of an image to the scale, 1, 2, 4 or 8, by which it may be reduced for a detector."""


class ScaledFrame(Frame):
    """A frame with a smaller, decoded copy; its own pixels are decoded on first access.

    Args:
        look: the copy, 1/scale of the size, rounded up.
        scale: 2, 4 or 8.
        size_wh: the frame's own width and height.
        decode: returns the frame's own pixels, as `Frame.pixels`.
    """

    def __init__(
        self, look: Frame, scale: int, size_wh: tuple[int, int], decode: Callable[[], Pixels]
    ) -> None:
        # The base class is frozen, and its constructor would need the pixels.
        self.__dict__.update(
            colour=look.colour,
            duration_ms=look.duration_ms,
            rendering=look.rendering,
            _look=look,
            _scale=scale,
            _size_wh=size_wh,
            _decode=decode,
        )

    @cached_property
    def pixels(self) -> Pixels:
        """All pixels, `(H, W, C)`.

        Raises:
            UnreadableImage: they cannot be decoded, although the copy could.
        """
        pixels: Pixels = self.__dict__["_decode"]()
        return pixels

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        size_wh: tuple[int, int] = self.__dict__["_size_wh"]
        return size_wh

    @property
    def white(self) -> int:
        """Largest value of a channel."""
        return self.look.white

    @property
    def look(self) -> Frame:
        """The copy."""
        look: Frame = self.__dict__["_look"]
        return look

    @property
    def scale(self) -> int:
        """Number of frame pixels per pixel of the copy, horizontally and vertically."""
        scale: int = self.__dict__["_scale"]
        return scale


class LargeFrame(ScaledFrame):
    """A frame that was decoded as a whole, and becomes a `ScaledFrame` once nobody looks for faces any more.

    Args:
        frame: all its pixels.
        scale: 2, 4 or 8, of the copy that is kept.
        decode: returns the pixels at a scale, 1 or `scale`.
    """

    def __init__(self, frame: Frame, scale: int, decode: Callable[[int], Pixels]) -> None:
        super().__init__(frame, 1, frame.size_wh, partial(decode, 1))
        self.__dict__["_slim"] = scale, partial(decode, scale)

    @cached_property
    def pixels(self) -> Pixels:
        """As `ScaledFrame.pixels`."""
        pixels: Pixels = self.look.pixels if self.scale == 1 else self.__dict__["_decode"]()
        return pixels

    def slim(self) -> None:
        """As `Frame.slim`."""
        if self.scale > 1:
            return
        scale, decode = self.__dict__["_slim"]
        for name in ("pixels", "_look"):  # before the copy is decoded
            self.__dict__.pop(name, None)
        self.__dict__.update(_look=Frame(decode(), self.colour), _scale=scale)
