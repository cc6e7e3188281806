"""YOLO's text files: one per picture, each line with class, centre and size as shares of the picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from ..detections import Kind
from ..errors import InputError
from .boxes import Annotations, PictureBoxes, kinds_in
from .entries import Entry, Row, number
from .paths import own_path
from .text import as_text

__all__ = ["classes", "encode", "parse"]

_CLASSES = ("classes.txt", "obj.names", "labels.txt")
"""Files that list the classes, one per line, as written by LabelImg, Darknet and Label Studio."""


def parse(files: Mapping[str, bytes], source: str) -> list[Entry]:
    """Boxes of a folder of text files, each with its picture's name and another suffix.

    Args:
        files: all text files of the folder by their paths in it.
        source: name of the folder, for messages.

    Raises:
        InputError: a file does not follow the format.
    """
    labels = _labels(files, source)
    return [
        Entry(
            name.removeprefix("labels/").removesuffix(".txt"),
            tuple(_rows(as_text(data, f"{source}/{name}"), labels, f"{source}/{name}")),
            relative=True,
            stem=True,
        )
        for name, data in sorted(files.items())
        if name.endswith(".txt") and PurePosixPath(name).name not in _CLASSES
    ]


def _labels(files: Mapping[str, bytes], source: str) -> list[str]:
    for name in _CLASSES:
        if name in files:
            return as_text(files[name], f"{source}/{name}").split("\n")
    return []


def _rows(text: str, labels: list[str], source: str) -> list[Row]:
    rows = []
    for place, line in enumerate(text.split("\n"), 1):
        values = line.split()
        if not values:
            continue
        where = f"line {place}"
        if len(values) not in (5, 6):
            raise InputError(
                f"{source}, {where}: {len(values)} values; a line is class, centre x, centre y, width, "
                "height and perhaps a score"
            )
        kind, x, y, width, height, *score = (
            number(value, f"{source}, {where}", "a value") for value in values
        )
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        rows.append(Row(box, where, score[0] if score else None, _label(labels, kind)))
    return rows


def _label(labels: list[str], kind: float) -> str:
    known = kind.is_integer() and 0 <= kind < len(labels)
    return (labels[int(kind)].strip() if known else "") or f"class {kind:g}"


def classes(annotations: Annotations) -> list[Kind]:
    """The classes of an encoded folder, each at its number; none is left out before the last."""
    return [kind for kind in Kind if kind <= max(kinds_in(annotations))]


def encode(annotations: Annotations) -> dict[str, bytes]:
    """The text files by their paths, and `classes.txt`.

    Raises:
        InputError: two pictures differ only in their suffix, so that their boxes would share a file.
    """
    files: dict[str, bytes] = {
        "classes.txt": "".join(f"{kind.name.lower()}\n" for kind in classes(annotations)).encode(),
    }
    for name, picture in annotations.items():
        path = own_path(name, ".txt", files, "YOLO")
        files[path] = "".join(_line(picture, place) for place in range(len(picture))).encode()
    return files


def _line(picture: PictureBoxes, place: int) -> str:
    (width, height), (x0, y0, x1, y1) = picture.size_wh, picture.xyxy[place].tolist()
    shares = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
    score = float(picture.score[place])
    values = " ".join(f"{value:.9f}" for value in shares)
    return f"{picture.kind[place]} {values}" + ("\n" if score != score else f" {score:.6f}\n")
