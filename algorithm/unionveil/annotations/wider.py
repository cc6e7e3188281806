"""WIDER FACE's text file (shuoyang1213.me/WIDERFACE): names, counts, and left, top, width and height."""

from __future__ import annotations

import numpy as np

from ..boxes import cover_pixels
from ..errors import InputError
from ..text import printable
from .boxes import Annotations, PictureBoxes, kinds_in
from .entries import Entry, Row, number
from .text import as_text

__all__ = ["encode", "parse"]

_MOST_DIGITS = 9
"""Digits of a count."""

_INVALID = 7
"""Column that marks boxes which do not count; the others are grades of blur, expression and so on."""


def parse(data: bytes, source: str) -> list[Entry]:
    """Pictures and boxes; invalid boxes become ignored ones.

    A count of 0 may be followed by one line of zeros, and a line may have no width or height: the published
    files have both, and such lines are skipped. A line of five values ends in a score.

    Raises:
        InputError: the file does not follow the format.
    """
    lines = [line.strip() for line in as_text(data, source).split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    entries, place = [], 0
    while place < len(lines):
        name = lines[place]
        count = _count(lines, place + 1, source)
        last = place + 2 + count
        if last > len(lines):
            raise InputError(f"{source} ends within the {count} boxes of {printable(name)}")
        if not count and last < len(lines) and _is_zeros(lines[last]):
            last += 1
        rows = (_row(lines[line], f"line {line + 1}", source) for line in range(place + 2, last))
        entries.append(Entry(name, tuple(row for row in rows if row is not None)))
        place = last
    return entries


def _count(lines: list[str], place: int, source: str) -> int:
    text = lines[place] if place < len(lines) else ""
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS or not lines[place - 1]:
        raise InputError(
            f"{source}, line {place + 1}: a name and then the number of its boxes was expected, not "
            f"{printable(text)}"
        )
    return int(text)


def _is_zeros(line: str) -> bool:
    values = line.split()
    return len(values) >= 4 and set(values) == {"0"}


def _row(line: str, where: str, source: str) -> Row | None:
    values = [number(value, f"{source}, {where}", "a value") for value in line.split()]
    if len(values) not in (4, 5, 10):
        raise InputError(
            f"{source}, {where}: {len(values)} values; a line is left, top, width, height, and perhaps a "
            "score or six marks"
        )
    left, top, width, height = values[:4]
    if not width or not height:
        return None
    return Row(
        (left, top, left + width, top + height),
        where,
        values[4] if len(values) == 5 else None,
        ignore=len(values) == 10 and values[_INVALID] == 1,
    )


def encode(annotations: Annotations) -> bytes:
    """One file: whole pixels and ten columns without scores, thousandths of a pixel and five columns with.

    Raises:
        InputError: some boxes have a score and others do not, an ignored box has one, or a box is not a face.
    """
    if len(kinds_in(annotations)) > 1:
        raise InputError("WIDER's format has faces only; choose another format")
    scored = [not np.isnan(picture.score).any() for picture in annotations.values() if len(picture)]
    has_scores = bool(scored) and all(scored)
    if not has_scores and any((~np.isnan(picture.score)).any() for picture in annotations.values()):
        raise InputError("WIDER's format has a score for every box or for none; choose another format")
    if has_scores and any(picture.ignore.any() for picture in annotations.values()):
        raise InputError("WIDER's format has scores or marks, not both; choose another format")
    return "".join(
        f"{name}\n{len(picture)}\n{''.join(_lines(picture, has_scores=has_scores))}"
        for name, picture in annotations.items()
    ).encode()


def _lines(picture: PictureBoxes, *, has_scores: bool) -> list[str]:
    if not len(picture):
        return [] if has_scores else ["0 0 0 0 0 0 0 0 0 0\n"]
    if has_scores:
        return [
            f"{x0:.3f} {y0:.3f} {x1 - x0:.3f} {y1 - y0:.3f} {score:.6f}\n"
            for (x0, y0, x1, y1), score in zip(picture.xyxy.tolist(), picture.score.tolist(), strict=True)
        ]
    whole = cover_pixels(picture.xyxy.astype(np.float32), picture.size_wh).tolist()
    return [
        f"{x0} {y0} {x1 - x0} {y1 - y0} 0 0 0 {int(ignore)} 0 0\n"
        for (x0, y0, x1, y1), ignore in zip(whole, picture.ignore.tolist(), strict=True)
    ]
