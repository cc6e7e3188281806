"""Boxes from a file as what is to be covered in each input."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import cast

from ..content import Content, FileContent
from ..errors import ImageError
from ..files.sources import SourceItem
from ..given import BoxesMode, BoxPlan, GivenBoxes
from ..outcomes import Rejected
from .boxes import Annotations, PictureBoxes
from .entries import Reading
from .files import Format, read, sniff
from .geometry import Geometry, Pictures, read_geometry

__all__ = ["box_plan", "knows_frames", "read_boxes"]


def read_boxes(path: Path, items: Iterable[SourceItem], reading: Reading) -> tuple[Annotations, Format]:
    """Reads a file of boxes that were drawn on inputs.

    Args:
        path: a file, or for YOLO and VOC a folder of files.
        items: all inputs; those of archives are read for their sizes.
        reading: how the boxes are to be understood.

    Returns:
        Boxes by the name of the input, and the format of the file.

    Raises:
        InputError: the file cannot be read, or does not fit the inputs: it names one that is not there, or a
            box lies outside of its picture.
    """
    form = sniff(path)
    files: dict[str, Content] = {}
    members: dict[str, Geometry] = {}
    for item in items:
        if isinstance(item.content, FileContent):
            files[item.name] = item.content
        elif isinstance(item.content, Content):
            try:
                with item.content.open() as file:
                    members[item.name] = read_geometry(file)
            except ImageError:
                continue
    sizes = ChainMap(members, cast("MutableMapping[str, Geometry]", Pictures(files)))  # it is read only
    return read(path, sizes, form, reading), form


def knows_frames(form: Format) -> bool:
    """Whether a format says on which frame or page a box lies."""
    return form in (Format.CSV, Format.MANIFEST)


def box_plan(annotations: Annotations, form: Format, mode: BoxesMode) -> BoxPlan:
    """What is to be covered in each input, never less by mistake.

    Beside the detector's boxes, an input without an entry is left to the detector. Instead of them, it is
    withheld: an entry without boxes says that there is no face, and a missing one leaves that open.

    Args:
        annotations: boxes by the name of the input.
        form: format that they come from.
        mode: whether they take the place of the detector's.
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
