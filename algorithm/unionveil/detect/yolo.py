"""YOLOv5-face and YOLOv8-face graphs that the user supplies, in the layouts of their usual exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..detections import Detections, FloatArray, RgbImage
from ..errors import ModelError
from ..models.cards import DetectorCard
from ..models.session import Opener
from .blob import to_blob

__all__ = ["Yolo", "decode_v5", "decode_v8"]


class Yolo:
    """A YOLO face detector from an ONNX file with one output.

    YOLOv5-face: `(1, N, 16)`, each row cx, cy, w, h, objectness, five landmarks, class score.
    YOLOv8-face: `(1, C, N)`, each column cx, cy, w, h, score, then nothing (C = 5), five landmarks as x, y
    (C = 15) or as x, y, visibility (C = 20). All in pixels of the network's input.

    Args:
        card: the card with the ONNX file's name.
        open_session: loads the graph on the chosen engine.

    Raises:
        ModelError: the file cannot be loaded or has another layout.
    """

    def __init__(self, card: DetectorCard, open_session: Opener) -> None:
        self.card = card
        self._session = open_session(Path(card.file))
        if len(self._session.output_names) != 1:
            raise ModelError(
                f"{card.file} has {len(self._session.output_names)} outputs: export it with the detection "
                "layer, so that it has one"
            )
        self.fixed_wh = self._session.fixed_wh

    def candidates(self, image: RgbImage, least: float) -> Detections:
        """As `Network.candidates`."""
        blob = to_blob(
            image,
            channels="rgb",
            multiple_px=self._session.multiple_px,
            scale=1 / 255,
            border=(114, 114, 114),
            fixed_wh=self.fixed_wh,
        )
        (output,) = self._session.run(blob, self._session.output_names)
        if output.ndim == 3 and output.shape[2] == 16:
            return decode_v5(output[0], least)
        if output.ndim == 3 and output.shape[1] in (5, 15, 20):
            return decode_v8(output[0], least)
        raise ModelError(
            f"{self.card.file} has an output of shape {output.shape}; YOLOv5-face has (1, N, 16), "
            "YOLOv8-face (1, 5, 15 or 20, N)"
        )


def decode_v5(rows: FloatArray, least: float) -> Detections:
    """Turns `(N, 16)` rows into faces; the score is objectness times class score."""
    score = rows[:, 4] * rows[:, 15]
    rows, score = rows[score >= least], score[score >= least]
    return Detections.of(_corners(rows[:, :4]), score, rows[:, 5:15])


def decode_v8(columns: FloatArray, least: float) -> Detections:
    """Turns `(5, 15 or 20, N)` columns into faces."""
    rows = columns.T[columns[4] >= least]
    points = rows[:, 5:].reshape(-1, 5, len(columns) // 5 - 1)[..., :2] if len(columns) > 5 else None
    return Detections.of(_corners(rows[:, :4]), rows[:, 4], points)


def _corners(cxcywh: FloatArray) -> FloatArray:
    half = cxcywh[:, 2:] / 2
    return np.concatenate([cxcywh[:, :2] - half, cxcywh[:, :2] + half], axis=1)
