"""Fakes for tests about identity: an embedder that derives a person from the colour of a face."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from unionveil import Detections
from unionveil.detections import RgbImage
from unionveil.identity.embeddings import Embeddings
from unionveil.models.cards import EMBEDDERS

Box: TypeAlias = tuple[int, int, int, int]

LANDMARKS = np.asarray([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
"""Shares of a box."""


def faces_at(boxes: npt.ArrayLike, landmarks: bool = True) -> Detections:
    """Faces with landmarks in boxes `(N, 4)` xyxy."""
    xyxy = np.asarray(boxes, np.float32).reshape(-1, 4)
    points = xyxy[:, None, :2] + LANDMARKS * (xyxy[:, None, 2:] - xyxy[:, None, :2])
    return Detections.of(xyxy, np.full(len(xyxy), 0.9), points if landmarks else None)


class ColourEmbedder:
    """Uses the mean colour of a box, minus grey, as the person; faces below 20 px cannot be judged."""

    card = EMBEDDERS["sface"].model_copy(update={"dimensions": 3, "least_face_px": 20})

    def __call__(self, image: RgbImage, faces: Detections) -> Embeddings:
        rows = np.zeros((len(faces), 3), np.float32)
        for row, (x0, y0, x1, y1) in zip(rows, faces.xyxy.astype(int), strict=True):
            row[:] = image[y0:y1, x0:x1].reshape(-1, 3).mean(axis=0) - 128
        wh = faces.xyxy[:, 2:] - faces.xyxy[:, :2]
        usable = np.isfinite(faces.landmarks).all(axis=(1, 2)) & (wh.min(axis=1) >= 20)
        return Embeddings.of(rows, usable)


def painted(size_wh: tuple[int, int], *faces: tuple[Box, tuple[int, int, int]]) -> RgbImage:
    """A grey picture with boxes in the colours of people."""
    image = np.full((size_wh[1], size_wh[0], 3), 128, np.uint8)
    for (x0, y0, x1, y1), colour in faces:
        image[y0:y1, x0:x1] = colour
    return image
