"""Finding faces: detectors behind one protocol, at several scales, united."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..boxes import unite
from ..config import AnonymizeConfig
from ..detections import Detections, RgbImage
from .centerface import CenterFace
from .detector import Detector
from .haar import Haar
from .models import CARDS, ModelCard
from .retinaface import RetinaFace
from .tiles import find_faces
from .yolo import Yolo
from .yunet import YuNet

__all__ = ["Detector", "FaceFinder", "ModelCard", "load_detector"]

_SAME_FACE_IOU = 0.4
"""Boxes of two detectors that overlap by more are one face, covered by both boxes."""


def load_detector(name: str, threads: int = 0) -> Detector:
    """Loads one detector by its name in the configuration.

    Args:
        name: one of `config.DETECTORS`, or `yolo:FILE.onnx`.
        threads: threads for one call; 0 takes all cores.

    Raises:
        ModelError: its weights are missing, altered or cannot be loaded.
    """
    kind, _, path = name.partition(":")
    match kind:
        case "retinaface" | "retinaface-mnet025":
            return RetinaFace(CARDS[kind], threads)
        case "yunet":
            return YuNet(CARDS[kind], threads)
        case "centerface":
            return CenterFace(CARDS[kind], threads)
        case "haar":
            return Haar()
        case "yolo":
            return Yolo(Path(path), threads)
        case _:
            raise ValueError(f"no detector {name!r}: the configuration should have refused it")


class FaceFinder:
    """All detectors that a configuration names, loaded once; their faces are united.

    Args:
        config: detectors, threshold and detail.
        threads: threads for one call; 0 takes all cores.

    Raises:
        ModelError: weights are missing, altered or cannot be loaded.
    """

    def __init__(self, config: AnonymizeConfig, threads: int = 0) -> None:
        self._detectors = [load_detector(name, threads) for name in config.detector]
        self._threshold = config.threshold
        self._detail = config.detail

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The weights in use."""
        return tuple(card for detector in self._detectors for card in detector.cards)

    def __call__(self, image: RgbImage) -> Detections:
        """Faces that any of the detectors finds.

        Args:
            image: `(H, W, 3)` uint8, red first, upright.

        Returns:
            Faces in pixels of `image`, best first.

        Raises:
            ModelError: a model failed.
        """
        found = [
            find_faces(image, detector, self._threshold or detector.cards[0].threshold, self._detail)
            for detector in self._detectors
        ]
        faces = Detections.concat(found)
        xyxy, kept = unite(faces.xyxy, faces.score, _SAME_FACE_IOU)
        return replace(faces[kept], xyxy=xyxy)
