"""Finding faces: detectors behind one protocol, at several scales, united."""

from __future__ import annotations

from copy import copy
from functools import partial

from ..boxes import unite_faces
from ..config import AnonymizeConfig
from ..detections import Detections, RgbImage
from ..models.cards import cards_of
from ..models.inference import PROCESSOR, Inference, choose
from ..models.session import open_session
from .centerface import CenterFace
from .detector import Detector
from .haar import Haar
from .retinaface import RetinaFace
from .support import Supported
from .tiles import Detail, find_faces, reduction
from .yolo import Yolo
from .yunet import YuNet

__all__ = ["Detector", "FaceFinder", "load_detector"]


def load_detector(name: str, threads: int, inference: Inference = PROCESSOR) -> Detector:
    """Loads one detector by its name in the configuration.

    Args:
        name: one of `models.cards.DETECTORS`; `yolo` as `yolo:FILE.onnx`.
        threads: threads for one call, at least 1.
        inference: the engine that runs its network.

    Raises:
        ModelError: its weights are missing, altered or cannot be loaded.
    """
    card, *parts = cards_of(name)
    opener = partial(open_session, threads=threads, inference=inference)
    match card.kind:
        case "retinaface":
            return Supported(RetinaFace(card, opener))
        case "yunet":
            return Supported(YuNet(card, opener))
        case "centerface":
            return Supported(CenterFace(card, opener))
        case "haar":
            return Haar(card, *parts)
        case "yolo":
            return Supported(Yolo(card, opener))


class FaceFinder:
    """All detectors that a configuration names, loaded once; their faces are united.

    Args:
        config: detectors, threshold, detail, mirror and engine.
        threads: threads for one call, at least 1.

    Raises:
        ModelError: weights are missing, altered or cannot be loaded.
    """

    def __init__(self, config: AnonymizeConfig, threads: int) -> None:
        inference = choose(config.engine)
        self._detectors = [load_detector(name, threads, inference) for name in config.detector]
        self._threshold = config.threshold
        self._detail: Detail = config.detail
        self._mirror = config.mirror == "auto"
        self._share = 1.0

    def tuned(self, *, threshold: float | None, detail: Detail) -> FaceFinder:
        """The same loaded detectors with other settings, which mean the same as in `AnonymizeConfig`."""
        other = copy(self)
        other._threshold, other._detail = threshold, detail
        return other

    def faint(self, share: float) -> FaceFinder:
        """The same loaded detectors at a share of their thresholds."""
        other = copy(self)
        other._share = share * self._share
        return other

    @property
    def sure(self) -> float:
        """Least score that counts as a face at the whole threshold, of the detector with the lowest."""
        return min(self._threshold or detector.card.threshold for detector in self._detectors)

    def reduction(self, size_wh: tuple[int, int]) -> int:
        """By how much, 1, 2, 4 or 8 times, a picture may be reduced before this finder gets it."""
        return reduction(size_wh, self._detail)

    def __call__(self, image: RgbImage, size_wh: tuple[int, int] | None = None) -> Detections:
        """The faces that any of the detectors finds.

        Args:
            image: `(H, W, 3)` uint8, RGB, upright.
            size_wh: width and height of the picture, if `image` is a reduced version of it.

        Returns:
            Faces in pixels of the picture, best first.

        Raises:
            ModelError: a model failed.
        """
        return unite_faces(
            [
                find_faces(
                    image,
                    detector,
                    self._share * (self._threshold or detector.card.threshold),
                    self._detail,
                    mirror=self._mirror,
                    size_wh=size_wh,
                )
                for detector in self._detectors
            ]
        )
