"""YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023): anchor-free, three strides."""

from __future__ import annotations

import numpy as np

from ..detections import Detections, RgbImage
from ..models.cards import DetectorCard
from ..models.session import Opener
from ..models.store import find
from .blob import to_blob

__all__ = ["YuNet"]


class YuNet:
    """YuNet on ONNX Runtime.

    A cell at column `i`, row `j` of stride `s` decodes to score = sqrt(cls * obj), centre = ((i, j) +
    bbox[:2]) * s, size = exp(bbox[2:]) * s, landmark = ((i, j) + kps) * s, as in libfacedetection.train.

    Args:
        card: model card with outputs cls, obj, bbox and kps, each for every stride.
        open_session: loads the graph on the chosen engine.

    Raises:
        ModelError: the weights are missing, altered or cannot be loaded.
    """

    fixed_wh = None

    def __init__(self, card: DetectorCard, open_session: Opener) -> None:
        self.card = card
        self._session = open_session(find(card))

    def candidates(self, image: RgbImage, least: float) -> Detections:
        """As `Network.candidates`."""
        card = self.card
        blob = to_blob(image, channels="bgr", multiple_px=self._session.multiple_px)
        outputs = [output[0] for output in self._session.run(blob, card.outputs)]
        levels = []
        for level, stride in enumerate(card.strides):
            cls, obj, bbox, kps = outputs[level :: len(card.strides)]
            score = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1))
            kept = np.flatnonzero(score >= least)
            columns = blob.shape[3] // stride
            cell = np.stack([kept % columns, kept // columns], axis=1).astype(np.float32)
            middle = (cell + bbox[kept, :2]) * stride
            half = np.exp(np.clip(bbox[kept, 2:], -20, 8)) * stride / 2
            points = (cell[:, None] + kps[kept].reshape(-1, 5, 2)) * stride
            levels.append(
                Detections.of(np.concatenate([middle - half, middle + half], axis=1), score[kept], points)
            )
        return Detections.concat(levels)
