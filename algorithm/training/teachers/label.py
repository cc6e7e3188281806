"""Detects faces in every enlarged training photo, with CenterFace or with the committed weights.

`python -m training.teachers.label --people FOLDER --cache FILE --out FILE.jsonl` writes one line per photo:
its name, and boxes and scores from 0.2 up. CenterFace's boxes are a third opinion beside RetinaFace's and
YuNet's (`training.data.labels`). With `--detector own` they are the committed weights' boxes, mirrored pass
included, ranked by support; `training.data.own_scores` uses them. An interrupted run continues where it
stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from unionveil.boxes import nms
from unionveil.detect.centerface import CenterFace
from unionveil.detect.retinaface import RetinaFace
from unionveil.detect.support import Supported
from unionveil.errors import UnionVeilError
from unionveil.models.cards import CARDS
from unionveil.models.onnx_session import OnnxSession

from ..data.files import DataError, read_jsonl
from ..data.photos import Image, Pixels
from .boxes import TeacherBoxes

__all__ = ["detect_enlarged"]

_LONGEST_PX = 1152
"""Photos of 640 px are enlarged to this side, at which CenterFace detects faces from 6 px up. The product
enlarges small photos by nearly as much."""

_MAX_SCALE = 2.0
_MIN_SCORE = 0.2


def detect_enlarged(image: Image, detect: Callable[[Image], TeacherBoxes]) -> TeacherBoxes:
    """Detects faces in an enlarged copy of a photo; boxes are in the photo's own pixels.

    Args:
        image: `(H, W, 3)` uint8, blue first.
        detect: takes an image `(H, W, 3)`, red first.
    """
    scale = min(_LONGEST_PX / max(image.shape[:2]), _MAX_SCALE)
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    boxes = detect(np.ascontiguousarray(large[..., ::-1]))
    return TeacherBoxes(boxes.xyxy / np.float32(scale), boxes.score)


def main() -> int:
    """Labels all photos."""
    args = _arguments()
    try:
        part, parts = _part(args.part)
        records = read_jsonl(args.people / "labels.jsonl")
        pixels = Pixels.open(args.people, records, args.cache)
        done = {record["name"] for record in read_jsonl(args.out)} if args.out.is_file() else set()
        detect = _DETECTORS[args.detector]()
        args.out.parent.mkdir(parents=True, exist_ok=True)
        with args.out.open("a") as file:
            for index in range(part, len(records), parts):
                if records[index]["name"] not in done:
                    boxes = detect_enlarged(pixels[index], detect)
                    file.write(json.dumps(_line(records[index], boxes)) + "\n")
    except (DataError, UnionVeilError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="folder of labels.jsonl and its shards")
    parser.add_argument("--cache", type=Path, required=True, help="file for the decoded photos, about 3 GB")
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines file to write or to continue")
    parser.add_argument("--detector", choices=list(_DETECTORS), default="centerface", help="which one to run")
    parser.add_argument("--part", default="0/1", help="K/N: only every Nth photo, starting with photo K")
    return parser.parse_args()


def _part(text: str) -> tuple[int, int]:
    first, _, count = text.partition("/")
    if not (first.isdecimal() and count.isdecimal() and int(first) < int(count)):
        raise DataError(f"--part {text} is not K/N with K below N, such as 0/2")
    return int(first), int(count)


def _centerface() -> Callable[[Image], TeacherBoxes]:
    card = CARDS["centerface"]
    network = CenterFace(card, partial(OnnxSession, threads=1))

    def detect(image: Image) -> TeacherBoxes:
        candidates = network.candidates(image, _MIN_SCORE)
        faces = candidates[nms(candidates.xyxy, candidates.score, card.nms_iou)]
        return TeacherBoxes(faces.xyxy, faces.score)

    return detect


def _own() -> Callable[[Image], TeacherBoxes]:
    supported = Supported(RetinaFace(CARDS["retinaface"], partial(OnnxSession, threads=1)))

    def detect(image: Image) -> TeacherBoxes:
        faces = supported(image, _MIN_SCORE, mirror=True)
        return TeacherBoxes(faces.xyxy, faces.score)

    return detect


_DETECTORS: dict[str, Callable[[], Callable[[Image], TeacherBoxes]]] = {
    "centerface": _centerface,
    "own": _own,
}


def _line(record: dict[str, Any], boxes: TeacherBoxes) -> dict[str, Any]:
    return {
        "name": record["name"],
        "boxes": boxes.xyxy.round(1).tolist(),
        "scores": boxes.score.round(3).tolist(),
    }


if __name__ == "__main__":
    sys.exit(main())
