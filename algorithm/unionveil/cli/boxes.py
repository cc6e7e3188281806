"""Options for boxes from a file, shared by `anonymize` and `review`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from ..files.sources import SourceItem
from ..given import BoxesMode, BoxPlan

__all__ = ["Boxes", "box_options", "box_plan_of", "reading_options"]

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Boxes:
    """The options for boxes from a file.

    Attributes:
        path: the file; None without boxes.
        only: whether they replace the detector's boxes.
        labels: classes whose boxes are used.
        pixels: the pixels that their coordinates refer to, where a picture is rotated.
    """

    path: Path | None = None
    only: bool = False
    labels: tuple[str, ...] = ()
    pixels: str = "by-size"

    @property
    def mode(self) -> BoxesMode | None:
        """As `runs.work.Anonymize.boxes`."""
        if self.path is None:
            return None
        return "instead" if self.only else "beside"


def box_options(command: Callable[..., int]) -> Callable[..., int]:
    """Options for a file of boxes; the command receives them as `boxes`."""

    @wraps(command)
    def with_boxes(
        *, boxes: Path | None, boxes_only: bool, boxes_labels: tuple[str, ...], boxes_pixels: str, **rest: Any
    ) -> int:
        if boxes_only and not boxes:
            raise click.UsageError("--boxes-only needs --boxes FILE")
        return command(boxes=Boxes(boxes, boxes_only, boxes_labels, boxes_pixels), **rest)

    file = click.option(
        "--boxes",
        type=click.Path(path_type=Path, exists=True),
        metavar="FILE",
        help="Also cover the boxes of a file: COCO, YOLO, VOC, WIDER, Label Studio, CSV or a manifest.",
    )
    only = click.option("--boxes-only", is_flag=True, help="Cover the boxes of the file and run no detector.")
    return file(only(reading_options(with_boxes)))


def reading_options(command: Command) -> Command:
    """Options that say how the boxes of a file are interpreted."""
    labels = click.option(
        "--boxes-label",
        "boxes_labels",
        multiple=True,
        metavar="LABEL",
        help="Class of the boxes to use, such as face; may be repeated.",
    )
    pixels = click.option(
        "--boxes-pixels",
        type=click.Choice(["by-size", "upright", "stored"]),
        default="by-size",
        show_default=True,
        help="Pixels that the boxes refer to, where EXIF rotates a picture.",
    )
    return labels(pixels(command))


def box_plan_of(boxes: Boxes, items: Iterable[SourceItem]) -> BoxPlan:
    """The boxes to cover in each input, read from a file.

    Args:
        boxes: the options.
        items: all inputs.

    Raises:
        InputError: the file cannot be read, or does not fit the inputs.
    """
    if boxes.path is None or boxes.mode is None:
        return lambda *_: None
    from ..annotations import Pixels, Reading
    from ..annotations.plan import box_plan, read_boxes

    annotations, form = read_boxes(boxes.path, items, Reading(Pixels(boxes.pixels), boxes.labels))
    return box_plan(annotations, form, boxes.mode)
