"""Turns boxes from a file into a plan of the regions to cover in each input."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..content import Content, FileContent
from ..errors import ImageError
from ..files.sources import Skipped, SourceItem
from ..given import BoxesMode, BoxPlan, GivenBoxes
from ..outcomes import Rejected
from .boxes import Annotations, PictureBoxes
from .entries import Reading
from .files import Format, read_sniffed
from .geometry import Geometry, Pictures, read_geometry

__all__ = ["box_plan", "knows_frames", "read_boxes"]


def read_boxes(path: Path, items: Iterable[SourceItem], reading: Reading) -> tuple[Annotations, Format]:
    """Reads a file of boxes that were drawn on inputs.

    Args:
        path: a file, or for YOLO and VOC a folder of files.
        items: all inputs; those of archives are read for their sizes.
        reading: how to interpret the boxes.

    Returns:
        Boxes by the name of the input, and the format of the file.

    Raises:
        InputError: the file cannot be read, or does not fit the inputs: it names one that does not exist or
            shares its name with another, or a box is outside its picture.
    """
    return read_sniffed(path, _pictures(items), reading=reading)


def _pictures(items: Iterable[SourceItem]) -> Pictures:
    """The geometries of all inputs; an archive is read in order, so those of its members are read here."""
    found: dict[str, Content | Geometry] = {}
    names: set[str] = set()
    shared: set[str] = set()
    for item in items:
        if isinstance(item.content, Skipped):
            continue
        if item.name in names:
            shared.add(item.name)
        names.add(item.name)
        if isinstance(item.content, FileContent):
            found[item.name] = item.content
        elif isinstance(item.content, Content):
            with suppress(ImageError), item.content.open() as file:
                found[item.name] = read_geometry(file)
    return Pictures(found, shared)


def knows_frames(form: Format) -> bool:
    """Whether a format gives the frame or page of a box."""
    return form in (Format.CSV, Format.MANIFEST)


def box_plan(annotations: Annotations, form: Format, mode: BoxesMode) -> BoxPlan:
    """The regions to cover in each input; a mistake never leads to fewer.

    If the boxes are added to the detector's, an input without an entry is left to the detector. If they
    replace the detector's, it is rejected: an entry without boxes means no face, a missing entry means
    unknown.

    Args:
        annotations: boxes by the name of the input.
        form: format of the file.
        mode: whether they replace the detector's boxes.
    """

    def plan(_: int, name: str) -> GivenBoxes | Rejected | None:
        boxes = annotations.get(name)
        if boxes is not None:
            return _given(boxes, mode, with_frames=knows_frames(form))
        if mode == "beside":
            return None
        return Rejected(
            "boxes",
            "the file of boxes has no entry for this picture; add one, without boxes if it has no face",
        )

    return plan


def _given(boxes: PictureBoxes, mode: BoxesMode, *, with_frames: bool) -> GivenBoxes:
    frames = int(boxes.frame.max(initial=0)) + 1
    return GivenBoxes(tuple(boxes.detections(frame) for frame in range(frames)), mode, with_frames)
