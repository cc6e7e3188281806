"""The work of a comparison: what each detector finds in a photo, and how much of each face it covers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..annotations.boxes import PictureBoxes
from ..boxes import unite_faces
from ..config import AnonymizeConfig
from ..content import Content
from ..detections import BoolArray, Detections, FloatArray, RgbImage
from ..errors import ImageError, cannot_be_read
from ..models.cards import ModelCard
from ..models.store import find
from ..outcomes import Rejected
from .metrics import coverage
from .twice import detect_twice

if TYPE_CHECKING:  # only workers load codecs and models
    from ..detect import Detector
    from ..images import Picture

__all__ = ["Found", "Seen", "Trial", "TrialTask", "cover_mask"]

_LEAST_SCORE = 0.05
"""Boxes with lower scores are left out of the curve: there are thousands per photo, hardly ever a face."""

UNION = "all together"
"""Name of the union of all detectors."""


@dataclass(frozen=True)
class TrialTask:
    """One photo.

    Attributes:
        content: its bytes.
        truth: its labelled faces; None without truth.
        needed_bytes: as `engines.base.Task.needed_bytes`.
    """

    content: Content
    truth: PictureBoxes | None
    needed_bytes: int = 0

    @property
    def held_bytes(self) -> int:
        """As `engines.base.Task.held_bytes`."""
        return self.content.held_bytes


@dataclass(frozen=True)
class Found:
    """The boxes of one detector in one frame.

    Attributes:
        boxes: at its default threshold.
        curve: `(xyxy, score)` of all boxes down to a low score, for curves.
        covered: `(N,)` share of each labelled face under the covers; empty without truth.
        threshold: its default; 0 for the union.
        seconds: time of the detection.
    """

    boxes: tuple[FloatArray, FloatArray]
    curve: tuple[FloatArray, FloatArray]
    covered: npt.NDArray[np.float64]
    threshold: float
    seconds: float


@dataclass(frozen=True)
class Seen:
    """One frame of a photo.

    Attributes:
        frame: its number.
        size_wh: width and height, upright.
        truth: labelled faces of this frame; no boxes without truth.
        found: by detector, and by `UNION` if there are several.
    """

    frame: int
    size_wh: tuple[int, int]
    truth: PictureBoxes
    found: dict[str, Found]


@dataclass(frozen=True)
class Trial:
    """Runs detectors on photos.

    Attributes:
        configs: settings by detector, each with this detector alone.
    """

    configs: tuple[tuple[str, AnonymizeConfig], ...]

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """As `Work.cards`."""
        return tuple(card for _, config in self.configs for card in config.cards)

    def check(self) -> None:
        """As `Work.check`."""
        for card in self.cards:
            if card.kind != "yolo":  # a user's own file has no digest to compare with
                find(card)

    def start(self, threads: int) -> Callable[[TrialTask], tuple[Seen, ...] | Rejected]:
        """As `Work.start`."""
        import cv2

        from ..detect import load_detector

        cv2.setNumThreads(threads)
        return _Worker({name: (config, load_detector(name, threads)) for name, config in self.configs})


class _Worker:
    """The work with its models loaded."""

    def __init__(self, detectors: dict[str, tuple[AnonymizeConfig, Detector]]) -> None:
        self._detectors = detectors

    def __call__(self, task: TrialTask) -> tuple[Seen, ...] | Rejected:
        from ..images import decode

        config = next(iter(self._detectors.values()))[0]
        try:
            picture = decode(task.content.read(), config.max_megapixels * 1e6)
        except ImageError as error:
            return Rejected(error.reason, str(error))
        except OSError as error:
            return Rejected("unreadable", cannot_be_read(error))
        labelled = {0} if task.truth is None else {0, *task.truth.frame.tolist()}
        return tuple(
            self._seen(number, list(_views(picture, number)), task.truth)
            for number in range(len(picture.frames))
            if number in labelled
        )

    def _seen(self, number: int, views: Sequence[RgbImage], truth: PictureBoxes | None) -> Seen:
        size_wh = (views[0].shape[1], views[0].shape[0])
        here = PictureBoxes.of(size_wh, []) if truth is None else truth[truth.frame == number]
        found: dict[str, Found] = {}
        parts: list[Detections] = []
        for name, (config, detector) in self._detectors.items():
            started = time.perf_counter()
            threshold = config.threshold or detector.card.threshold
            curve, faces = detect_twice(
                views,
                detector,
                min(_LEAST_SCORE, threshold),
                threshold,
                detail=config.detail,
                mirror=config.mirror == "auto",
            )
            seconds = time.perf_counter() - started
            parts.append(faces)
            shares = _covered(faces, here, size_wh, config)
            found[name] = Found(_pair(faces), _pair(curve), shares, threshold, seconds)
        if len(parts) > 1:
            united = unite_faces(parts)
            seconds = sum(one.seconds for one in found.values())
            shares = _covered(united, here, size_wh, config)
            found[UNION] = Found(_pair(united), _pair(united), shares, 0, seconds)
        return Seen(number, size_wh, here, found)


def _views(picture: Picture, number: int) -> Iterator[RgbImage]:
    """The views of a frame: as viewers may show it."""
    from ..images import rgb_views

    frame = picture.frames[number]
    return iter(rgb_views(frame, frame.rendering or picture.rendering))


def _pair(faces: Detections) -> tuple[FloatArray, FloatArray]:
    return faces.xyxy, faces.score


def _covered(
    faces: Detections, truth: PictureBoxes, size_wh: tuple[int, int], config: AnonymizeConfig
) -> npt.NDArray[np.float64]:
    """Share of each labelled face under the covers of detections."""
    return coverage(truth.xyxy, cover_mask(faces, size_wh, config)) if len(truth) else np.zeros(0)


def cover_mask(found: Detections, size_wh: tuple[int, int], config: AnonymizeConfig) -> BoolArray:
    """`(H, W)`: the pixels that a run with these settings covers.

    Args:
        found: in pixels of the picture.
        size_wh: width and height of the picture.
        config: shape and margins.
    """
    from ..redact import regions_of

    mask = np.zeros(size_wh[::-1], bool)
    for rows, columns, inside in regions_of(found, size_wh, config):
        mask[rows, columns] |= True if inside is None else inside
    return mask
