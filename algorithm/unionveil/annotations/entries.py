"""Turns the entries of a file into `Annotations`: one place that checks them, whatever the format."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

import numpy as np

from ..boxes import cover_pixels
from ..detections import Kind
from ..errors import InputError
from ..text import printable
from .boxes import Annotations, PictureBoxes
from .geometry import Geometry, turn
from .text import brief

__all__ = ["Entry", "Pixels", "Reading", "Row", "assemble", "number"]

_FACE_LABELS = frozenset({"face", "faces", "human face", "human_face", "head"})

_KINDS = {
    "text": Kind.TEXT,
    **dict.fromkeys(("plate", "number plate", "licence plate", "license plate", "license_plate"), Kind.PLATE),
}
"""Labels of what is not a face."""

_MOST_FRAMES = 1 << 16
"""Frames of a picture that boxes may be on: a mistyped one must not take memory for all before it."""

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
"""Label Studio's prefix to the name of an uploaded file."""


class Pixels(Enum):
    """The pixels that a file's boxes refer to if EXIF rotates the picture."""

    BY_SIZE = "by-size"
    UPRIGHT = "upright"
    STORED = "stored"


@dataclass(frozen=True)
class Row:
    """One box, as the file has it.

    Attributes:
        xyxy: left, top, right, bottom, half-open: in pixels, or as shares of the picture's size.
        where: its place in the file, for messages, such as "line 3".
        score: None if the file has none.
        label: name of its class; None if the file has none.
        ignore: whether it counts neither for nor against a detector.
        frame: frame or page.
        kind: what it is, where the format says so by itself; None leaves that to the label.
    """

    xyxy: tuple[float, float, float, float]
    where: str
    score: float | None = None
    label: str | None = None
    ignore: bool = False
    frame: int = 0
    kind: Kind | None = None


@dataclass(frozen=True)
class Entry:
    """One picture, as the file has it.

    Attributes:
        name: of the picture, as written in the file.
        rows: its boxes.
        size_wh: width and height according to the file; None if it has no size.
        relative: whether the boxes are shares of the picture's size.
        upright: whether the format defines boxes in upright pixels.
        stem: whether the name lacks its suffix.
    """

    name: str
    rows: tuple[Row, ...]
    size_wh: tuple[float, float] | None = None
    relative: bool = False
    upright: bool = False
    stem: bool = False


@dataclass(frozen=True)
class Reading:
    """How to interpret a file of boxes.

    Attributes:
        pixels: the pixels that the boxes refer to if a picture is rotated.
        labels: names of the classes to read; empty reads faces and text, or the only class.
    """

    pixels: Pixels = Pixels.BY_SIZE
    labels: tuple[str, ...] = ()


def number(value: object, where: str, what: str) -> float:
    """A finite number from a file.

    Raises:
        InputError: it is not a finite number.
    """
    text = brief(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"{where}: {what} is {text}, which is not a number")
    try:
        result = float(value)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: {what} is {text!r}, which is not a number") from error
    if not np.isfinite(result):
        raise InputError(f"{where}: {what} is {text}; it must be finite")
    return result


def assemble(
    entries: Iterable[Entry], pictures: Mapping[str, Geometry], reading: Reading, source: str
) -> Annotations:
    """Finds the picture of every entry, turns its boxes upright and checks them.

    Args:
        entries: the file's entries, in its order.
        pictures: geometries of all pictures by name; only those that the file names are looked up.
        reading: how to interpret the file.
        source: name of the file, for messages.

    Raises:
        InputError: a picture is unknown or named twice, a size does not match, a box is empty, outside its
            picture or of an unknown class, or the orientation of a picture's boxes is ambiguous.
    """
    entries = list(entries)
    names = _Names(pictures)
    counts = _labels_that_count(entries, reading.labels, source)
    result: Annotations = {}
    for entry in entries:
        name = names.find(entry, source)
        if name in result:
            raise InputError(f"{source} names {printable(name)} twice; put all its boxes into one place")
        result[name] = _boxes(entry, name, pictures[name], counts, reading.pixels, source)
    return result


class _Names:
    """Pictures by their whole path, or by any number of its last parts."""

    def __init__(self, pictures: Collection[str]) -> None:
        self._all = pictures
        self._by_tail: defaultdict[str, list[str]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[str]] = defaultdict(list)
        for name in pictures:
            self._by_tail[PurePosixPath(name).name].append(name)
            self._by_stem[PurePosixPath(name).stem].append(name)

    def find(self, entry: Entry, source: str) -> str:
        """The picture that an entry means: the same path, or one with the same end.

        Raises:
            InputError: there is no such picture, or there are several.
        """
        wanted = entry.name.replace("\\", "/")
        if wanted in self._all and not entry.stem:
            return wanted
        found = self._alike(PurePosixPath(wanted), stem=entry.stem)
        if len(found) == 1:
            return found[0]
        shown = printable(wanted)
        if found:
            both = " and ".join(printable(name) for name in sorted(found)[:2])
            raise InputError(f"{source}: {shown} may be {both}; write their paths in full")
        raise InputError(
            f"{source} has boxes for {shown}, which is not among the pictures ({len(self._all)}); name the "
            "folder that the boxes were made for, or take that picture out of the file"
        )

    def _alike(self, wanted: PurePosixPath, *, stem: bool) -> list[str]:
        by_name = self._by_stem if stem else self._by_tail
        for last in (wanted.name, _UPLOAD_PREFIX.sub("", wanted.name)):
            found = [name for name in by_name.get(last, ()) if _end_alike(wanted.parts, name)]
            exact = [name for name in found if PurePosixPath(name).parts[:-1] == wanted.parts[:-1]]
            if found:
                return exact or found
        return []


