"""Finds faces, text and plates: detectors behind one protocol, run at several sizes, their results merged."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import partial
from typing import Protocol, TypeAlias

import numpy as np

from ..boxes import unite_faces
from ..config import AnonymizeConfig
from ..detections import Detections, Kind, RgbImage
from ..models.cards import PLATE_DETECTOR, TEXT_DETECTOR, cards_of
from ..models.inference import PROCESSOR, Inference, choose
from ..models.session import open_session
from .centerface import CenterFace
from .dbnet import Dbnet
from .detector import Detail, Detector
from .haar import Haar
from .plan import reduction
from .retinaface import RetinaFace
from .support import Supported
from .tiles import find_faces, find_lines
from .yolo import Yolo
from .yunet import YuNet

__all__ = [
    "CombinedFinder",
    "Detector",
    "FaceFinder",
    "OwnFinder",
    "PartFinder",
    "TextFinder",
    "load_detector",
    "load_finder",
]


def load_detector(name: str, threads: int, inference: Inference = PROCESSOR) -> Detector:
    """Loads one detector by its name in the configuration.

    Args:
        name: one of `models.cards.DETECTORS`, `yolo` as `yolo:FILE.onnx`; `TEXT_DETECTOR` or
            `PLATE_DETECTOR`.
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
        case "dbnet":
            return Dbnet(card, opener)


class FaceFinder:
    """All detectors that a configuration names, loaded once, with their faces merged.

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
        """The same loaded detectors with other settings; see `AnonymizeConfig` for their meaning."""
        other = copy(self)
        other._threshold, other._detail = threshold, detail
        return other

    def faint(self, share: float) -> FaceFinder:
        """The same loaded detectors, their thresholds multiplied by `share`."""
        other = copy(self)
        other._share = share * self._share
        return other

    @property
    def sure(self) -> dict[Kind, float]:
        """The lowest threshold for each kind that is found, not multiplied by the share of `faint`."""
        least = min(self._threshold or detector.card.threshold for detector in self._detectors)
        return {Kind.FACE: least, Kind.HEAD: least}

    def reduction(self, size_wh: tuple[int, int]) -> int:
        """The factor (1, 2, 4 or 8) by which a picture may be reduced before it is searched."""
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


class TextFinder:
    """The detector of text or that of number plates, loaded once, with the protocol of `FaceFinder`.

    Args:
        name: `TEXT_DETECTOR` or `PLATE_DETECTOR`.
        config: detail and engine.
        threads: threads for one call, at least 1.

    Raises:
        ModelError: weights are missing, altered or cannot be loaded.
    """

    def __init__(self, name: str, config: AnonymizeConfig, threads: int) -> None:
        self._detector = load_detector(name, threads, choose(config.engine))
        self._detail: Detail = config.detail
        self._kind = Kind.PLATE if name == PLATE_DETECTOR else Kind.TEXT
        self._share = 1.0

    def tuned(self, *, threshold: float | None, detail: Detail) -> TextFinder:  # noqa: ARG002
        """As `FaceFinder.tuned`; the threshold applies to faces only."""
        other = copy(self)
        other._detail = detail
        return other

    def faint(self, share: float) -> TextFinder:
        """As `FaceFinder.faint`."""
        other = copy(self)
        other._share = share * self._share
        return other

    @property
    def sure(self) -> dict[Kind, float]:
        """As `FaceFinder.sure`."""
        return {self._kind: self._detector.card.threshold}

    def reduction(self, size_wh: tuple[int, int]) -> int:
        """As `FaceFinder.reduction`."""
        return reduction(size_wh, self._detail)

    def __call__(self, image: RgbImage, size_wh: tuple[int, int] | None = None) -> Detections:
        """Lines of text, or plates; arguments and errors as for `FaceFinder`."""
        least = self._share * self._detector.card.threshold
        return find_lines(image, self._detector, least, self._detail, size_wh=size_wh)


class PartFinder(Protocol):
    """A finder of one kind of detections, such as `FaceFinder`."""

    def tuned(self, *, threshold: float | None, detail: Detail) -> PartFinder:
        """As `FaceFinder.tuned`."""
        ...

    def faint(self, share: float) -> PartFinder:
        """As `FaceFinder.faint`."""
        ...

    @property
    def sure(self) -> dict[Kind, float]:
        """As `FaceFinder.sure`."""
        ...

    def reduction(self, size_wh: tuple[int, int]) -> int:
        """As `FaceFinder.reduction`."""
        ...

    def __call__(self, image: RgbImage, size_wh: tuple[int, int] | None = None) -> Detections:
        """As `FaceFinder`."""
        ...


class CombinedFinder:
    """Several finders behind the protocol of one; their detections are joined, not merged.

    Args:
        parts: finders, each of another kind.
    """

    def __init__(self, parts: Sequence[PartFinder]) -> None:
        self._parts = tuple(parts)

    def tuned(self, *, threshold: float | None, detail: Detail) -> CombinedFinder:
        """As `FaceFinder.tuned`."""
        return CombinedFinder([part.tuned(threshold=threshold, detail=detail) for part in self._parts])

    def faint(self, share: float) -> CombinedFinder:
        """As `FaceFinder.faint`."""
        return CombinedFinder([part.faint(share) for part in self._parts])

    @property
    def sure(self) -> dict[Kind, float]:
        """As `FaceFinder.sure`, of all parts."""
        return {kind: least for part in self._parts for kind, least in part.sure.items()}

    def reduction(self, size_wh: tuple[int, int]) -> int:
        """As `FaceFinder.reduction`: the largest factor that all parts allow."""
        return min(part.reduction(size_wh) for part in self._parts)

    def __call__(self, image: RgbImage, size_wh: tuple[int, int] | None = None) -> Detections:
        """Everything that any part finds, best first; arguments and errors as for `FaceFinder`."""
        found = Detections.concat([part(image, size_wh) for part in self._parts])
        return found[np.argsort(-found.score, kind="stable")]


OwnFinder: TypeAlias = FaceFinder | TextFinder | CombinedFinder
"""The finders that `load_finder` returns."""


def load_finder(config: AnonymizeConfig, threads: int) -> OwnFinder:
    """The finder of everything that a configuration covers.

    Args:
        config: the kinds to cover, and the detectors' settings.
        threads: threads for one call, at least 1.

    Raises:
        ModelError: weights are missing, altered or cannot be loaded.
    """
    parts: list[FaceFinder | TextFinder] = []
    if config.covers_people:
        parts.append(FaceFinder(config, threads))
    if config.covers_text:
        parts.append(TextFinder(TEXT_DETECTOR, config, threads))
    if config.covers_plates:
        parts.append(TextFinder(PLATE_DETECTOR, config, threads))
    return parts[0] if len(parts) == 1 else CombinedFinder(parts)
