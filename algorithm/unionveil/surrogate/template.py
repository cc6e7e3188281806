"""The landmark frame: where a face is in it, chips cut from pictures, and faces drawn back over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from ..boxes import cover_pixels
from ..detections import BoolArray, FloatArray, RgbImage
from ..identity.align import aligned, similarity

__all__ = [
    "EYES_PX",
    "FEATHER",
    "HEAD",
    "OVAL",
    "SIZE_WH",
    "TEMPLATE",
    "Laid",
    "chips",
    "covered_share",
    "lay",
    "oval_region",
    "radius",
    "to_frame",
    "yaw_of",
]

EYES_PX = 34
"""Distance between the eyes in the landmark frame."""

SIZE_WH = (112, 144)
"""Size of a chip in pixels: the oval with its feather."""

OVAL = (1.43, 1.88)
"""Half width and half height of the part that is replaced completely, in eye distances. An oval of 1.19 x
1.59 leaves so much of the outline that a face recognition network identifies the right person in three of ten
photos at k = 5."""

FEATHER = 1.18
"""Scale of the oval at which the surrogate has faded out; pixels between the two ovals are blended."""

HEAD = (2.0, 2.6)
"""Half width and half height of the oval that `surround` covers: hair, ears and neck."""

_MIDDLE = 0.42
"""Distance of the ovals' centre below the eyes, in eye distances."""

_SHAPE = np.asarray([[-0.5, 0], [0.5, 0], [0, 0.572], [-0.414, 1.155], [0.414, 1.155]], np.float64)
"""Landmarks in eye distances, in the order of `Landmark`: ArcFace's (arXiv:1801.07698), made symmetric."""

_CENTRE = (np.asarray(SIZE_WH, np.float64) - 1) / 2  # integers are pixel centres
TEMPLATE: npt.NDArray[np.float64] = _SHAPE * EYES_PX + _CENTRE - [0, _MIDDLE * EYES_PX]
"""`(5, 2)` landmarks in pixels of the landmark frame."""

_SIDE = max(SIZE_WH)
_TRIM = (_SIDE - SIZE_WH[0]) // 2


def to_frame(landmarks: FloatArray) -> npt.NDArray[np.float64]:
    """Similarities from a picture to the landmark frame.

    Args:
        landmarks: `(N, 5, 2)` in pixels of the picture.

    Returns:
        `(N, 2, 3)`; NaN without landmarks.
    """
    return similarity(landmarks, TEMPLATE)


def yaw_of(landmarks: FloatArray) -> FloatArray:
    """How far faces are turned to a side, `(N,)`: the nose's distance from the middle, in eye distances."""
    matrices = to_frame(landmarks)
    noses = np.einsum("nij,nj->ni", matrices[:, :, :2], landmarks[:, 2]) + matrices[:, :, 2]
    return ((noses[:, 0] - _CENTRE[0]) / EYES_PX).astype(np.float32)


