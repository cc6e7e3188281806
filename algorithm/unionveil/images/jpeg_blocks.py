"""Patches as quantised DCT blocks of a JPEG's components.

Forward DCT and quantisation: ITU-T T.81, A.3.3 and A.3.4. Luma and chroma: ITU-T T.871, clause 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..detections import BoolArray
from .gamut import clipped, coloured
from .jpeg_markers import Component, Jpeg, Model
from .jpeg_rows import BLOCK_SIDE, Coefficients, Edit, Shown
from .orientation import swaps_axes
from .picture import Frame, Patch, Pixels

__all__ = ["Grid", "are_flat", "edits", "shown_luma"]

_Box: TypeAlias = tuple[int, int, int, int]
"""First and last row, first and last column, half-open."""

_Samples: TypeAlias = npt.NDArray[Any]
"""float32; the stubs of OpenCV's functions give no dtype."""

_SHOWN_SCALE = 4
"""Luma is compared at this fraction of the size, at which a face of 16 px has 4 x 4 levels."""

_YCC = np.array(
    [
        [0.299, 0.587, 0.114, 0],
        [-0.168736, -0.331264, 0.5, 128],
        [0.5, -0.418688, -0.081312, 128],
    ],
    np.float32,
)
"""Red, green, blue and 1 to luma and chroma (T.871, clause 7)."""


