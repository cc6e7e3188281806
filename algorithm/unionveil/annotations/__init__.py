"""Boxes as other tools write them: COCO, YOLO, VOC, WIDER, Label Studio, CSV, and our own manifest.

Every format becomes the same type: boxes by picture, in upright source pixels, half-open.
"""

from __future__ import annotations

from .boxes import Annotations, PictureBoxes
from .entries import Pixels, Reading
from .files import Format, encode, read, write
from .geometry import Geometry, Pictures, read_geometry, turn

__all__ = [
    "Annotations",
    "Format",
    "Geometry",
    "PictureBoxes",
    "Pictures",
    "Pixels",
    "Reading",
    "encode",
    "read",
    "read_geometry",
    "turn",
    "write",
]
