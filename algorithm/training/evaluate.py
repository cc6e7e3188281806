"""Measures detectors side by side on the validation photos.

`python -m training.evaluate --people FOLDER --models FOLDER --cache FOLDER --out results.json` looks at the
photos with each detector at 640 px, at `standard` and at `crowd` detail, through UnionVeil's own tiles and
merging. What a detector found is kept in the cache under the digests of its weights and of the code that
looks, so only what is new costs time. Nothing here chooses anything: the validation photos only choose
between finished runs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np

from unionveil import detect
from unionveil.boxes import shorter_sides
from unionveil.detect import Detector
from unionveil.detect.centerface import CenterFace
from unionveil.detect.retinaface import RetinaFace
from unionveil.detect.tiles import find_faces
from unionveil.detect.yunet import YuNet
from unionveil.detections import Detections, RgbImage
from unionveil.errors import UnionVeilError
from unionveil.models.cards import CARDS, ModelCard
from unionveil.models.store import sha256_of

from .metric import (
    HEIGHTS_PX,
    Found,
    Matches,
    Truth,
    average_precision,
    match,
    recall_by_height,
    threshold_at,
)
from .photos import DataError, read_jsonl, read_photo

_LEAST_SCORE = 0.05
_FALSE_BOXES = (0.5, 1.0, 2.0)
"""False boxes a picture at which recall is told."""

_SETS = ("wider", "natural")
_OLD_SIDES_PX = {"wider": 640, "natural": 1024}
"""The one scale of the first comparison (`first`), which the goals were set in."""

Look: TypeAlias = Callable[[RgbImage, Detector], Detections]


@dataclass(frozen=True)
class Photo:
    """One validation photo: pixels, red first; faces in its pixels; its set; what is known of each face."""

    image: RgbImage
    truth: Truth
    group: str
    traits: tuple[frozenset[str], ...] = ()


def read_validation(people: Path) -> list[Photo]:
    """All validation photos.

    Raises:
        DataError: one is missing or damaged.
    """
    photos = []
    for group in _SETS:
        for line in read_jsonl(people / "validation" / f"{group}.jsonl"):
            path = people / "validation" / line["name"]
            if not path.is_file():
                raise DataError(f"{path} is not there: get the validation photos again")
            image = np.ascontiguousarray(read_photo(path.read_bytes(), line["name"])[..., ::-1])
            boxes = np.array([face["box"] for face in line["faces"]], np.float32).reshape(-1, 4)
            ignore = np.array([face["ignore"] for face in line["faces"]], bool)
            traits = tuple(_traits(face) for face in line["faces"])
            photos.append(Photo(image, Truth(boxes, ignore), group, traits))
    return photos


def _traits(face: dict[str, Any]) -> frozenset[str]:
    """What the validation set says of a face: WIDER's marks, or those of the people who marked the heads."""
    told = {f"{name} {face[name]}" for name in ("occlusion", "blur", "pose") if name in face}
    return frozenset(told | {name for name in ("frontal", "profile", "occluded") if face.get(name)})


def look_at(side_px: int) -> Look:
    """One look at a photo scaled to a longest side."""

    def look(image: RgbImage, detector: Detector) -> Detections:
        scale = side_px / max(image.shape[:2])
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        filters = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = np.asarray(cv2.resize(image, size, interpolation=filters), np.uint8)
        if detector.fixed_wh and max(detector.fixed_wh) < side_px:
            raise DataError(f"{detector.cards[0].name} takes no more than {detector.fixed_wh}")
        return detector(resized, _LEAST_SCORE).transform(scale_xy=(1 / scale, 1 / scale))

    return look


def looks(group: str) -> dict[str, Look]:
    """The ways to look at a set's photos, by name."""
    return {
        "first": look_at(_OLD_SIDES_PX[group]),
        "640": look_at(640),
        "standard": lambda image, detector: find_faces(image, detector, _LEAST_SCORE, "standard"),
        "crowd": lambda image, detector: find_faces(image, detector, _LEAST_SCORE, "crowd"),
    }


