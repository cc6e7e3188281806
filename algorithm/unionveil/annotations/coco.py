"""COCO's JSON (cocodataset.org, "Data format"): boxes as left, top, width, height in pixels."""

from __future__ import annotations

import json
from typing import Any

from ..errors import InputError
from .boxes import Annotations, PictureBoxes, kinds_in
from .entries import Entry, Row, number
from .text import array, as_json, brief, field, mapping, text_field

__all__ = ["encode", "parse"]


def parse(data: bytes, source: str) -> list[Entry]:
    """Pictures and boxes of a file in COCO's format; `iscrowd` boxes become ignored ones.

    Raises:
        InputError: the file does not follow the format.
    """
    root = mapping(as_json(data, source), source)
    labels = _labels(root, source)
    images = _images(root, source)
    rows: dict[object, list[Row]] = {key: [] for key in images}
    for place, item in enumerate(array(field(root, "annotations", source), f"{source}: annotations")):
        where = f"annotations[{place}]"
        annotation = mapping(item, f"{source}, {where}")
        key = _key(field(annotation, "image_id", f"{source}, {where}"))
        if key not in rows:
            raise InputError(f"{source}, {where}: there is no image with the id {brief(key)}")
        rows[key].append(_row(annotation, labels, where, source))
    return [Entry(name, tuple(rows[key]), size_wh) for key, (name, size_wh) in images.items()]


def _labels(root: dict[str, Any], source: str) -> dict[object, str]:
    found: dict[object, str] = {}
    for place, item in enumerate(array(root.get("categories", []), f"{source}: categories")):
        where = f"{source}, categories[{place}]"
        category = mapping(item, where)
        found[_key(field(category, "id", where))] = text_field(category, "name", where)
    return found


def _images(root: dict[str, Any], source: str) -> dict[object, tuple[str, tuple[float, float] | None]]:
    found: dict[object, tuple[str, tuple[float, float] | None]] = {}
    for place, item in enumerate(array(field(root, "images", source), f"{source}: images")):
        where = f"{source}, images[{place}]"
        image = mapping(item, where)
        key = _key(field(image, "id", where))
        if key in found:
            raise InputError(f"{where}: the id {brief(key)} is used twice")
        has_size = "width" in image and "height" in image
        size_wh = (
            (number(image["width"], where, "width"), number(image["height"], where, "height"))
            if has_size
            else None
        )
        found[key] = (text_field(image, "file_name", where), size_wh)
    return found


def _row(annotation: dict[str, Any], labels: dict[object, str], where: str, source: str) -> Row:
    place = f"{source}, {where}"
    box = array(field(annotation, "bbox", place), f"{place}: bbox", 4)
    left, top, width, height = (number(value, place, "bbox") for value in box)
    score = annotation.get("score")
    category = annotation.get("category_id")
    label = None if category is None else labels.get(_key(category), f"category {brief(category)}")
    return Row(
        (left, top, left + width, top + height),
        where,
        None if score is None else number(score, place, "score"),
        label,
        ignore=bool(annotation.get("iscrowd", 0)) or bool(annotation.get("ignore", 0)),
    )


def _key(value: object) -> object:
    """An id, which may be a number or a string."""
    return value if isinstance(value, str | int) else repr(value)


def encode(annotations: Annotations) -> bytes:
    """A file in COCO's format; scores are fields of the boxes, as in COCO's results."""
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for name, picture in annotations.items():
        images.append(
            {
                "id": len(images) + 1,
                "file_name": name,
                "width": picture.size_wh[0],
                "height": picture.size_wh[1],
            }
        )
        for place in range(len(picture)):
            boxes.append(_annotation(picture, place, len(images), len(boxes) + 1))
    categories = [{"id": int(kind) + 1, "name": kind.name.lower()} for kind in kinds_in(annotations)]
    return json.dumps({"images": images, "annotations": boxes, "categories": categories}, indent=1).encode()


def _annotation(picture: PictureBoxes, place: int, image_id: int, annotation_id: int) -> dict[str, Any]:
    left, top, right, bottom = picture.xyxy[place].tolist()
    score = float(picture.score[place])
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": int(picture.kind[place]) + 1,
        "bbox": [left, top, right - left, bottom - top],
        "area": (right - left) * (bottom - top),
        "iscrowd": int(picture.ignore[place]),
        **({} if score != score else {"score": round(score, 6)}),
    }
