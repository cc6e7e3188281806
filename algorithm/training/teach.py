"""A further teacher: CenterFace looks at every training photo, enlarged, and what it sees is written down.

`python -m training.teach --people FOLDER --out FILE.jsonl` writes one line a photo: its name and CenterFace's
boxes and scores from 0.2 up. `labels.py` takes them as a third opinion beside RetinaFace's and YuNet's.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np

from unionveil.detect import load_detector
from unionveil.errors import UnionVeilError

from .photos import DataError, Pixels, read_jsonl

_LONGEST_PX = 1152
"""Photos of 640 px are enlarged to this, so that the teacher sees faces from 6 px up."""

_MOST_ENLARGED = 2.0
_LEAST_SCORE = 0.2


def main() -> int:
    """Labels all photos; goes on where an earlier run ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=Path, required=True, help="folder of labels.jsonl and its shards")
    parser.add_argument("--cache", type=Path, required=True, help="file for the decoded photos, some 3 GB")
    parser.add_argument("--out", type=Path, required=True, help="file to write, outside the tree")
    parser.add_argument("--part", default="0/1", help="K/N: only every Nth photo, beginning with the Kth")
    args = parser.parse_args()
    try:
        lines = read_jsonl(args.people / "labels.jsonl")
        pixels = Pixels.open(args.people, lines, args.cache)
        detector = load_detector("centerface", threads=1)
    except (DataError, UnionVeilError) as error:
        print(error, file=sys.stderr)
        return 1
    part, parts = (int(number) for number in args.part.split("/"))
    done = {line["name"] for line in read_jsonl(args.out)} if args.out.is_file() else set()
    with args.out.open("a") as file:
        for index in range(part, len(lines), parts):
            if lines[index]["name"] in done:
                continue
            image = pixels[index]
            scale = min(_LONGEST_PX / max(image.shape[:2]), _MOST_ENLARGED)
            large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
            faces = detector(np.ascontiguousarray(large[..., ::-1]), _LEAST_SCORE)
            found = {
                "name": lines[index]["name"],
                "boxes": (faces.xyxy / scale).round(1).tolist(),
                "scores": faces.score.round(3).tolist(),
            }
            file.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
