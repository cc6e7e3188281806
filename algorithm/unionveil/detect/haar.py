"""OpenCV's Haar cascades (Viola and Jones, 2001): frontal faces and both profiles."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np

from ..boxes import nms
from ..detections import Detections, RgbImage
from ..errors import ModelError
from ..models.cards import DetectorCard
from ..models.store import find
from .detector import Detail

__all__ = ["Haar"]


class Haar:
    """Frontal and profile cascades; the profile one knows one side, so it also runs on the mirrored picture.

    A cascade returns no probability, only the number `n` of raw hits around a face. The score is n / (n + 1),
    so the default threshold of 0.75 is OpenCV's customary three neighbours.

    Args:
        frontal: card of the frontal cascade.
        profile: card of the profile cascade.

    Raises:
        ModelError: a cascade is missing, altered or cannot be loaded.
    """

    fixed_wh = None
    glimpses: tuple[Detail, ...] = ()
    """A cascade gives faint hits everywhere, and none to faces below its 20 px."""

    def __init__(self, frontal: DetectorCard, profile: DetectorCard) -> None:
        self.card = frontal
        self._cascades = []
        for card in (frontal, profile):
            cascade = cv2.CascadeClassifier(str(find(card)))
            if cascade.empty():
                raise ModelError(
                    f"OpenCV cannot load the cascade {card.file}; install opencv-python-headless below 5"
                )
            self._cascades.append(cascade)

    def __call__(self, image: RgbImage, threshold: float, *, mirror: bool = False) -> Detections:  # noqa: ARG002
        """As `Detector.__call__`; `mirror` has no effect, since the picture is always seen mirrored too."""
        grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        frontal, profile = (
            # 1.1 is the cascades' usual scale step; 1 keeps every group, so that the threshold decides.
            partial(cascade.detectMultiScale2, scaleFactor=1.1, minNeighbors=1)
            for cascade in self._cascades
        )
        mirrored_xywh, mirrored_hits = profile(cv2.flip(grey, 1))
        mirrored = _faces(mirrored_xywh, mirrored_hits)
        faces = Detections.concat(
            [_faces(*frontal(grey)), _faces(*profile(grey)), mirrored.mirror(image.shape[1])]
        )
        faces = faces[faces.score >= threshold]
        return faces[nms(faces.xyxy, faces.score, self.card.nms_iou)]


def _faces(xywh: object, hits: object) -> Detections:
    boxes = np.asarray(xywh, np.float32).reshape(-1, 4)
    count = np.asarray(hits, np.float32).reshape(-1)
    return Detections.of(
        np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1), count / (count + 1)
    )
