"""Bytes to pixels and back for every format; outputs hold the image and nothing else."""

from __future__ import annotations

from ..formats import ImageFormat
from .check import check_output
from .convert import converted
from .picture import Colour, Encoding, Frame, Patch, Patches, Picture, Pixels, Rendering, Written, paint
from .readers import decode
from .views import rgb_views

__all__ = [
    "Colour",
    "Encoding",
    "Frame",
    "ImageFormat",
    "Patch",
    "Patches",
    "Picture",
    "Pixels",
    "Rendering",
    "Written",
    "check_output",
    "converted",
    "decode",
    "paint",
    "rgb_views",
]
