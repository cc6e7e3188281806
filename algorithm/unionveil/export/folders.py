"""Pictures in a folder, and their boxes beside them: metadata.jsonl, CSV, COCO and YOLO."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from ..annotations import Annotations, Format, encode
from ..annotations.yolo import classes
from ..files.sinks import FolderSink
from ..merge.shards import Merged
from .rows import ExportRow, rows_of

__all__ = ["write_coco", "write_csv", "write_metadata", "write_yolo"]

_YAML = "# Boxes in the form of Ultralytics.\npath: .\ntrain: images\nval: images\nnames:\n"

OnDone = Callable[[], None]


def write_metadata(merged: Merged, sink: FolderSink, *, link: bool, on_done: OnDone) -> tuple[str, ...]:
    """Pictures, and `metadata.jsonl` with a line for each, which `load_dataset("imagefolder")` reads.

    Returns:
        The names of the files beside the pictures.
    """

    def lines() -> Iterator[bytes]:
        for row in rows_of(merged):
            sink.adopt(row.name, row.path, row.record.sha256, link=link)
            yield json.dumps({"file_name": row.name, **row.facts()}).encode() + b"\n"
            on_done()

    sink.replace("metadata.jsonl", lines())
    return ("metadata.jsonl",)


def write_csv(merged: Merged, sink: FolderSink, *, link: bool, on_done: OnDone) -> tuple[str, ...]:
    """Pictures, and `boxes.csv` with a line for each box."""
    boxes = _adopted(merged, sink, "", link=link, on_done=on_done)
    sink.replace("boxes.csv", [encode(boxes, Format.CSV)[""]])
    return ("boxes.csv",)


def write_coco(merged: Merged, sink: FolderSink, *, link: bool, on_done: OnDone) -> tuple[str, ...]:
    """`images/`, and `annotations.json` in COCO's form.

    Raises:
        InputError: a picture has boxes on several frames.
    """
    boxes = _adopted(merged, sink, "images/", link=link, on_done=on_done)
    sink.replace("annotations.json", [encode(boxes, Format.COCO)[""]])
    return ("annotations.json",)


def write_yolo(merged: Merged, sink: FolderSink, *, link: bool, on_done: OnDone) -> tuple[str, ...]:
    """`images/`, `labels/` with a text for each, and `data.yaml`.

    Raises:
        InputError: a picture has boxes on several frames, or two differ only in their suffix.
    """
    boxes = _adopted(merged, sink, "images/", link=link, on_done=on_done)
    for name, data in encode(boxes, Format.YOLO).items():
        sink.replace(f"labels/{name}", [data])
    names = "".join(f"  {int(kind)}: {kind.name.lower()}\n" for kind in classes(boxes))
    sink.replace("data.yaml", [f"{_YAML}{names}".encode()])
    return ("data.yaml",)


def _adopted(merged: Merged, sink: FolderSink, place: str, *, link: bool, on_done: OnDone) -> Annotations:
    """Copies pictures below a folder; returns all boxes, a few hundred bytes each."""
    found: Annotations = {}
    for row in rows_of(merged):
        _adopt(row, sink, place, link=link)
        found[row.name] = row.boxes()
        on_done()
    return found


def _adopt(row: ExportRow, sink: FolderSink, place: str, *, link: bool) -> None:
    sink.adopt(place + row.name, row.path, row.record.sha256, link=link)
