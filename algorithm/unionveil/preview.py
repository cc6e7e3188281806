"""Outputs with the found boxes drawn on them, to see which faces were found and which were missed.

The boxes are drawn on the *redacted* picture: a missed face is as visible there as in the output, and nothing
that was redacted reappears.
"""

from __future__ import annotations

import cv2
import numpy as np

from .images import decode, rgb_views
from .runs.schema import RedactedRecord

__all__ = ["draw_preview"]

_LONGEST_PX = 1600
_GREEN = (40, 220, 60)


def draw_preview(data: bytes, record: RedactedRecord) -> bytes:
    """The first frame of an output as a JPEG of at most 1600 px, every found face outlined, with its score.

    Args:
        data: the output.
        record: its record in the manifest.
    """
    picture = decode(data, float("inf"))
    image = next(rgb_views(picture.frames[0], picture.rendering))
    scale = min(1.0, _LONGEST_PX / max(image.shape[:2]))
    size_wh = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    canvas = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    for face in record.faces:
        if face.frame:
            continue
        box = [round(value * scale) for value in face.xyxy]
        cv2.rectangle(canvas, box[:2], box[2:], _GREEN, 2)
        where = (box[0], max(10, box[1] - 4))
        cv2.putText(canvas, f"{face.score:.2f}", where, cv2.FONT_HERSHEY_SIMPLEX, 0.4, _GREEN, 1, cv2.LINE_AA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))
    return np.asarray(encoded).tobytes()
