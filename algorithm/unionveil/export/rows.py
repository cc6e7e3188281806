"""Outputs as rows: one for each picture, with its boxes; the same in every form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..annotations import PictureBoxes
from ..errors import InputError
from ..files.names import is_safe, leads_out
from ..files.outputs import LocalOutputs
from ..formats import ImageFormat
from ..merge.shards import Merged
from ..runs.schema import RedactedRecord, is_manifest
from ..text import printable

__all__ = ["ExportRow", "rows_of"]


@dataclass(frozen=True)
class ExportRow:
    """One output.

    Attributes:
        record: its record in the manifest.
        path: its path.
    """

    record: RedactedRecord
    path: Path

    @property
    def name(self) -> str:
        """The output's name, with `/`."""
        return self.record.output

    @property
    def suffix(self) -> str:
        """Its extension, without a dot."""
        return ImageFormat[self.record.format.upper()].value

    def facts(self) -> dict[str, Any]:
        """Everything except the pixels; every row has the same keys, even for empty lists.

        `objects.bbox` contains left, top, width and height in pixels, as in COCO and the hubs that follow it;
        `objects.category` a value of `Kind`. `faces` counts faces and heads.
        """
        record = self.record
        return {
            "width": record.size_wh[0],
            "height": record.size_wh[1],
            "format": record.format,
            "frames": record.frames,
            "sha256": record.sha256,
            "faces": sum(face.is_person for face in record.faces),
            "objects": {
                "bbox": [_xywh(face.xyxy) for face in record.faces],
                "category": [int(face.detected) for face in record.faces],
                "score": [face.score for face in record.faces],
                "frame": [face.frame for face in record.faces],
                "method": [face.method for face in record.faces],
            },
        }

    def boxes(self) -> PictureBoxes:
        """The boxes in the form of `annotations`."""
        faces = self.record.faces
        return PictureBoxes.of(
            self.record.size_wh,
            [face.xyxy for face in faces],
            [face.score for face in faces],
            kind=[int(face.detected) for face in faces],
            frame=[face.frame for face in faces],
        )


def _xywh(xyxy: tuple[float, float, float, float]) -> list[float]:
    left, top, right, bottom = xyxy
    return [left, top, round(right - left, 1), round(bottom - top, 1)]


def rows_of(merged: Merged) -> Iterator[ExportRow]:
    """The outputs of a run in their order, one at a time.

    Raises:
        InputError: a manifest is damaged, or contains a name that no run uses.
    """
    for each in merged.records():
        record = each.record
        if not isinstance(record, RedactedRecord):
            continue
        name = record.output
        if leads_out(name) or not is_safe(name) or is_manifest(name) or PurePosixPath(name).is_absolute():
            raise InputError(f"a manifest in {each.outputs} names {printable(name)}, a name that no run uses")
        if record.video:
            raise InputError(
                f"{each.outputs} contains videos ({printable(name)}), other forms hold only pictures; repeat "
                "the run without videos, for example with --exclude '*.mp4'"
            )
        if record.format.upper() not in ImageFormat.__members__:
            raise InputError(
                f"a manifest in {each.outputs} says that {printable(name)} is {printable(record.format)}, "
                "which is not a format of this version"
            )
        if not isinstance(each.outputs, LocalOutputs):
            raise InputError(
                f"{each.outputs} is in an object store: merge it into a folder of this machine first"
            )
        try:
            path = each.outputs.path(name)
        except FileNotFoundError:
            raise InputError(
                f"{each.outputs.place / name} is missing; repeat the run to restore it"
            ) from None
        yield ExportRow(record, path)