def run(detector: Detector, digest: str, photos: Sequence[Photo], cache: Path, way: str) -> list[Found]:
    """What a detector finds in all photos, from the cache if the same code looked before."""
    key = hashlib.sha256(f"{digest} {way} {_LEAST_SCORE} {_code()}".encode()).hexdigest()[:16]
    path = cache / f"{key}.npz"
    if not path.is_file():
        found = [looks(photo.group)[way](photo.image, detector) for photo in photos]
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            xyxy=np.concatenate([faces.xyxy for faces in found]),
            score=np.concatenate([faces.score for faces in found]),
            count=[len(faces) for faces in found],
        )
    with np.load(path) as kept:
        ends = np.cumsum(kept["count"])[:-1]
        parts = zip(np.split(kept["xyxy"], ends), np.split(kept["score"], ends), strict=True)
        return [Found(xyxy, score) for xyxy, score in parts]


@lru_cache(maxsize=1)
def _code() -> str:
    """Digest of the code that looks: other tiles or another merging find other faces."""
    package = Path(detect.__file__).parent
    files = [package.parent / "boxes.py", *sorted(package.glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def first_figures(photos: Sequence[Photo], found: Sequence[Found]) -> dict[str, float]:
    """Average precision at one scale, IoU .4, faces whose smaller side is 10 px at that scale."""
    figures = {}
    for group in _SETS:
        truths, seen = [], []
        for photo, boxes in zip(photos, found, strict=True):
            if photo.group != group:
                continue
            scale = _OLD_SIDES_PX[group] / max(photo.image.shape[:2])
            sides = shorter_sides(photo.truth.xyxy) * scale
            truths.append(Truth(photo.truth.xyxy, photo.truth.ignore | (sides < 10)))
            seen.append(boxes)
        figures[group] = round(average_precision(match(truths, seen, 0.4)), 4)
    return figures


def figures(photos: Sequence[Photo], found: Sequence[Found], threshold: float) -> dict[str, Any]:
    """Average precision and recall of each set at IoU .5, at equal false boxes and at a score."""
    told: dict[str, Any] = {}
    for group in (*_SETS, "both"):
        pairs = [pair for pair in zip(photos, found, strict=True) if group in ("both", pair[0].group)]
        matches = match([photo.truth for photo, _ in pairs], [boxes for _, boxes in pairs], 0.5)
        told[group] = {
            "ap": round(average_precision(matches), 4),
            "at_false_boxes": {
                str(allowed): _recall(matches, threshold_at(matches, allowed)) for allowed in _FALSE_BOXES
            },
            "at_threshold": _recall(matches, threshold),
            "curve": _curve(matches),
        }
    return told


def _recall(matches: Matches, threshold: float) -> dict[str, Any]:
    false = int((~matches.true & (matches.score >= threshold)).sum())
    return {
        "score": round(threshold, 4),
        "false_boxes": round(false / matches.pictures, 3),
        "recall": round(float((matches.face_score >= threshold).mean()), 4),
        "by_height": [
            {"px": list(bounds), "faces": count, "recall": round(recall, 4)}
            for bounds, (recall, count) in zip(HEIGHTS_PX, recall_by_height(matches, threshold), strict=True)
        ],
    }


def recall_by_trait(
    photos: Sequence[Photo], found: Sequence[Found], threshold: float
) -> dict[str, dict[str, Any]]:
    """Recall at a score of faces with each trait, and how many of them there are."""
    matches = match([photo.truth for photo in photos], found, 0.5)
    counted = [
        traits
        for photo in photos
        for traits, ignored in zip(photo.traits, photo.truth.ignore, strict=True)
        if not ignored
    ]
    told = {}
    for trait in sorted(frozenset[str]().union(*counted)):
        those = np.array([trait in traits for traits in counted])
        hit = matches.face_score[those] >= threshold
        told[trait] = {"faces": int(those.sum()), "recall": round(float(hit.mean()), 4)}
    return told


def _curve(matches: Matches) -> list[list[float]]:
    """False boxes a picture and recall, thinned to some sixty points."""
    false = np.cumsum(~matches.true) / matches.pictures
    recall = np.cumsum(matches.true) / len(matches.face_score)
    steps = np.unique(np.searchsorted(false, np.geomspace(0.02, 5, 60)).clip(max=len(false) - 1))
    return [[round(float(false[step]), 4), round(float(recall[step]), 4)] for step in steps]


def detectors(args: argparse.Namespace) -> dict[str, tuple[ModelCard, type[Any]]]:
    """The detectors to compare, by the name they have in the tables."""
    ours = json.loads((args.weights / "retinaface.json").read_text())
    own = CARDS["retinaface"].model_copy(
        update={
            "file": str((args.weights / ours["file"]).resolve()),
            "sha256": ours["sha256"],
            "threshold": ours["threshold"],
            "strides": tuple(ours["strides"]),
            "priors_px": tuple(tuple(sides) for sides in ours["priors_px"]),
        }
    )
    three_levels = {"strides": (8, 16, 32), "priors_px": ((16, 32), (64, 128), (256, 512))}
    table: dict[str, tuple[ModelCard, type[Any]]] = {"these weights": (own, RetinaFace)}
    if args.baseline:
        path = args.baseline.resolve()
        update = {"file": str(path), "sha256": sha256_of(path), "threshold": 0.5, **three_levels}
        table["first weights"] = (own.model_copy(update=update), RetinaFace)
    published = args.models / "retinaface_mnet025_dynamic.onnx"
    if published.is_file():
        update = {
            "file": str(published.resolve()),
            "sha256": sha256_of(published),
            "input_wh": None,
            "outputs": ("loc", "conf", "landms"),
        }
        table["RetinaFace-MNet0.25"] = (CARDS["retinaface-mnet025"].model_copy(update=update), RetinaFace)
    yunet = args.models / CARDS["yunet"].file
    if yunet.is_file():
        table["YuNet"] = (CARDS["yunet"].model_copy(update={"file": str(yunet.resolve())}), YuNet)
    table["CenterFace"] = (CARDS["centerface"], CenterFace)
    return {name: entry for name, entry in table.items() if not args.only or name in args.only}


def main() -> int:
    """Measures and writes the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="folder with validation/")
    parser.add_argument("--models", type=Path, required=True, help="folder of published models")
    parser.add_argument("--cache", type=Path, required=True, help="folder for what was found")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument(
        "--weights", type=Path, default=Path(__file__).parent.parent / "unionveil" / "weights"
    )
    parser.add_argument("--baseline", type=Path, help="the project's first weights, three levels")
    parser.add_argument("--only", action="append", help="name of a detector; all if not given")
    parser.add_argument("--ways", nargs="+", default=["first", "640", "standard", "crowd"])
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    try:
        photos = read_validation(args.people)
        told: dict[str, Any] = {}
        for name, (model_card, kind) in detectors(args).items():
            detector = kind(model_card, args.threads)
            told[name] = {"sha256": model_card.sha256}
            for way in args.ways:
                found = run(detector, model_card.sha256, photos, args.cache, way)
                if way == "first":
                    told[name][way] = first_figures(photos, found)
                    print(f"{name:20} {way:9} AP {told[name][way]}", flush=True)
                    continue
                told[name][way] = figures(photos, found, model_card.threshold)
                equal = told[name][way]["both"]["at_false_boxes"]["1.0"]["score"]
                told[name][way]["by_trait"] = recall_by_trait(photos, found, equal)
                for group in _SETS:
                    print(_line(name, way, group, told[name][way][group]), flush=True)
    except (DataError, UnionVeilError) as error:
        print(error, file=sys.stderr)
        return 1
    args.out.write_text(json.dumps(told, indent=1) + "\n")
    return 0


def _line(name: str, way: str, group: str, told: dict[str, Any]) -> str:
    at_one, at_score = told["at_false_boxes"]["1.0"], told["at_threshold"]
    heights = " ".join(f"{row['recall']:.3f}" for row in at_one["by_height"])
    return (
        f"{name:20} {way:9} {group:8} AP {told['ap']:.3f}  recall at 1 false box {at_one['recall']:.3f} "
        f"({heights})  at its score {at_score['recall']:.3f}, {at_score['false_boxes']:.2f} false boxes"
    )


if __name__ == "__main__":
    sys.exit(main())
