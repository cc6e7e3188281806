"""Label Studio's JSON (labelstud.io, "Label Studio JSON format"): boxes in percent of the picture."""

from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from .. import __version__
from ..detections import Kind
from ..errors import InputError
from ..text import printable
from .boxes import Annotations, PictureBoxes
from .entries import Entry, Row, number
from .text import array, as_json, field, mapping, text_field

__all__ = ["encode", "parse"]

_BOXES = ("rectanglelabels", "rectangle", "labels")
_OTHER_REGIONS = ("brush", "polygon", "ellipse", "keypoint", "bitmask", "vector")
_LOCAL = "/data/local-files/?d="


def parse(data: bytes, source: str) -> list[Entry]:
    """Tasks with their boxes: the human annotations if there are any, else the predictions.

    Raises:
        InputError: the file does not follow the format, or a task was annotated several times.
    """
    return [
        _entry(mapping(task, f"{source}, task {place}"), f"{source}, task {place}")
        for place, task in enumerate(array(as_json(data, source), source), 1)
    ]


def _entry(task: dict[str, Any], where: str) -> Entry:
    data = mapping(field(task, "data", where), f"{where}: data")
    regions = _regions(task, where)
    sizes = {(region[0], region[1]) for region in regions}
    if len(sizes) > 1:
        raise InputError(f"{where}: its boxes were drawn on pictures of different sizes")
    rows = tuple(row for _, _, row in regions)
    return Entry(_name(_image(data, where), where), rows, next(iter(sizes), None), relative=True)


def _image(data: dict[str, Any], where: str) -> str:
    """The picture's address: the value named `image`, or the only string."""
    if "image" in data:
        return text_field(data, "image", f"{where}: data")
    texts = [value for value in data.values() if isinstance(value, str)]
    if len(texts) != 1:
        raise InputError(f"{where}: data has no 'image'")
    return texts[0]


def _name(address: str, where: str) -> str:
    """The path in an address: of a locally served file, of an upload, of a bucket.

    Raises:
        InputError: it is not an address.
    """
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise InputError(f"{where}: {printable(address)} is not an address of a picture") from error
    local = parse_qs(parts.query).get("d")
    return (local[0] if local else unquote(parts.path)).lstrip("/")


def _regions(task: dict[str, Any], where: str) -> list[tuple[float, float, Row]]:
    done = [
        annotation
        for item in array(task.get("annotations") or task.get("completions") or [], f"{where}: annotations")
        if not (annotation := mapping(item, f"{where}: annotations")).get("was_cancelled")
    ]
    if len(done) > 1:
        raise InputError(f"{where} was annotated {len(done)} times; export one annotation per task")
    drawn = done or [
        mapping(item, where) for item in array(task.get("predictions") or [], f"{where}: predictions")[-1:]
    ]
    found: list[tuple[float, float, Row]] = []
    seen: set[str | None] = set()
    for result in drawn:
        items = array(result.get("result", []), f"{where}: result")
        # A region's label may be a separate result with the same id; the labelled one counts.
        for place, item in sorted(enumerate(items, 1), key=lambda pair: not _has_label(pair[1])):
            region = mapping(item, f"{where}, result {place}")
            kind = str(region.get("type", ""))
            if kind.removesuffix("labels") in _OTHER_REGIONS:
                raise InputError(f"{where}, result {place}: a region of type {kind}; only boxes can be read")
            key = None if region.get("id") is None else json.dumps(region["id"])
            if kind not in _BOXES or (key is not None and key in seen):
                continue
            seen.add(key)
            found.append(_region(region, f"result {place}", where))
    return found


def _has_label(item: object) -> bool:
    return isinstance(item, dict) and item.get("type") != "rectangle"


def _region(region: dict[str, Any], where: str, source: str) -> tuple[float, float, Row]:
    place = f"{source}, {where}"
    value = mapping(field(region, "value", place), f"{place}: value")
    if region.get("image_rotation"):
        raise InputError(f"{place}: the picture was rotated in Label Studio; rotate it back there")
    width_px, height_px = (
        number(field(region, name, place), place, name) for name in ("original_width", "original_height")
    )
    if width_px <= 0 or height_px <= 0:
        raise InputError(f"{place}: the picture's size is {width_px:g} x {height_px:g}")
    x, y, width, height = (
        number(field(value, name, f"{place}: value"), place, name) / 100
        for name in ("x", "y", "width", "height")
    )
    turned = number(value.get("rotation", 0), place, "rotation")
    box = _upright(x * width_px, y * height_px, width * width_px, height * height_px, turned)
    score = region.get("score")
    labels = array(value.get("rectanglelabels") or value.get("labels") or [None], f"{place}: labels")
    row = Row(
        (box[0] / width_px, box[1] / height_px, box[2] / width_px, box[3] / height_px),
        where,
        None if score is None else number(score, place, "score"),
        None if labels[0] is None else str(labels[0]),
    )
    return width_px, height_px, row


def _upright(x: float, y: float, width: float, height: float, degrees: float) -> tuple[float, ...]:
    """The bounding box of a rectangle rotated clockwise about its own top left corner, in pixels."""
    if not degrees % 360:
        return x, y, x + width, y + height
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(0.0, 0.0), (width, 0.0), (0.0, height), (width, height)]
    xs = [x + a * cos - b * sin for a, b in corners]
    ys = [y + a * sin + b * cos for a, b in corners]
    return min(xs), min(ys), max(xs), max(ys)


def encode(annotations: Annotations) -> bytes:
    """Tasks with predictions, to be imported and corrected; pictures are served from local files.

    Raises:
        InputError: a box is an ignored one, which the format cannot store.
    """
    if any(picture.ignore.any() for picture in annotations.values()):
        raise InputError("Label Studio's format cannot store ignored boxes; choose another format")
    tasks = [
        {
            "data": {"image": _LOCAL + quote(name)},
            "predictions": [
                {
                    "model_version": f"unionveil {__version__}",
                    "result": [_result(picture, place) for place in range(len(picture))],
                }
            ],
        }
        for name, picture in annotations.items()
    ]
    return json.dumps(tasks, indent=1).encode()


def _result(picture: PictureBoxes, place: int) -> dict[str, Any]:
    (width, height), (x0, y0, x1, y1) = picture.size_wh, picture.xyxy[place].tolist()
    score = float(picture.score[place])
    return {
        "id": str(place + 1),
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {
            "x": 100 * x0 / width,
            "y": 100 * y0 / height,
            "width": 100 * (x1 - x0) / width,
            "height": 100 * (y1 - y0) / height,
            "rotation": 0,
            "rectanglelabels": [Kind(int(picture.kind[place])).name.capitalize()],
        },
        **({} if score != score else {"score": round(score, 6)}),
    }