@dataclass(frozen=True)
class Grid:
    """The block grid of an upright image.

    Attributes:
        size_wh: width and height in pixels.
        components: upright, with their tables.
        model: meaning of the components.
    """

    size_wh: tuple[int, int]
    components: tuple[Component, ...]
    model: Model

    @staticmethod
    def of(jpeg: Jpeg) -> Grid:
        """The grid of a JPEG after it is turned upright."""
        swapped = swaps_axes(jpeg.orientation)
        parts = tuple(
            Component(part.vertical, part.horizontal, part.table.T) if swapped else part
            for part in jpeg.components
        )
        return Grid(jpeg.size_wh[::-1] if swapped else jpeg.size_wh, parts, jpeg.model)

    @property
    def most(self) -> tuple[int, int]:
        """Largest sampling factors, horizontal and vertical."""
        return max(part.horizontal for part in self.components), max(
            part.vertical for part in self.components
        )

    @cached_property
    def unit_wh(self) -> tuple[int, int]:
        """Size of a minimum coded unit in pixels."""
        across, down = self.most
        return BLOCK_SIDE * across, BLOCK_SIDE * down

    def block_wh(self, part: Component) -> tuple[int, int]:
        """Width and height in pixels that a block of a component covers."""
        across, down = self.most
        return BLOCK_SIDE * across // part.horizontal, BLOCK_SIDE * down // part.vertical

    @property
    def coefficients(self) -> int:
        """Approximate number of coefficients of all components (ignoring the last, partial blocks)."""
        (width, height), (across, down) = self.size_wh, self.most
        return sum(width * height * part.horizontal * part.vertical for part in self.components) // (
            across * down
        )

    def aligned(self, patch: Patch) -> _Box:
        """The coded units that a patch touches, in units.

        The patch is grown by one pixel, because decoders interpolate chroma across block edges.
        """
        (width, height), (unit_w, unit_h) = self.size_wh, self.unit_wh
        return (
            max(0, patch.rows.start - 1) // unit_h,
            -(-min(height, patch.rows.stop + 1) // unit_h),
            max(0, patch.columns.start - 1) // unit_w,
            -(-min(width, patch.columns.stop + 1) // unit_w),
        )


def shown_luma(frame: Frame, grid: Grid) -> Shown | None:
    """The first component as a frame shows it, at a quarter of the size or at that of its copy for detectors.

    Args:
        frame: the whole picture, 8 bits, without patches.
        grid: of the picture, upright.

    Returns:
        None if all of it is shown, as without a conversion, or without a clipped colour.
    """
    if grid.model not in (Model.YCC, Model.YCCK):
        return None
    (width, height), scale = grid.size_wh, frame.scale
    block_w, block_h = grid.block_wh(grid.components[0])
    columns, rows = width // block_w, height // block_h
    side = BLOCK_SIDE // max(_SHOWN_SCALE, scale)
    size_wh = columns * side, rows * side
    pixels = frame.look.pixels[: rows * block_h // scale, : columns * block_w // scale, :3]
    if not pixels.size or not (beyond := clipped(pixels)).any():
        return None
    small = cv2.resize(pixels, size_wh, interpolation=cv2.INTER_AREA)
    hiding = coloured(small) & (cv2.resize(beyond, size_wh, interpolation=cv2.INTER_AREA) > 0)
    return Shown(np.asarray(cv2.transform(small, _YCC[:1]), np.uint8), hiding, side)


def are_flat(patches: Sequence[Patch]) -> bool:
    """Whether all patches are boxes of the same colour.

    Different colours would not do: each box grows to whole coded units and would hide part of its neighbours.
    """
    boxes = all(patch.mask is None and patch.has_one_colour for patch in patches)
    return boxes and len({patch.pixels.tobytes() for patch in patches}) <= 1


def edits(frame: Frame, patches: Sequence[Patch], grid: Grid) -> Iterator[Edit]:
    """The blocks that patches touch.

    Args:
        frame: the whole picture, 8 bits, with the patches applied unless they are flat.
        patches: as they were applied. If all are flat, the coded units that they touch get their colour;
            otherwise blocks are transformed from the pixels.
        grid: of the picture, upright.
    """
    if patches and are_flat(patches):
        yield from _flat(patches, grid)
    else:
        for patch in patches:
            yield from _transformed(frame.pixels, patch, grid)


def _flat(patches: Sequence[Patch], grid: Grid) -> Iterator[Edit]:
    """The coded units that patches of one colour touch."""
    values = _samples(patches[0].pixels.astype(np.float32), grid.model)[0, 0]
    blocks = np.zeros((len(grid.components), BLOCK_SIDE * BLOCK_SIDE), np.int16)
    # The first coefficient of a block is eight times its mean.
    steps = np.array([part.table[0, 0] for part in grid.components])
    blocks[:, 0] = np.clip(np.rint(BLOCK_SIDE * (values - 128) / steps), -1024, 1023)
    for patch in patches:
        box = grid.aligned(patch)
        for index, part in enumerate(grid.components):
            yield Edit(index, *_blocks_of(part, box), blocks[index])


def _transformed(pixels: Pixels, patch: Patch, grid: Grid) -> Iterator[Edit]:
    box = grid.aligned(patch)
    top, bottom, left, right = box
    touched = _touched(patch, grid, box)
    if not touched.any():
        return
    samples = _samples(_padded(pixels, grid, box), grid.model)
    across, down = grid.most
    for index, part in enumerate(grid.components):
        rows, columns = (bottom - top) * part.vertical, (right - left) * part.horizontal
        size_wh = columns * BLOCK_SIDE, rows * BLOCK_SIDE
        plane = samples[..., index]
        if (part.horizontal, part.vertical) != (across, down):
            plane = cv2.resize(plane, size_wh, interpolation=cv2.INTER_AREA)
        blocks = _quantised(plane, part.table)
        block_w, block_h = grid.block_wh(part)
        where: BoolArray = np.any(touched.reshape(rows, block_h, columns, block_w), axis=(1, 3))
        yield Edit(index, *_blocks_of(part, box), blocks, where)


def _blocks_of(part: Component, box: _Box) -> tuple[slice, slice]:
    """Rows and columns of a component's blocks in some coded units."""
    top, bottom, left, right = box
    return (
        slice(top * part.vertical, bottom * part.vertical),
        slice(left * part.horizontal, right * part.horizontal),
    )


def _touched(patch: Patch, grid: Grid, box: _Box) -> BoolArray:
    """`(h, w)`: pixels of whole coded units that are replaced or adjacent to one that is."""
    top, bottom, left, right = box
    unit_w, unit_h = grid.unit_wh
    mask = np.zeros(((bottom - top) * unit_h, (right - left) * unit_w), np.uint8)
    y, x = patch.rows.start - top * unit_h, patch.columns.start - left * unit_w
    height, width = patch.rows.stop - patch.rows.start, patch.columns.stop - patch.columns.start
    mask[y : y + height, x : x + width] = 1 if patch.mask is None else patch.mask
    grown: BoolArray = cv2.dilate(mask, np.ones((3, 3), np.uint8)) > 0
    return grown


def _padded(pixels: Pixels, grid: Grid, box: _Box) -> _Samples:
    """`(h, w, C)`: whole coded units; the picture's last row and column are repeated beyond its edge."""
    top, bottom, left, right = box
    unit_w, unit_h = grid.unit_wh
    part = pixels[top * unit_h : bottom * unit_h, left * unit_w : right * unit_w].astype(np.float32)
    missing = (bottom - top) * unit_h - part.shape[0], (right - left) * unit_w - part.shape[1]
    return np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), "edge")


def _samples(pixels: _Samples, model: Model) -> _Samples:
    """`(h, w, C)` pixels of a frame to the samples of the components, 0 to 255.

    Frames hold CMYK in Adobe's polarity, in which white is stored as 255.
    """
    match model:
        case Model.GREY | Model.RGB:
            return pixels
        case Model.CMYK:
            return 255 - pixels
        case Model.YCC:
            return cv2.transform(pixels, _YCC)
        case Model.YCCK:
            return np.concatenate([cv2.transform(pixels[..., :3], _YCC), 255 - pixels[..., 3:]], axis=2)


def _quantised(plane: _Samples, table: npt.NDArray[np.int32]) -> Coefficients:
    """`(8 r, 8 c)` samples to `(r, c, 64)` coefficients."""
    rows, columns = plane.shape[0] // BLOCK_SIDE, plane.shape[1] // BLOCK_SIDE
    # Two passes over rows of eight: the transform of a block is that of its rows and then of its columns.
    lines = cv2.dct(np.ascontiguousarray(plane - 128).reshape(-1, BLOCK_SIDE), flags=cv2.DCT_ROWS)
    turned = lines.reshape(rows, BLOCK_SIDE, columns, BLOCK_SIDE).transpose(0, 2, 3, 1)
    both = cv2.dct(np.ascontiguousarray(turned).reshape(-1, BLOCK_SIDE), flags=cv2.DCT_ROWS)
    blocks = both.reshape(rows, columns, BLOCK_SIDE, BLOCK_SIDE).transpose(0, 1, 3, 2)
    coefficients = np.clip(np.rint(blocks / table.astype(np.float32)), -1023, 1023).astype(np.int16)
    return coefficients.reshape(rows, columns, BLOCK_SIDE * BLOCK_SIDE)
