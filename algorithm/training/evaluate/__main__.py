"""Compares detectors on the validation photos.

`python -m training.evaluate --people FOLDER --models FOLDER --cache FOLDER --out results.json` runs each
detector on the photos at one size, at 640 px, and at `standard` (also with `mirror=no`) and `crowd` detail,
with UnionVeil's own tiles and merging. Boxes are cached under the digests of the weights and of the code that
detects, so only what changed is computed again. Nothing is chosen here: the validation photos only choose
between finished runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unionveil.errors import UnionVeilError
from unionveil.measure.metrics import Predicted
from unionveil.models.cards import WEIGHTS
from unionveil.models.inference import choose

from ..data.files import DataError
from .detectors import Candidate, candidates
from .figures import figures, first_figures, recall_by_trait
from .protocols import PROTOCOLS, predict_all
from .validation import GROUPS, Photo, read_validation


def main() -> int:
    """Measures, prints and writes the figures."""
    args = _arguments()
    try:
        chosen = candidates(args.weights, args.models, args.baseline, args.only)
        photos = read_validation(args.people)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        results = {candidate.name: _measure(candidate, photos, args) for candidate in chosen}
        args.out.write_text(json.dumps(results, indent=1) + "\n")
    except (DataError, UnionVeilError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--people", type=Path, required=True, help="folder with validation/")
    add("--models", type=Path, required=True, help="folder of published models")
    add("--cache", type=Path, required=True, help="folder of cached boxes")
    add("--out", type=Path, required=True, help="JSON file to write")
    add(
        "--weights",
        type=Path,
        default=WEIGHTS,
        help="folder of exported weights; default: the committed ones",
    )
    add("--baseline", type=Path, help="the project's first weights, with three levels")
    add("--only", action="append", help="name of a detector in the tables, repeatable; default: all")
    add("--ways", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS), help="protocols; default: all")
    add("--threads", type=int, default=1)
    add("--engine", default="onnxruntime", choices=("onnxruntime", "openvino"), help="what runs the networks")
    return parser.parse_args()


def _measure(candidate: Candidate, photos: Sequence[Photo], args: argparse.Namespace) -> dict[str, Any]:
    """Measures one detector in each protocol, and prints its figures."""
    inference = choose(args.engine)
    detector = candidate.load(args.threads, inference)
    key = f"{candidate.card.sha256}-{inference.engine}-{inference.precision}"
    result: dict[str, Any] = {"sha256": candidate.card.sha256}
    for protocol in args.ways:
        boxes = predict_all(detector, key, photos, args.cache, protocol)
        if protocol == "first":
            result[protocol] = first_figures(photos, boxes)
            print(f"{candidate.name:20} {protocol:9} AP {result[protocol]}", flush=True)
        else:
            result[protocol] = _all_figures(photos, boxes, candidate.card.threshold)
            for group in GROUPS:
                print(_line(candidate.name, protocol, group, result[protocol][group]), flush=True)
    return result


def _all_figures(photos: Sequence[Photo], boxes: Sequence[Predicted], threshold: float) -> dict[str, Any]:
    result = figures(photos, boxes, threshold)
    at_one = result["both"]["at_false_boxes"]["1.0"]["score"]
    return result | {"by_trait": recall_by_trait(photos, boxes, at_one)}


def _line(name: str, protocol: str, group: str, measured: dict[str, Any]) -> str:
    at_one, at_score = measured["at_false_boxes"]["1.0"], measured["at_threshold"]
    heights = " ".join(f"{row['recall']:.3f}" for row in at_one["by_height"])
    return (
        f"{name:20} {protocol:9} {group:8} AP {measured['ap']:.3f}  recall at 1 false box per photo "
        f"{at_one['recall']:.3f} ({heights})  at its threshold {at_score['recall']:.3f}, "
        f"{at_score['false_boxes']:.2f} false boxes"
    )


if __name__ == "__main__":
    sys.exit(main())
