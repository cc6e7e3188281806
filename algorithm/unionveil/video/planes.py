"""Frames as planes of samples: upright, for detectors and optical flow, and with patches drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..images import Colour, Frame, Patch, Pixels, Rendering
from .colours import matrix_of, samples_of
from .shape import Colours, Shape

if TYPE_CHECKING:
    import av

__all__ = ["GREY_PX", "Grey", "Plane", "grey_of", "lay", "planes_of", "rgb_of", "seen", "upright"]

Plane: TypeAlias = npt.NDArray[Any]
"""`(h, w)` uint8 or uint16 samples of one component; a view into the frame's memory."""

Grey: TypeAlias = npt.NDArray[np.uint8]
"""`(h, w)` uint8, the reduced luma of an upright frame."""

GREY_PX = 640
"""Longest side of the picture from which optical flow is computed."""


def planes_of(frame: av.VideoFrame) -> list[Plane]:
    """The components of a planar frame, each a view into its memory.

    Args:
        frame: planar, of 8 to 16 bits; call `make_writable` first to write to the views.
    """
    found = []
    for part in frame.format.components:
        plane = frame.planes[part.plane]
        dtype = np.dtype(np.uint8 if part.bits <= 8 else "<u2")
        buffer: Any = plane
        rows = np.frombuffer(buffer, dtype).reshape(-1, plane.line_size // dtype.itemsize)
        found.append(rows[: part.height, : part.width])
    return found


def upright(frame: av.VideoFrame, shape: Shape) -> av.VideoFrame:
    """A frame as viewers show it, copied: mirrored and rotated as its container says."""
    import av

    if not shape.quarter_turns and not shape.is_mirrored:
        frame.make_writable()
        return frame
    name = frame.format.name
    if shape.quarter_turns % 2 and "422" in name:
        # Rotated, its chroma would be halved only in height, which encoders do not support.
        frame = frame.reformat(format=name.replace("422", "444"))
    turned = av.VideoFrame(*shape.size_wh, frame.format.name)
    for source, target in zip(planes_of(frame), planes_of(turned), strict=True):
        part = source[:, ::-1] if shape.is_mirrored else source
        target[...] = np.rot90(part, -shape.quarter_turns)
    turned.pts, turned.duration = frame.pts, frame.duration
    if frame.time_base is not None:
        turned.time_base = frame.time_base
    return turned


def grey_of(frame: av.VideoFrame) -> Grey:
    """The luma of an upright frame, of at most `GREY_PX` and 8 bits."""
    luma = planes_of(frame)[0]
    scale = GREY_PX / max(luma.shape)
    if scale < 1:
        size_wh = (max(8, round(luma.shape[1] * scale)), max(8, round(luma.shape[0] * scale)))
        luma = np.asarray(cv2.resize(luma, size_wh, interpolation=cv2.INTER_AREA))
    bits = frame.format.components[0].bits
    return np.ascontiguousarray(luma if bits <= 8 else luma >> (bits - 8), np.uint8)


def rgb_of(frame: av.VideoFrame, colours: Colours, *, deep: bool = False) -> Pixels:
    """An upright frame as `(H, W, 3)` RGB, by its own matrix; uint16 if `deep`, otherwise uint8.

    Samples are converted only by their matrix: the transfer function stays the file's.
    """
    matrix = matrix_of(colours, (frame.width, frame.height))
    frame_range = 2 if colours.is_full else 1
    converted = frame.reformat(
        format="rgb48le" if deep else "rgb24",
        src_colorspace=matrix.swscale,
        dst_colorspace=matrix.swscale,
        src_color_range=frame_range,
        dst_color_range=2,
        interpolation="BICUBIC",
    )
    pixels: Any = converted.to_ndarray()
    return pixels


_HDR = (16, 18)
"""PQ and HLG (ITU-T H.273, table 3): viewers do not show their samples as sRGB."""


def seen(frame: av.VideoFrame, colours: Colours) -> tuple[Frame, Rendering]:
    """An upright frame as 8-bit RGB, and how viewers show it."""
    cicp = (colours.primaries, colours.transfer, colours.matrix, colours.is_full)
    rendering = Rendering(cicp=cicp) if colours.transfer in _HDR else Rendering()
    return Frame(rgb_of(frame, colours), Colour.RGB), rendering


@dataclass(frozen=True)
class _Blocks:
    """How many luma samples one chroma sample spans, horizontally and vertically."""

    across: int
    down: int


def lay(frame: av.VideoFrame, patches: Sequence[Patch], colours: Colours) -> None:
    """Draws patches on an upright frame, in its own planes; every other sample stays unchanged.

    A chroma sample shared by any covered pixel is replaced as a whole, and so are all luma samples that
    belong to it: no colour of a face remains at the edge of its cover.

    Args:
        frame: upright, with its own memory.
        patches: RGB, uint8 or uint16, in the order in which they are drawn.
        colours: of the frame.
    """
    planes = planes_of(frame)
    bits = frame.format.components[0].bits
    luma, chroma = planes[0], planes[1:3]
    blocks = _blocks(luma, chroma[0]) if chroma else _Blocks(1, 1)
    matrix = matrix_of(colours, (frame.width, frame.height))
    for patch in patches:
        rows, columns = _aligned(patch, blocks, luma.shape)
        pixels, mask = _padded(patch, rows, columns, blocks)
        values = samples_of(pixels, matrix, bits, is_full=colours.is_full)
        np.copyto(luma[rows, columns], values[..., 0], where=mask)
        coarse = mask[:: blocks.down, :: blocks.across]
        part = (slice(rows.start // blocks.down, None), slice(columns.start // blocks.across, None))
        for number, plane in enumerate(chroma, 1):
            target = plane[part][: coarse.shape[0], : coarse.shape[1]]
            np.copyto(target, _means(values[..., number], blocks), where=coarse)


def _blocks(luma: Plane, chroma: Plane) -> _Blocks:
    return _Blocks(-(-luma.shape[1] // chroma.shape[1]), -(-luma.shape[0] // chroma.shape[0]))


def _aligned(patch: Patch, blocks: _Blocks, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of a patch, extended to whole chroma samples."""
    rows = slice(
        patch.rows.start // blocks.down * blocks.down,
        min(shape[0], -(-patch.rows.stop // blocks.down) * blocks.down),
    )
    columns = slice(
        patch.columns.start // blocks.across * blocks.across,
        min(shape[1], -(-patch.columns.stop // blocks.across) * blocks.across),
    )
    return rows, columns


def _padded(
    patch: Patch, rows: slice, columns: slice, blocks: _Blocks
) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """The pixels of a patch and where they go, extended to whole chroma samples: `(h, w, 3)` and `(h, w)`.

    Pixels at the edge are repeated.
    """
    height, width = rows.stop - rows.start, columns.stop - columns.start
    above, left = patch.rows.start - rows.start, patch.columns.start - columns.start
    mask = np.zeros((height, width), bool)
    inner = (
        slice(above, above + patch.rows.stop - patch.rows.start),
        slice(left, left + patch.columns.stop - patch.columns.start),
    )
    mask[inner] = True if patch.mask is None else patch.mask
    coarse = np.zeros((-(-height // blocks.down), -(-width // blocks.across)), bool)
    for row in range(blocks.down):
        for column in range(blocks.across):
            part = mask[row :: blocks.down, column :: blocks.across]
            coarse[: part.shape[0], : part.shape[1]] |= part
    grown = coarse.repeat(blocks.down, 0).repeat(blocks.across, 1)[:height, :width]
    if patch.has_one_colour:
        flat: Any = np.broadcast_to(patch.pixels, (height, width, 3))
        return flat, grown
    inside = mask[inner].shape
    ends = ((above, height - above - inside[0]), (left, width - left - inside[1]), (0, 0))
    pixels: Any = np.pad(patch.pixels, ends, "edge")
    return pixels, grown


def _means(values: Plane, blocks: _Blocks) -> Plane:
    """Chroma samples: the mean of the pixels that each spans; repeated at an odd edge."""
    if blocks == _Blocks(1, 1):
        return values
    odd = (-values.shape[0] % blocks.down, -values.shape[1] % blocks.across)
    padded = np.pad(values, ((0, odd[0]), (0, odd[1])), "edge").astype(np.float32)
    height, width = padded.shape[0] // blocks.down, padded.shape[1] // blocks.across
    means = padded.reshape(height, blocks.down, width, blocks.across).mean(axis=(1, 3))
    result: Plane = np.rint(means).astype(values.dtype)
    return result
