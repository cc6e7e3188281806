"""Runs a second detector only near places that may show a face."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..boxes import cover_pixels, expand, nms
from ..detections import Detections, FloatArray, RgbImage

if TYPE_CHECKING:
    from ..detect import Detector

__all__ = ["detect_near"]

_AROUND = 0.75
"""Margin around each place, as a share of its width and height: a cascade needs chin and forehead."""

_SIDE_PX = 48
"""Longer side of a place in the detector's input: twice the smallest face that a cascade finds."""

_MOST_ENLARGED = 4.0
"""Enlarging further shows nothing new."""


def detect_near(image: RgbImage, xyxy: FloatArray, detector: Detector) -> Detections:
    """Faces that a detector finds near places, at its default threshold.

    On a whole picture, Haar cascades take three times as long as a network and have many false positives;
    they judge single doubtful faces well.

    Args:
        image: `(H, W, 3)` uint8, RGB.
        xyxy: `(N, 4)` places in pixels of the image.
        detector: runs on each place with its margin, resized to one size.

    Returns:
        Faces in pixels of the image, best first, overlapping ones suppressed.
    """
    size_wh = (image.shape[1], image.shape[0])
    found = [Detections.empty()]
    for box, (x0, y0, x1, y1) in zip(
        xyxy, cover_pixels(expand(xyxy, _AROUND), size_wh).tolist(), strict=True
    ):
        if x0 >= x1 or y0 >= y1:
            continue
        scale = min(_MOST_ENLARGED, _SIDE_PX / max(1.0, float((box[2:] - box[:2]).max())))
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        wh = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
        crop = np.asarray(cv2.resize(image[y0:y1, x0:x1], wh, interpolation=interpolation), np.uint8)
        faces = detector(crop, detector.card.threshold)
        back = ((x1 - x0) / wh[0], (y1 - y0) / wh[1])
        found.append(faces.transform(scale_xy=back).transform(scale_xy=(1, 1), offset_xy=(x0, y0)))
    faces = Detections.concat(found)
    return faces[nms(faces.xyxy, faces.score, detector.card.nms_iou)]
