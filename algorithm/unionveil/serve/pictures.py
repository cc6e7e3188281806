"""The server's work in a worker: one picture with the settings of its request, from bytes to bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..config import AnonymizeConfig
from ..content import BytesContent
from ..detections import Detections, Kind
from ..formats import ImageFormat
from ..given import GivenBoxes, find_nothing, lay
from ..models.cards import ModelCard
from ..outcomes import Anonymized, Rejected
from ..runs.work import Anonymize

if TYPE_CHECKING:
    from ..detect import OwnFinder
    from ..pipeline import Anonymizer

__all__ = ["Answer", "Boxes", "Found", "PictureTask", "Pictures"]

_CANDIDATES_FROM = 0.4
"""Least score of a candidate, as a share of the least score of a face."""

_SAME_IOU = 0.4
"""A candidate that overlaps a face by more than this is that face (as `boxes._SAME_FACE_IOU`)."""

_WORKER_NICENESS = 5
"""Workers compute all the time; the process that answers must be scheduled before them."""

Boxes: TypeAlias = tuple[tuple[int, tuple[float, float, float, float], Kind], ...]
"""Frame from 0; left, top, right, bottom in its upright pixels; and what it is."""


@dataclass(frozen=True)
class PictureTask:
    """The picture of one request.

    Attributes:
        content: the picture's bytes.
        format: of the picture.
        config: settings of the request.
        act: the requested operation.
        boxes: covered in place of the detector's; None runs the detector.
        needed_bytes: as `engines.base.Task.needed_bytes`.
    """

    content: BytesContent
    format: ImageFormat
    config: AnonymizeConfig
    act: Literal["redact", "find"]
    boxes: Boxes | None = None
    needed_bytes: int = 0

    @property
    def held_bytes(self) -> int:
        """As `engines.base.Task.held_bytes`."""
        return self.content.held_bytes


@dataclass(frozen=True)
class Found:
    """The detections in a picture.

    Attributes:
        sizes_wh: width and height of each frame, upright.
        faces: of each frame; they would be covered.
        candidates: of each frame, with a score just below that of a face; they would not be covered.
    """

    sizes_wh: tuple[tuple[int, int], ...]
    faces: tuple[Detections, ...]
    candidates: tuple[Detections, ...]


Answer: TypeAlias = Anonymized | Found | Rejected


@dataclass(frozen=True)
class Pictures:
    """The work of the server.

    Attributes:
        config: the operator's settings: the detectors to load, the largest picture.
    """

    config: AnonymizeConfig

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """As `Work.cards`."""
        return self.config.cards

    def check(self) -> None:
        """As `Work.check`."""
        Anonymize(self.config).check()

    def start(self, threads: int) -> Callable[[PictureTask], Answer]:
        """As `Work.start`."""
        import cv2

        from ..detect import load_finder

        with suppress(OSError, AttributeError):
            os.nice(_WORKER_NICENESS)
        cv2.setNumThreads(threads)
        return _Worker(
            load_finder(self.config, threads), min(card.threshold for card in self.config.detector_cards)
        )


class _Worker:
    """The work with its models loaded.

    Args:
        finder: holds the models.
        threshold: least score of a face if a request gives none.
    """

    def __init__(self, finder: OwnFinder, threshold: float) -> None:
        self._finder = finder
        self._threshold = threshold

    def __call__(self, task: PictureTask) -> Answer:
        if task.act == "find":
            return self._find(task)
        if task.boxes is None:
            return self._anonymizer(task.config)(task.content)
        return self._cover(task, task.boxes)

    def _find(self, task: PictureTask) -> Found | Rejected:
        config = task.config
        lower = _CANDIDATES_FROM * (config.threshold or self._threshold)
        sure = self._anonymizer(config).inspect(task.content)
        if isinstance(sure, Rejected):
            return sure
        unsure = self._anonymizer(config.model_copy(update={"threshold": lower})).inspect(task.content)
        if isinstance(unsure, Rejected):
            return unsure
        return Found(
            tuple(frame.size_wh for frame in sure.picture.frames),
            sure.faces,
            tuple(map(_others, unsure.faces, sure.faces)),
        )

    def _cover(self, task: PictureTask, boxes: Boxes) -> Anonymized | Rejected:
        anonymizer = self._anonymizer(task.config, looks=False)
        inspection = anonymizer.inspect(task.content)
        if isinstance(inspection, Rejected):
            return inspection
        count = len(inspection.picture.frames)
        beyond = max((frame for frame, _, _ in boxes), default=0)
        if beyond >= count:
            return Rejected("boxes", f"there is a box for frame {beyond}, and the picture has {count}")
        frames = tuple(_detections([box for box in boxes if box[0] == number]) for number in range(count))
        laid = lay(GivenBoxes(frames, "instead"), inspection)
        return laid if isinstance(laid, Rejected) else anonymizer.redact(laid)

    def _anonymizer(self, config: AnonymizeConfig, *, looks: bool = True) -> Anonymizer:
        from ..pipeline import load

        finder = self._finder.tuned(threshold=config.threshold, detail=config.detail)
        return load(config, finder=finder if looks else find_nothing)


def _detections(boxes: list[tuple[int, tuple[float, float, float, float], Kind]]) -> Detections:
    kinds = [int(kind) for _, _, kind in boxes]
    return Detections.of([xyxy for _, xyxy, _ in boxes], np.ones(len(boxes)), kind=kinds or Kind.FACE)


def _others(found: Detections, known: Detections) -> Detections:
    """Detections that are not among the known ones; those of another kind are others."""
    from ..boxes import iou

    if not len(found) or not len(known):
        return found
    same = (iou(found.xyxy, known.xyxy) > _SAME_IOU) & (found.kind[:, None] == known.kind)
    return found[~same.any(axis=1)]
