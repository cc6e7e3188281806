"""The state of one photo under review: its boxes, and whether it may leave."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..detections import Kind
from ..errors import ReviewError
from ..runs.schema import KindName

__all__ = [
    "LEAST_SIDE_PX",
    "Box",
    "Edit",
    "PhotoState",
    "Put",
    "Sighting",
    "Verdict",
    "apply",
    "untouched",
    "with_boxes",
    "with_file_boxes",
]

LEAST_SIDE_PX = 8
"""Shorter side of the smallest box that can be drawn by hand: the smallest face that detectors find."""

Verdict: TypeAlias = Literal["unreviewed", "approved", "flagged"]
"""Only approved photos are written."""

_BoxId: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
_Xyxy: TypeAlias = tuple[float, float, float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Box(_Part):
    """One box of a photo.

    Attributes:
        id: its name within the photo; it stays the same when the box is moved.
        frame: frame or page, from 0.
        xyxy: left, top, right, bottom in pixels of the upright frame; may extend beyond it.
        score: the detector's confidence in [0, 1]; None for a box drawn by hand.
        origin: who drew it: the detector, a person on the page, or an imported file.
        covered: whether it is covered; a candidate below the detector's threshold is not, until accepted.
        moved: whether it was moved or resized by hand.
        kind: what it is.
    """

    id: _BoxId
    frame: int = Field(0, ge=0)
    xyxy: _Xyxy
    score: float | None = Field(None, ge=0, le=1)
    origin: Literal["detector", "person", "file"] = "detector"
    covered: bool = True
    moved: bool = False
    kind: KindName = "face"

    @property
    def detected(self) -> Kind:
        """What it is."""
        return Kind[self.kind.upper()]


class Sighting(_Part):
    """The detector's result for a photo.

    Attributes:
        run: digest of the tool, the models and the settings of detection.
        sizes_wh: width and height of each upright frame; empty if the photo was rejected.
        boxes: covered ones and candidates.
        rejected: reason and one sentence, if the photo cannot be anonymized.
    """

    run: str
    sizes_wh: tuple[tuple[int, int], ...] = ()
    boxes: tuple[Box, ...] = ()
    rejected: tuple[str, str] | None = None


class PhotoState(_Part):
    """A photo's current state.

    Attributes:
        boxes: in the order in which they were found and added.
        verdict: the reviewer's decision.
        note: the reviewer's note on a flagged photo.
    """

    boxes: tuple[Box, ...] = ()
    verdict: Verdict = "unreviewed"
    note: str = ""


class Put(_Part):
    """A box to add, or to replace the one with the same id.

    Attributes:
        origin: of an added box.
        kind: what it is; None keeps it, and makes an added box a face.
    """

    id: _BoxId
    frame: int = Field(0, ge=0)
    xyxy: _Xyxy
    covered: bool = True
    origin: Literal["person", "file"] = "person"
    kind: KindName | None = None

    @field_validator("xyxy")
    @classmethod
    def _not_inside_out(cls, value: _Xyxy) -> _Xyxy:
        if value[0] >= value[2] or value[1] >= value[3]:
            raise ValueError("a box must end right of and below its start")
        return value

    def box(self) -> Box:
        """The box that this adds; a face unless it says otherwise."""
        return Box(**self.model_dump(exclude_none=True))


class Edit(_Part):
    """One change to one photo.

    Attributes:
        put: boxes to add or change.
        drop: ids of boxes to remove.
        verdict: the new verdict; without one, a photo whose boxes change becomes unreviewed again.
        note: the new note; None keeps the old one.
    """

    put: tuple[Put, ...] = ()
    drop: tuple[_BoxId, ...] = ()
    verdict: Verdict | None = None
    note: str | None = Field(None, max_length=2000)


def untouched(sighting: Sighting) -> PhotoState:
    """The state of a photo before any edit."""
    return PhotoState(boxes=sighting.boxes)


def with_file_boxes(sighting: Sighting, boxes: tuple[Box, ...]) -> Sighting:
    """A sighting with the boxes from a file that it does not have yet."""
    known = {box.id for box in sighting.boxes}
    added = tuple(box for box in boxes if box.origin == "file" and box.id not in known)
    return sighting.model_copy(update={"boxes": sighting.boxes + added}) if added else sighting


def with_boxes(state: PhotoState, boxes: tuple[Box, ...]) -> PhotoState:
    """A state with more boxes; one with the id of an earlier box replaces it."""
    there = {box.id: box for box in (*state.boxes, *boxes)}
    return state.model_copy(update={"boxes": tuple(there.values())})


def apply(state: PhotoState, edit: Edit, sighting: Sighting) -> PhotoState:
    """The photo after an edit.

    Args:
        state: before.
        edit: the edit.
        sighting: the detector's result for the photo.

    Raises:
        ReviewError: the edit does not fit the photo; none of it is applied.
    """
    if sighting.rejected:
        raise ReviewError("this photo cannot be anonymized, so it cannot be reviewed either")
    there = {box.id: box for box in state.boxes}
    missing = [name for name in edit.drop if name not in there]
    if missing:
        raise ReviewError(f"there is no box {missing[0]!r} in this photo; reload the page")
    kept = {name: box for name, box in there.items() if name not in edit.drop}
    for put in edit.put:
        kept[put.id] = _placed(put, kept.get(put.id), sighting.sizes_wh)
    changed = bool(edit.put or edit.drop)
    return PhotoState(
        boxes=tuple(kept.values()),
        verdict=edit.verdict or ("unreviewed" if changed else state.verdict),
        note=state.note if edit.note is None else edit.note,
    )


def _placed(put: Put, before: Box | None, sizes_wh: tuple[tuple[int, int], ...]) -> Box:
    """The box of a `Put`.

    Raises:
        ReviewError: it is outside its frame, or is too small.
    """
    if put.frame >= len(sizes_wh):
        raise ReviewError(f"this photo has {len(sizes_wh)} pages, and the box is for page {put.frame + 1}")
    width, height = sizes_wh[put.frame]
    is_new_place = before is None or before.xyxy != put.xyxy
    if put.origin == "person" and is_new_place:
        least = min(LEAST_SIDE_PX, width, height)
        if put.xyxy[2] - put.xyxy[0] < least or put.xyxy[3] - put.xyxy[1] < least:
            raise ReviewError(f"a box is at least {LEAST_SIDE_PX} pixels wide and high")
    if put.xyxy[0] >= width or put.xyxy[1] >= height or put.xyxy[2] <= 0 or put.xyxy[3] <= 0:
        raise ReviewError("the box is outside the photo")
    if before is None:
        return put.box()
    moved = before.moved or is_new_place
    kind = put.kind or before.kind
    return before.model_copy(update={"xyxy": put.xyxy, "covered": put.covered, "moved": moved, "kind": kind})
