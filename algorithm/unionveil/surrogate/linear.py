"""Our own generator: faces as a mean plus 160 symmetric components, fitted by `training.surrogate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias
from zipfile import BadZipFile

import cv2
import numpy as np
import numpy.typing as npt

from ..detections import FloatArray, RgbImage
from ..errors import ModelError
from .template import EYES_PX, SIZE_WH, TEMPLATE

__all__ = ["LinearGenerator", "Parts", "half_of", "load_linear"]

_Indices: TypeAlias = npt.NDArray[np.intp]

_MOST_YAW = 0.25
"""Larger turns, in eye distances, are drawn like this one: a linear model distorts them."""

_TURN = 1.6
"""Factor by which a turn is exaggerated, because detectors see only half of what is drawn.

At 1.0 landmarks move by 4.9 % of the eye distance at k = 2, at 1.6 by 4.5 % (median of 89 photos of people on
whom the generator was fitted)."""

_MOST_CODE = 2.5
"""Larger codes are glasses, hands and microphones more often than faces."""

_NARROW, _SHORT, _LOWER = 0.88, 0.96, 0.05
"""Factors of a drawn face's width and height, and the eye distances by which it is moved down: detectors
place eyes and mouth of a mean face wider apart, farther from each other and higher than those of people.
Chosen on the people on whom the generator was fitted."""

_MIDDLE_PX = (SIZE_WH[0] - 1) / 2
_EYES_Y_PX = float(TEMPLATE[0, 1])
_TO_FACE = np.asarray(
    [
        [1 / _NARROW, 0, _MIDDLE_PX * (1 - 1 / _NARROW)],
        [0, 1 / _SHORT, _EYES_Y_PX - (_EYES_Y_PX + _LOWER * EYES_PX) / _SHORT],
    ]
)

_COLUMNS = SIZE_WH[0] // 2


@dataclass(frozen=True)
class Parts:
    """The contents of a linear generator's file. P is the number of pixels in the left half of the mask.

    Attributes:
        mask: `(144, 112)` bool, symmetric: the drawn pixels.
        mean: `(P, 3)` float32, left half of the mean face.
        components: `(N, P * 3)` int8, left halves of the symmetric components.
        scale: `(N,)` float32: a component's largest change at a code of 1, per int8 step.
        turn: `(P, 3)` float32, left half of the antisymmetric change per eye distance of yaw.
        encoder: `(N, N)` float32, from products with the components to codes.
        weight: `(P,)` float32, a pixel's weight in a code; close to 0 at the rim.
    """

    mask: npt.NDArray[np.bool_]
    mean: FloatArray
    components: npt.NDArray[np.int8]
    scale: FloatArray
    turn: FloatArray
    encoder: FloatArray
    weight: FloatArray

    def save(self, path: Path) -> None:
        """Writes the file, below 6 MB; the same parts always give the same bytes."""
        np.savez_compressed(path, **{name: getattr(self, name) for name in self.__dataclass_fields__})


def half_of(values: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_]) -> FloatArray:
    """Pixels of the left half of a mask, `(..., P, C)` of `(..., 144, 112, C)`."""
    return values[..., :_COLUMNS, :][..., mask[:, :_COLUMNS], :].astype(np.float32)


@dataclass(frozen=True)
class LinearGenerator:
    """Turns codes into faces and back. A code is `(160,)`, each number of mean 0 and variance 1 over people.

    Attributes:
        to_face: `(2, 3)` from the landmark frame to pixels of its faces.
    """

    parts: Parts
    basis: FloatArray = field(repr=False)
    to_face: npt.NDArray[np.float64] = field(default_factory=lambda: _TO_FACE)

    @property
    def dimensions(self) -> int:
        """Length of a code."""
        return len(self.parts.scale)

    @cached_property
    def _rim(self) -> tuple[tuple[_Indices, ...], tuple[_Indices, ...]]:
        """Pixels of the left half outside the mask, and the nearest ones inside: rows and columns of each."""
        outside = ~self.parts.mask
        _, labels = cv2.distanceTransformWithLabels(
            outside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE, labelType=cv2.DIST_LABEL_PIXEL
        )
        place = np.zeros(labels.max() + 1, np.intp)
        place[labels[~outside]] = np.flatnonzero(~outside)
        outside[:, _COLUMNS:] = False
        return np.nonzero(outside), np.unravel_index(place[labels[outside]], outside.shape)

    def encode(self, chips: RgbImage) -> FloatArray:
        """Codes `(N, 160)` of faces, by weighted least squares; ignores differences between left and right.

        Hats, hair and background at the rim hardly count: the rim follows from the face.

        Args:
            chips: `(N, 144, 112, 3)` uint8, from `template.chips`.
        """
        both = chips.astype(np.float32)
        off = half_of((both + both[:, :, ::-1]) / 2, self.parts.mask) - self.parts.mean
        off *= self.parts.weight[:, None] ** 2
        codes = off.reshape(len(chips), self.basis.shape[1]) @ self.basis.T @ self.parts.encoder
        return np.clip(codes, -_MOST_CODE, _MOST_CODE).astype(np.float32)

    def faces(self, codes: FloatArray, yaw: FloatArray) -> RgbImage:
        """Draws faces in the landmark frame.

        Args:
            codes: `(N, 160)`.
            yaw: `(N,)` turn to a side, as measured by `template.yaw_of`.

        Returns:
            `(N, 144, 112, 3)` uint8; outside of the mask, colours are those at its rim.
        """
        parts = self.parts
        even = parts.mean + (codes.astype(np.float32) @ self.basis).reshape(len(codes), -1, 3)
        odd = np.clip(_TURN * yaw, -_MOST_YAW, _MOST_YAW)[:, None, None] * parts.turn
        faces = np.zeros((len(codes), *SIZE_WH[::-1], 3), np.float32)
        left = parts.mask[:, :_COLUMNS]
        faces[:, :, :_COLUMNS][:, left] = even + odd
        faces[:, :, ::-1][:, :, :_COLUMNS][:, left] = even - odd
        (rows, columns), (near_rows, near_columns) = self._rim
        for view in (faces, faces[:, :, ::-1]):
            view[:, rows, columns] = view[:, near_rows, near_columns]
        return np.clip(np.rint(faces), 0, 255).astype(np.uint8)


def load_linear(path: Path) -> LinearGenerator:
    """Reads the generator's file.

    Raises:
        ModelError: it is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            parts = Parts(**{name: arrays[name] for name in Parts.__dataclass_fields__})
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ModelError(
            f"{path} is not a surrogate generator: {error}; install the package again"
        ) from error
    return LinearGenerator(parts, parts.components * parts.scale[:, None])