def chips(image: RgbImage, matrices: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Cuts faces out of a picture into the landmark frame.

    Args:
        image: `(H, W, 3)` uint8, RGB.
        matrices: `(N, 2, 3)` of `to_frame`, finite.

    Returns:
        `(N, 144, 112, 3)` uint8, black where they extend beyond the picture.
    """
    wide = _of_pixels(matrices) + np.asarray([[0, 0, _TRIM], [0, 0, 0]], np.float64)
    return aligned(image, wide, _SIDE)[:, :, _TRIM : _TRIM + SIZE_WH[0]]


@cache
def radius() -> FloatArray:
    """`(144, 112)` distance of every pixel of the frame from the centre; 1 on the oval."""
    x = (np.arange(SIZE_WH[0]) - _CENTRE[0]) / (OVAL[0] * EYES_PX)
    y = (np.arange(SIZE_WH[1]) - _CENTRE[1]) / (OVAL[1] * EYES_PX)
    return np.hypot(x[None, :], y[:, None]).astype(np.float32)


def covered_share(matrices: npt.NDArray[np.float64], xyxy: FloatArray) -> FloatArray:
    """How much of each face the oval covers, measured by the ellipse inscribed in its box.

    Landmarks that do not fit their box would leave a part of the face uncovered.

    Args:
        matrices: `(N, 2, 3)` of `to_frame`.
        xyxy: `(N, 4)` boxes in pixels of the picture.

    Returns:
        `(N,)` in [0, 1]; 0 without landmarks.
    """
    points = (
        _disc()[None] * ((xyxy[:, 2:] - xyxy[:, :2]) / 2)[:, None]
        + ((xyxy[:, :2] + xyxy[:, 2:]) / 2)[:, None]
    )
    inside = np.einsum("nij,npj->npi", matrices[:, :, :2], points) + matrices[:, None, :, 2]
    off = (inside - _CENTRE) / (np.asarray(OVAL) * EYES_PX)
    with np.errstate(invalid="ignore"):
        return (np.hypot(off[..., 0], off[..., 1]) <= 1).mean(axis=1).astype(np.float32)


@cache
def _disc() -> FloatArray:
    """Points spread evenly over the unit disc, `(P, 2)`."""
    side = np.linspace(-1, 1, 25, dtype=np.float32)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    return points[np.hypot(points[:, 0], points[:, 1]) <= 1]


@dataclass(frozen=True)
class Laid:
    """A surrogate in a picture's pixels.

    Attributes:
        rows: rows of the picture that it touches.
        columns: columns of the picture that it touches.
        rgb: `(h, w, 3)` float32 in [0, 255].
        alpha: `(h, w, 1)` float32 in [0, 1]: 1 in the whole oval, 0 beyond its feather.
    """

    rows: slice
    columns: slice
    rgb: FloatArray
    alpha: FloatArray

    @property
    def mask(self) -> BoolArray:
        """`(h, w)`: the pixels that change."""
        return self.alpha[..., 0] > 0


def lay(
    face: RgbImage,
    to_face: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
    size_wh: tuple[int, int],
) -> Laid | None:
    """Rotates, scales and moves a face onto a picture's face, by its similarity alone.

    Args:
        face: `(h, w, 3)` uint8.
        to_face: `(2, 3)` from the landmark frame to pixels of `face`.
        matrix: `(2, 3)` of `to_frame`.
        size_wh: of the picture.

    Returns:
        The face in the picture's pixels; None if all of it is outside.
    """
    reach = _reach(matrix, (OVAL[0] * FEATHER, OVAL[1] * FEATHER), size_wh)
    if reach is None:
        return None
    x0, y0, x1, y1 = reach
    here = _shifted(matrix, x0, y0)
    size = (x1 - x0, y1 - y0)
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    whole = to_face @ np.concatenate([here, [[0, 0, 1]]])
    rgb = cv2.warpAffine(_softened(face, whole), whole, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(_alpha(), here, size, flags=flags)[..., None]
    return Laid(slice(y0, y1), slice(x0, x1), rgb.astype(np.float32), np.clip(alpha, 0, 1))


def oval_region(
    matrix: npt.NDArray[np.float64], half: tuple[float, float], size_wh: tuple[int, int]
) -> tuple[slice, slice, BoolArray] | None:
    """The pixels of an oval around a face, such as `HEAD`.

    Args:
        matrix: `(2, 3)` of `to_frame`.
        half: half width and half height in eye distances.
        size_wh: of the picture.

    Returns:
        Rows, columns and which of their pixels lie in it, `(h, w)`; None if all of it lies outside.
    """
    reach = _reach(matrix, half, size_wh)
    if reach is None:
        return None
    x0, y0, x1, y1 = reach
    here = _shifted(matrix, x0, y0)
    x, y = np.meshgrid(np.arange(x1 - x0), np.arange(y1 - y0))
    u = (here[0, 0] * x + here[0, 1] * y + here[0, 2] - _CENTRE[0]) / (half[0] * EYES_PX)
    v = (here[1, 0] * x + here[1, 1] * y + here[1, 2] - _CENTRE[1]) / (half[1] * EYES_PX)
    return slice(y0, y1), slice(x0, x1), np.hypot(u, v) <= 1


@cache
def _alpha() -> FloatArray:
    """`(144, 112)`: 1 in the oval and one pixel beyond it, falling to 0 at the end of the feather."""
    share = np.clip((FEATHER - radius()) / (FEATHER - 1) * 1.25, 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def _softened(face: RgbImage, whole: npt.NDArray[np.float64]) -> RgbImage:
    """The face without details finer than the pixels in which it is drawn."""
    shrink = float(np.hypot(*whole[:, 0]))
    return face if shrink <= 1 else cv2.GaussianBlur(face, (0, 0), 0.5 * shrink).astype(np.uint8)


def _shifted(matrix: npt.NDArray[np.float64], x: int, y: int) -> npt.NDArray[np.float64]:
    """The matrix for pixels that are counted from a corner of the region."""
    matrix = _of_pixels(matrix)
    shift = matrix[:, :2] @ [x, y] + matrix[:, 2]
    return np.concatenate([matrix[:, :2], shift[:, None]], axis=1)


def _of_pixels(matrices: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Matrices for pixel indices; landmarks are measured from the picture's corner, where pixel 0 begins."""
    shift = matrices[..., :2].sum(axis=-1) / 2
    return np.concatenate([matrices[..., :2], (matrices[..., 2] + shift)[..., None]], axis=-1)


def _reach(
    matrix: npt.NDArray[np.float64], half: tuple[float, float], size_wh: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Pixels that an oval may touch, half-open; half width and height are in eye distances."""
    inverse = cv2.invertAffineTransform(matrix)
    centre = inverse[:, :2] @ _CENTRE + inverse[:, 2]
    # An ellipse's extent along x and y: the lengths of the rows of its matrix.
    extent = np.hypot(*(inverse[:, :2] * (np.asarray(half) * EYES_PX)).T) + 1
    box = np.concatenate([centre - extent, centre + extent])[None].astype(np.float32)
    x0, y0, x1, y1 = cover_pixels(box, size_wh)[0].tolist()
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
