"""Detection and thumbnails for each photo, in background workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import __version__
from ..config import AnonymizeConfig
from ..content import BytesContent, Content
from ..errors import cannot_be_read
from ..models.cards import ModelCard
from ..models.store import find
from ..outcomes import Rejected
from ..runs.journal import keyed_digest
from ..runs.schema import KindName, kind_name
from .model import Box, Sighting

if TYPE_CHECKING:
    from ..detections import Detections
    from ..images import Picture
    from ..pipeline import Anonymizer, Finder

__all__ = ["CANDIDATE_SHARE", "PhotoTask", "Survey", "Surveyed", "survey_run"]

CANDIDATE_SHARE = 0.4
"""Boxes with at least this share of the detector's threshold are shown as candidates."""

_DECIDES = (
    "detector",
    "detail",
    "engine",
    "mirror",
    "threshold",
    "min_face",
    "max_face",
    "max_megapixels",
)
"""Settings that change which boxes are covered; the others only change the covers."""


@dataclass(frozen=True)
class PhotoTask:
    """A photo for the detector.

    Attributes:
        content: its bytes.
        needed_bytes: as `engines.base.Task.needed_bytes`.
    """

    content: Content
    needed_bytes: int = 0

    @property
    def held_bytes(self) -> int:
        """As `engines.base.Task.held_bytes`."""
        return self.content.held_bytes


@dataclass(frozen=True)
class Surveyed:
    """The result for one photo.

    Attributes:
        photo: key of the photo's content; None if it could not be read.
        sighting: the detector's result.
        thumbnail: a small JPEG; empty if the photo was rejected.
    """

    photo: str | None
    sighting: Sighting
    thumbnail: bytes = b""


def survey_run(config: AnonymizeConfig) -> str:
    """Digest of everything that decides the detections: tool, models and settings of detection.

    Raises:
        ModelError: the file of a `yolo:FILE.onnx` does not exist.
    """
    flat = config.to_parameters()
    seen = [__version__, CANDIDATE_SHARE, [card.sha256 for card in config.detector_cards]]
    seen += [[name, flat[name]] for name in _DECIDES if name in flat]
    if config.cover != ("face",):
        seen += [flat["cover"], [card.sha256 for card in config.cards]]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Survey:
    """The work: decode, find what is covered and candidates, shrink.

    Attributes:
        config: settings of detection.
        secret: key of the photos' digests.
    """

    config: AnonymizeConfig
    secret: bytes

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """As `Work.cards`."""
        return self.config.cards

    def check(self) -> None:
        """As `Work.check`."""
        for card in self.cards:
            if card.kind != "yolo":  # a user's own file has no digest to compare with
                find(card)

    def start(self, threads: int) -> Callable[[PhotoTask], Surveyed]:
        """As `Work.start`."""
        import cv2

        from ..detect import load_finder
        from ..pipeline import load

        cv2.setNumThreads(threads)
        finder = load_finder(self.config, threads)
        least = self.config.threshold or min(card.threshold for card in self.config.detector_cards)
        lower = finder.tuned(threshold=CANDIDATE_SHARE * least, detail=self.config.detail)
        return _Surveyor(self, load(self.config, threads=threads, finder=finder), lower)


class _Surveyor:
    """The work with its models loaded."""

    def __init__(self, work: Survey, anonymizer: Anonymizer, lower: Finder) -> None:
        self._work = work
        self._run = survey_run(work.config)
        self._anonymizer = anonymizer
        self._lower = lower

    def __call__(self, task: PhotoTask) -> Surveyed:
        from .view import thumbnail

        try:
            data = task.content.read()
        except OSError as error:
            return Surveyed(None, Sighting(run=self._run, rejected=("unreadable", cannot_be_read(error))))
        photo = keyed_digest(self._work.secret, "", data)
        # The exact boxes of `anonymize` come from a separate pass: candidates must not disturb them.
        inspection = self._anonymizer.inspect(BytesContent(data))
        if isinstance(inspection, Rejected):
            rejected = (inspection.reason, inspection.detail)
            return Surveyed(photo, Sighting(run=self._run, rejected=rejected))
        picture = inspection.picture
        boxes = [*_boxes(inspection.faces), *self._candidates(picture, inspection.faces)]
        sizes = tuple(frame.size_wh for frame in picture.frames)
        sighting = Sighting(run=self._run, sizes_wh=sizes, boxes=tuple(boxes))
        return Surveyed(photo, sighting, thumbnail(picture))

    def _candidates(self, picture: Picture, faces: tuple[Detections, ...]) -> Iterator[Box]:
        import numpy as np

        from ..boxes import as_heads, covered, iou, unite_faces
        from ..detections import Kind
        from ..images import rgb_views

        number = 0
        for index, (frame, found) in enumerate(zip(picture.frames, faces, strict=True)):
            views = rgb_views(frame, frame.rendering or picture.rendering)
            low = unite_faces([self._lower(view) for view in views])
            # Lines of text are the same at every threshold of faces.
            low = low[low.of_kind(Kind.FACE)]
            if self._work.config.covers_heads:
                low = as_heads(low)
            found = found[found.is_person]
            # A part of an already covered face, or that face with neck and hair, adds no information.
            near = iou(low.xyxy, found.xyxy) > 0.2
            near |= covered(low.xyxy, found.xyxy, 0.6) | covered(found.xyxy, low.xyxy, 0.6).T
            new = np.flatnonzero(~near.any(axis=1))
            for xyxy, score, kind in _rows(low[new]):
                number += 1
                yield Box(id=f"c{number}", frame=index, xyxy=xyxy, score=score, covered=False, kind=kind)


def _boxes(faces: tuple[Detections, ...]) -> Iterator[Box]:
    rows = ((index, *row) for index, found in enumerate(faces) for row in _rows(found))
    for number, (index, xyxy, score, kind) in enumerate(rows, start=1):
        yield Box(id=f"d{number}", frame=index, xyxy=xyxy, score=score, kind=kind)


def _rows(found: Detections) -> Iterator[tuple[tuple[float, float, float, float], float, KindName]]:
    """Boxes and scores as plain numbers that convert back to the same float32, and kinds."""
    rows = zip(found.xyxy.tolist(), found.score.tolist(), found.kind.tolist(), strict=True)
    for (left, top, right, bottom), score, kind in rows:
        yield (left, top, right, bottom), min(1.0, max(0.0, score)), kind_name(kind) or "face"
