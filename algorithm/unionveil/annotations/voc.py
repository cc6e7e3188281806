"""PASCAL VOC's XML (VOC2012 development kit), one file per picture: pixels from 1, both ends inclusive."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np

from ..boxes import cover_pixels
from ..detections import Kind
from ..errors import InputError
from ..text import printable
from .boxes import Annotations, PictureBoxes
from .entries import Entry, Row, number
from .paths import own_path

__all__ = ["encode", "parse"]


def parse(files: Mapping[str, bytes], source: str) -> list[Entry]:
    """Boxes of XML files; `difficult` ones become ignored ones.

    Args:
        files: the XML files by their paths in a folder.
        source: name of the folder, for messages.

    Raises:
        InputError: a file does not follow the format.
    """
    return [_entry(name, data, f"{source}/{name}") for name, data in sorted(files.items())]


def _root(data: bytes, source: str) -> ElementTree.Element:
    # Entities are the one danger of XML to a reader of files: VOC uses none, so they are refused.
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise InputError(f"{source} declares a document type; annotations have none")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{source} is not valid XML") from error
    if root.tag != "annotation":
        raise InputError(f"{source} is not an annotation in VOC's format: its root is {printable(root.tag)}")
    return root


def _entry(name: str, data: bytes, source: str) -> Entry:
    root = _root(data, source)
    filename = (root.findtext("filename") or "").strip()
    folder = str(PurePosixPath(name).parent)
    path = filename or PurePosixPath(name).stem
    size = root.find("size")
    size_wh = None
    if size is not None and (size.findtext("width") or "0").strip() != "0":
        size_wh = (_number(size, "width", source), _number(size, "height", source))
    rows = tuple(_row(item, f"object {place}", source) for place, item in enumerate(root.iter("object"), 1))
    return Entry(path if folder == "." else f"{folder}/{path}", rows, size_wh, stem=not filename)


def _row(item: ElementTree.Element, where: str, source: str) -> Row:
    place = f"{source}, {where}"
    box = item.find("bndbox")
    if box is None:
        raise InputError(f"{place} has no bndbox")
    x0, y0, x1, y1 = (_number(box, name, place) for name in ("xmin", "ymin", "xmax", "ymax"))
    score = item.findtext("score")
    return Row(
        (x0 - 1, y0 - 1, x1, y1),
        where,
        None if score is None else number(score, place, "score"),
        (item.findtext("name") or "").strip() or None,
        ignore=(item.findtext("difficult") or "0").strip() == "1",
    )


def _number(parent: ElementTree.Element, name: str, where: str) -> float:
    text = parent.findtext(name)
    if text is None:
        raise InputError(f"{where} has no {name}")
    return number(text.strip(), where, name)


def encode(annotations: Annotations) -> dict[str, bytes]:
    """One XML file per picture, in whole pixels: boxes grow to all pixels that they touch.

    Raises:
        InputError: two pictures differ only in their suffix, so that their boxes would share a file.
    """
    files: dict[str, bytes] = {}
    for name, picture in annotations.items():
        path = own_path(name, ".xml", files, "VOC")
        files[path] = _document(name, picture)
    return files


def _document(name: str, picture: PictureBoxes) -> bytes:
    root = ElementTree.Element("annotation")
    _add(root, "folder", PurePosixPath(name).parent.name)
    _add(root, "filename", PurePosixPath(name).name)
    size = ElementTree.SubElement(root, "size")
    _add(size, "width", picture.size_wh[0])
    _add(size, "height", picture.size_wh[1])
    _add(size, "depth", 3)
    whole = cover_pixels(picture.xyxy.astype(np.float32), picture.size_wh).tolist()
    for place, (x0, y0, x1, y1) in enumerate(whole):
        item = ElementTree.SubElement(root, "object")
        _add(item, "name", Kind(int(picture.kind[place])).name.lower())
        _add(item, "difficult", int(picture.ignore[place]))
        score = float(picture.score[place])
        if score == score:
            _add(item, "score", f"{score:.6f}")
        box = ElementTree.SubElement(item, "bndbox")
        for key, value in (("xmin", x0 + 1), ("ymin", y0 + 1), ("xmax", x1), ("ymax", y1)):
            _add(box, key, value)
    ElementTree.indent(root)
    try:
        return bytes(ElementTree.tostring(root, encoding="utf-8"))
    except UnicodeEncodeError as error:
        raise InputError(f"{printable(name)} cannot be written in XML; rename it") from error


def _add(parent: ElementTree.Element, name: str, value: object) -> None:
    ElementTree.SubElement(parent, name).text = str(value)
