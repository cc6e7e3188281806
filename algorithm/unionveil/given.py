"""Boxes from other sources for one picture: a person's, another program's, or a data set's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from .boxes import cover_pixels, unite_faces
from .detections import Detections, RgbImage
from .outcomes import Rejected

if TYPE_CHECKING:
    from .pipeline import Inspection

__all__ = ["BoxPlan", "BoxesMode", "GivenBoxes", "find_nothing", "lay"]

BoxesMode: TypeAlias = Literal["instead", "beside"]
"""Whether boxes from other sources replace the detector's, or both are covered."""


@dataclass(frozen=True)
class GivenBoxes:
    """Boxes to cover in one picture.

    Attributes:
        frames: boxes of each frame or page, from the first, in its upright pixels; later frames have none.
        mode: whether they replace the detector's boxes.
        knows_frames: whether the file of boxes distinguishes frames. If not, `frames` has one element, which
            applies to every frame.
        photo: keyed digest of the bytes that they were drawn on; None if unknown.
    """

    frames: tuple[Detections, ...]
    mode: BoxesMode
    knows_frames: bool = True
    photo: str | None = None

    def digest(self) -> bytes:
        """SHA-256 over everything that decides what is covered."""
        digest = hashlib.sha256(repr((self.mode, self.knows_frames, self.photo)).encode())
        for faces in self.frames:
            for array in (faces.xyxy, faces.score, faces.kind, faces.identity):
                digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return digest.digest()


BoxPlan: TypeAlias = Callable[[int, str], GivenBoxes | Rejected | None]
"""Boxes for an input by its number and its name: `Rejected` withholds it, None leaves it to the detector."""


def find_nothing(image: RgbImage) -> Detections:  # noqa: ARG001  the protocol gives it
    """A finder that finds nothing: all boxes come from other sources."""
    return Detections.empty()


def lay(given: GivenBoxes, inspection: Inspection) -> Inspection | Rejected:
    """A picture with the given boxes instead of, or in addition to, the detector's.

    Boxes that do not fit were drawn on another picture, and the faces of this one would stay uncovered; the
    picture is then rejected.

    Args:
        given: boxes in upright pixels.
        inspection: the decoded picture, with the detector's boxes.
    """
    sizes = [frame.size_wh for frame in inspection.picture.frames]
    if not given.knows_frames and given.mode == "instead" and len(sizes) > 1:
        return Rejected(
            "boxes", f"the boxes are for a single picture, and this one has {len(sizes)} frames or pages"
        )
    if len(given.frames) > len(sizes):
        return Rejected(
            "boxes", f"there are boxes for page {len(given.frames)}, and the picture has {len(sizes)}"
        )
    rest = given.frames[0] if given.frames and not given.knows_frames else Detections.empty()
    boxes = [*given.frames, *[rest] * (len(sizes) - len(given.frames))]
    for faces, size_wh in zip(boxes, sizes, strict=True):
        x0, y0, x1, y1 = cover_pixels(faces.xyxy, size_wh).T
        if ((x0 >= x1) | (y0 >= y1)).any():
            return Rejected("boxes", "a box is outside the picture, so it was drawn on another one")
    if given.mode == "instead":
        return replace(inspection, faces=tuple(boxes))
    pairs = zip(boxes, inspection.faces, strict=True)
    return replace(inspection, faces=tuple(unite_faces(pair) if len(pair[0]) else pair[1] for pair in pairs))
