"""What a video is, as far as that decides how it is read and written."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Colours", "Shape"]


@dataclass(frozen=True)
class Colours:
    """Colour tags of a video, by their numbers in ITU-T H.273.

    Attributes:
        primaries: colour primaries; 2 is unspecified.
        transfer: transfer characteristics.
        matrix: matrix coefficients.
        is_full: whether samples use their full range.
    """

    primaries: int
    transfer: int
    matrix: int
    is_full: bool


@dataclass(frozen=True)
class Shape:
    """The stream of pictures in a video.

    Attributes:
        stored_wh: width and height of frames as they are coded, in pixels.
        quarter_turns: how often they are turned by 90 degrees, clockwise, to be upright.
        is_mirrored: whether they are mirrored left to right before they are turned.
        pixel_format: FFmpeg's name of the format of their samples.
        time_base: seconds per unit of a time stamp.
        frame_rate: average rate, a hint for encoders; time stamps decide.
        pixel_aspect: width of a stored pixel by its height; 0 where it is unknown.
        colours: colour tags.
        seconds: length, as far as the file says; 0 where it does not.
    """

    stored_wh: tuple[int, int]
    quarter_turns: int
    is_mirrored: bool
    pixel_format: str
    time_base: Fraction
    frame_rate: Fraction
    pixel_aspect: Fraction
    colours: Colours
    seconds: float

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of upright frames."""
        width, height = self.stored_wh
        return (height, width) if self.quarter_turns % 2 else (width, height)

    @property
    def upright_aspect(self) -> Fraction:
        """As `pixel_aspect`, of an upright frame."""
        turned = self.quarter_turns % 2 and self.pixel_aspect
        return 1 / self.pixel_aspect if turned else self.pixel_aspect
