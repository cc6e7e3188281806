"""Imports boxes from files into a review, and exports them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..annotations import Annotations, Format, PictureBoxes
from ..annotations.plan import knows_frames
from ..content import Content, FileContent
from ..files.sources import SourceItem
from ..runs.schema import kind_name
from .log import Log
from .model import PhotoState, Put, Sighting
from .session import Imported

__all__ = ["Exported", "exported", "imported"]


def imported(annotations: Annotations, form: Format) -> dict[str, Imported]:
    """Boxes from a file as boxes of a review, by the name of the photo.

    Args:
        annotations: as read.
        form: format of the file.
    """
    return {name: Imported(tuple(_puts(boxes)), knows_frames(form)) for name, boxes in annotations.items()}


def _puts(boxes: PictureBoxes) -> Iterable[Put]:
    rows = zip(boxes.frame.tolist(), boxes.xyxy.tolist(), boxes.kind.tolist(), strict=True)
    for frame, (x0, y0, x1, y1), kind in rows:
        # The same box of the same file gets the same name, so importing it again adds nothing.
        name = hashlib.sha256(repr((frame, x0, y0, x1, y1)).encode()).hexdigest()[:16]
        yield Put(id=f"f{name}", frame=frame, xyxy=(x0, y0, x1, y1), origin="file", kind=kind_name(kind))


@dataclass(frozen=True)
class Exported:
    """The covered boxes of photos.

    Attributes:
        boxes: by the name of the photo.
        contents: the photos.
        stale: number of approved photos that the detector has not seen with today's settings, left out.
    """

    boxes: Annotations = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    stale: int = 0


def exported(items: Iterable[SourceItem], log: Log, *, keep_unreviewed: bool) -> Exported:
    """The covered boxes of all approved photos that the detector has seen with today's settings.

    Args:
        items: the inputs.
        log: of their review, entered; `log.board.run` is the digest of today's settings.
        keep_unreviewed: whether to include photos without a verdict.
    """
    found = Exported()
    stale = 0
    for item in items:
        if not isinstance(item.content, FileContent):
            continue
        status = item.content.path.stat()
        key = log.known(item.name, status.st_size, status.st_mtime_ns)
        sighting = log.board.sighting(key) if key else None
        state = log.board.state(key) if key else None
        stale += sighting is None and key is not None and log.board.is_approved(key)
        if sighting is None or state is None or sighting.rejected:
            continue
        if state.verdict == "approved" or (keep_unreviewed and state.verdict == "unreviewed"):
            found.boxes[item.name] = _picture(state, sighting)
            found.contents[item.name] = item.content
    return replace(found, stale=stale)


def _picture(state: PhotoState, sighting: Sighting) -> PictureBoxes:
    boxes = [box for box in state.boxes if box.covered]
    return PictureBoxes.of(
        sighting.sizes_wh[0],
        [box.xyxy for box in boxes],
        [float("nan") if box.score is None else box.score for box in boxes],
        frame=[box.frame for box in boxes],
        kind=[int(box.detected) for box in boxes],
    )
