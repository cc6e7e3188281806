"""Frames decoded at a fraction of their size, for detectors that need no more."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeAlias

from .picture import Frame, Pixels

__all__ = ["Reduction", "ScaledFrame"]

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
