"""Measures how many faces are found that the edge of a photo cuts.

`python -m training.evaluate.cut --people FOLDER` prints a table in two minutes. Each face of the validation
photos that is whole is cut on one of its four sides, so that the photo ends there. The photo then has only
the surroundings of the face, and is searched at the default threshold, unmirrored.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from unionveil.boxes import iou, shorter_sides
from unionveil.detect import Detector
from unionveil.detect.tiles import find_faces
from unionveil.detections import FloatArray
from unionveil.errors import UnionVeilError
from unionveil.models.cards import WEIGHTS
from unionveil.models.inference import PROCESSOR

from ..data.files import DataError
from ..data.photos import Image
from .detectors import own_weights
from .validation import Photo, read_validation

__all__ = ["cut"]

_SHARES = (1.0, 0.6, 0.5, 0.4)
"""Shares of the face that stay in the photo."""

_AROUND_PX = 416
"""Longest side of the surroundings."""

_LEAST_PX, _LEAST_EDGE_PX = 20, 2
"""Shorter side of the smallest face that counts, and its least distance from the photo's own edges."""

_LEAST_IOU = 0.4
"""A face counts as found from this overlap with what is left of its box."""


def cut(image: Image, box: FloatArray, side: int, share: float) -> tuple[Image, FloatArray]:
    """A part of a photo that ends in the middle of a face.

    Args:
        image: `(H, W, 3)`.
        box: `(4,)`, the face, in pixels of the photo.
        side: 0 removes its left, 1 its top, 2 its right and 3 its bottom.
        share: of the face that stays.

    Returns:
        The part, and the face's box in its pixels.
    """
    axis, far = side % 2, side >= 2
    low, high = np.zeros(2, int), np.array([image.shape[1], image.shape[0]])
    length = share * (box[axis + 2] - box[axis])
    edge = round(float(box[axis] + length if far else box[axis + 2] - length))
    (high if far else low)[axis] = edge
    left = np.clip(box, np.tile(low, 2), np.tile(high, 2))
    middle = ((left[:2] + left[2:]) / 2).astype(int)
    start = np.clip(middle - _AROUND_PX // 2, low, np.maximum(low, high - _AROUND_PX))
    start[axis] = max(0, edge - _AROUND_PX) if far else edge
    end = np.minimum(high, start + _AROUND_PX)
    part = np.ascontiguousarray(image[start[1] : end[1], start[0] : end[0]])
    return part, (left - np.tile(start, 2)).astype(np.float32)


def _whole_faces(photos: Sequence[Photo]) -> Iterator[tuple[Photo, FloatArray]]:
    for photo in photos:
        xyxy = photo.truth.xyxy.astype(np.float32)
        far = np.array([photo.image.shape[1], photo.image.shape[0]]) - _LEAST_EDGE_PX
        whole = (xyxy[:, :2] >= _LEAST_EDGE_PX).all(axis=1) & (xyxy[:, 2:] <= far).all(axis=1)
        whole &= ~photo.truth.ignore & (shorter_sides(xyxy) >= _LEAST_PX)
        yield from ((photo, box) for box in xyxy[whole])


def _table(photos: Sequence[Photo], detector: Detector) -> Iterator[str]:
    faces = list(_whole_faces(photos))
    if not faces:
        raise DataError("no face is large enough: name the folder of labelled photos with --people")
    yield f"{len(faces)} faces of at least {_LEAST_PX} px\n"
    yield "| share of the face that is left | found |"
    yield "| ---: | ---: |"
    for share in _SHARES:
        found = 0
        for number, (photo, box) in enumerate(faces):
            part, left = cut(photo.image, box, number % 4, share)
            seen = find_faces(part, detector, detector.card.threshold, "standard", mirror=False)
            found += bool((iou(left[None], seen.xyxy) >= _LEAST_IOU).any())
        yield f"| {share:g} | {found / len(faces):.3f} |"


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="folder with validation/")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of exported weights")
    args = parser.parse_args()
    try:
        detector = own_weights(args.weights).load(1, PROCESSOR)
        print("\n".join(_table(read_validation(args.people), detector)))
    except (DataError, UnionVeilError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
