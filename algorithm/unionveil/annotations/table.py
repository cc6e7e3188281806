"""Boxes as CSV: one box per line, in upright source pixels, half-open."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from ..detections import Kind
from ..errors import InputError
from .boxes import Annotations, PictureBoxes
from .entries import Entry, Row, number
from .text import as_text

__all__ = ["COLUMNS", "encode", "parse"]

_BOX = ("left", "top", "right", "bottom")

COLUMNS = ("picture", "width", "height", "frame", *_BOX, "score", "kind", "ignore")
"""The first line of a file. `picture` and the sides of the box are required; the others may be missing or
empty. A picture without boxes has a line with empty sides."""


def parse(data: bytes, source: str) -> list[Entry]:
    """Pictures and boxes; a picture's lines need not be consecutive.

    Raises:
        InputError: the file does not follow the format.
    """
    reader = csv.DictReader(io.StringIO(as_text(data, source), newline=""))
    found: dict[str, list[Row]] = {}
    sizes: dict[str, tuple[float, float]] = {}
    try:
        missing = [name for name in ("picture", *_BOX) if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError(
                f"{source} has no column {missing[0]}; its first line must name {', '.join(COLUMNS)}"
            )
        for line in reader:
            where = f"line {reader.line_num}"
            _take(line, where, source, found, sizes)
    except csv.Error as error:
        raise InputError(f"{source}, line {reader.line_num} is not valid CSV: {error}") from error
    return [Entry(name, tuple(rows), sizes.get(name), upright=True) for name, rows in found.items()]


def _take(
    line: dict[str, str],
    where: str,
    source: str,
    found: dict[str, list[Row]],
    sizes: dict[str, tuple[float, float]],
) -> None:
    place = f"{source}, {where}"
    if None in line or None in line.values():
        raise InputError(f"{place} has a different number of values than the first line")
    name = line["picture"]
    if not name:
        raise InputError(f"{place} names no picture")
    if line.get("width") and line.get("height"):
        size_wh = (number(line["width"], place, "width"), number(line["height"], place, "height"))
        if sizes.setdefault(name, size_wh) != size_wh:
            raise InputError(f"{place}: an earlier line gives the picture another size")
    rows = found.setdefault(name, [])
    if any(line[side] for side in _BOX):
        rows.append(_row(line, where, place))


def _row(line: dict[str, str], where: str, place: str) -> Row:
    left, top, right, bottom = (number(line[side], place, side) for side in _BOX)
    frame = number(line.get("frame") or "0", place, "frame")
    if not frame.is_integer():
        raise InputError(f"{place}: the frame {frame:g} is not a whole number")
    score = line.get("score")
    return Row(
        (left, top, right, bottom),
        where,
        number(score, place, "score") if score else None,
        line.get("kind") or None,
        ignore=(line.get("ignore") or "0") != "0",
        frame=int(frame),
    )


def encode(annotations: Annotations) -> bytes:
    """The whole table; lines end with a line feed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, picture in annotations.items():
        writer.writerows(_lines(name, picture))
    return out.getvalue().encode()


def _lines(name: str, picture: PictureBoxes) -> Iterator[list[object]]:
    head = [name, *picture.size_wh]
    if not len(picture):
        yield [*head, "", "", "", "", "", "", "", ""]
    for place, box in enumerate(picture.xyxy.tolist()):
        score = float(picture.score[place])
        yield [
            *head,
            int(picture.frame[place]),
            *(f"{value:.6f}".rstrip("0").rstrip(".") for value in box),
            "" if score != score else f"{score:.6f}",
            Kind(int(picture.kind[place])).name.lower(),
            int(picture.ignore[place]),
        ]