def _end_alike(wanted: Sequence[str], name: str) -> bool:
    """Whether one path is the end of the other; their last parts are known to match."""
    a, b = wanted[-2::-1], PurePosixPath(name).parts[-2::-1]
    return all(one == other for one, other in zip(a, b, strict=False))


def _labels_that_count(entries: Sequence[Entry], wanted: tuple[str, ...], source: str) -> frozenset[str]:
    """Classes whose boxes are read.

    Raises:
        InputError: the choice is ambiguous.
    """
    there = {row.label for entry in entries for row in entry.rows if row.label is not None}
    if wanted:
        missing = sorted(set(wanted) - there)
        if missing and there:
            known = ", ".join(printable(label, quoted=False) for label in sorted(there))
            raise InputError(f"{source} has no label {printable(missing[0])}; it has {known}")
        return frozenset(wanted)
    others = sorted(label for label in there if label.casefold() not in _FACE_LABELS | _KINDS.keys())
    if others and len(there) > 1:
        shown = ", ".join(printable(label) for label in others[:3])
        raise InputError(f"{source} also has boxes of {shown}; name the labels that count, such as face")
    return frozenset(there)


def _boxes(
    entry: Entry, name: str, geometry: Geometry, labels: frozenset[str], pixels: Pixels, source: str
) -> PictureBoxes:
    rows = [row for row in entry.rows if row.label is None or row.label in labels]
    stored = _is_stored(entry, name, geometry, pixels, source)
    annotated_wh = geometry.stored_wh if stored else geometry.upright_wh
    xyxy = np.array([row.xyxy for row in rows], np.float64).reshape(-1, 4)
    if entry.relative:
        xyxy = xyxy * np.array([*annotated_wh, *annotated_wh], np.float64)
    for row, box in zip(rows, xyxy, strict=True):
        _check(row, box.tolist(), annotated_wh, f"{source}, {row.where} ({printable(name)})")
    return PictureBoxes.of(
        geometry.upright_wh,
        turn(xyxy, geometry) if stored else xyxy,
        [np.nan if row.score is None else row.score for row in rows],
        kind=[_kind(row) for row in rows],
        frame=[row.frame for row in rows],
        ignore=[row.ignore for row in rows],
    )


def _kind(row: Row) -> Kind:
    """Text or a plate where a file says so; every other class that counts is a face."""
    if row.kind is not None:
        return row.kind
    return _KINDS.get((row.label or "").casefold(), Kind.FACE)


def _is_stored(entry: Entry, name: str, geometry: Geometry, pixels: Pixels, source: str) -> bool:
    """Whether an entry's boxes refer to the stored pixels rather than the upright ones.

    Raises:
        InputError: the stated size is not the picture's, or the choice is ambiguous.
    """
    stated, stored, upright = entry.size_wh, geometry.stored_wh, geometry.upright_wh
    if stated is not None and stated not in (stored, upright):
        raise InputError(
            f"{source} says that {printable(name)} has {stated[0]:g} x {stated[1]:g} pixels, but it has "
            f"{upright[0]} x {upright[1]}; the boxes were made for another copy of it"
        )
    if geometry.orientation == 1 or entry.upright:
        return False
    if pixels is not Pixels.BY_SIZE:
        return pixels is Pixels.STORED
    if stated is None or stored == upright:
        raise InputError(
            f"{printable(name)} is rotated by EXIF, and {source} does not say whether its boxes refer to the "
            "upright picture or to the pixels as stored; specify which"
        )
    return stated == stored


def _check(row: Row, box: list[float], size_wh: tuple[int, int], place: str) -> None:
    """Refuses an invalid box.

    Raises:
        InputError: it is not finite, empty or outside the picture, its score is not in [0, 1], or no picture
            has its frame.
    """
    with np.errstate(over="ignore"):
        single = np.array([box], np.float32)
    if not np.isfinite(single).all():
        raise InputError(f"{place}: the box {_shown(box)} is not finite")
    if box[0] >= box[2] or box[1] >= box[3]:
        raise InputError(f"{place}: the box {_shown(box)} is empty or turned inside out")
    x0, y0, x1, y1 = cover_pixels(single, size_wh)[0].tolist()
    if x0 >= x1 or y0 >= y1:
        raise InputError(
            f"{place}: the box {_shown(box)} is outside the picture, which has {size_wh[0]} x "
            f"{size_wh[1]} pixels"
        )
    if row.score is not None and not 0 <= row.score <= 1:
        raise InputError(f"{place}: the score {row.score:g} is not between 0 and 1")
    if not 0 <= row.frame < _MOST_FRAMES:
        raise InputError(f"{place}: the frame {brief(row.frame)} is not between 0 and {_MOST_FRAMES - 1}")


def _shown(box: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in box)
