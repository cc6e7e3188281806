"""Protocols: at which sizes a detector runs on the validation photos."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from unionveil import detect
from unionveil.detect import Detector
from unionveil.detect.detector import Detail
from unionveil.detect.tiles import find_faces
from unionveil.detections import Detections
from unionveil.measure.metrics import Predicted
from unionveil.models.cards import DetectorCard

from ..data.files import DataError
from ..data.photos import Image
from .validation import Photo

__all__ = ["FIRST_SIDES_PX", "PROTOCOLS", "predict_all"]

PROTOCOLS = ("first", "640", "unmirrored", "standard", "crowd", "glimpsed", "everywhere")
"""`first`: one size per set, in which the goals were set. `640`: a longest side of 640 px. `standard` and
`crowd`: the product's own tiles and merging at that detail; `unmirrored`: standard with `mirror=no`.
`glimpsed`: unmirrored, on photos enlarged to 1280 px, from where on the largest size is searched only around
what was seen at half of it; `everywhere`: the same in all tiles."""

FIRST_SIDES_PX = {"wider": 640, "natural": 1024}
"""Longest side of the photos of each set in the protocol `first`."""

_GLIMPSED_PX = 1280

_MIN_SCORE = 0.002
"""At most the score of a single candidate that is too weak to count."""

Run: TypeAlias = Callable[[Image, Detector], Detections]


def predict_all(
    detector: Detector, digest: str, photos: Sequence[Photo], cache: Path, protocol: str
) -> list[Predicted]:
    """A detector's boxes in all photos, from the cache if the same code has run before.

    Args:
        detector: the detector.
        digest: SHA-256 of its weights.
        photos: the validation photos.
        cache: folder of cached boxes.
        protocol: one of `PROTOCOLS`.
    """
    key = hashlib.sha256(f"{digest} {protocol} {_MIN_SCORE} {_code_digest()}".encode()).hexdigest()[:16]
    path = cache / f"{key}.npz"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        _write(path, [_runner(protocol, photo.group)(photo.image, detector) for photo in photos])
    return _read(path)


def _read(path: Path) -> list[Predicted]:
    with np.load(path) as kept:
        ends = np.cumsum(kept["count"])[:-1]
        parts = zip(np.split(kept["xyxy"], ends), np.split(kept["score"], ends), strict=True)
        return [Predicted(xyxy, score) for xyxy, score in parts]


def _write(path: Path, found: Sequence[Detections]) -> None:
    """Writes boxes to the cache, whole or not at all."""
    partial = path.with_suffix(".part.npz")
    np.savez(
        partial,
        xyxy=np.concatenate([faces.xyxy for faces in found]),
        score=np.concatenate([faces.score for faces in found]),
        count=[len(faces) for faces in found],
    )
    partial.replace(path)


def _runner(protocol: str, group: str) -> Run:
    match protocol:
        case "first":
            return _at_longest_side(FIRST_SIDES_PX[group])
        case "640":
            return _at_longest_side(640)
        case "unmirrored":
            return lambda image, detector: find_faces(image, detector, _MIN_SCORE, "standard", mirror=False)
        case "standard":
            return lambda image, detector: find_faces(image, detector, _MIN_SCORE, "standard")
        case "crowd":
            return lambda image, detector: find_faces(image, detector, _MIN_SCORE, "crowd")
        case "glimpsed":
            return _enlarged
        case "everywhere":
            return lambda image, detector: _enlarged(image, _Everywhere(detector))
        case _:
            raise ValueError(f"no protocol {protocol!r}")


def _at_longest_side(side_px: int) -> Run:
    """Runs a detector once, on the photo scaled to a longest side."""

    def run(image: Image, detector: Detector) -> Detections:
        resized, scale = _resized(image, side_px)
        if detector.fixed_wh and max(detector.fixed_wh) < side_px:
            raise DataError(f"{detector.card.name} takes images up to {detector.fixed_wh} px only")
        return detector(resized, _MIN_SCORE).transform(scale_xy=(1 / scale, 1 / scale))

    return run


@dataclass(frozen=True)
class _Everywhere:
    """A detector that searches all tiles."""

    detector: Detector
    glimpses: tuple[Detail, ...] = ()

    @property
    def card(self) -> DetectorCard:
        return self.detector.card

    @property
    def fixed_wh(self) -> tuple[int, int] | None:
        return self.detector.fixed_wh

    def __call__(self, image: Image, threshold: float, *, mirror: bool = False) -> Detections:
        return self.detector(image, threshold, mirror=mirror)


def _enlarged(image: Image, detector: Detector) -> Detections:
    """Runs a detector at standard on the enlarged photo."""
    larger, scale = _resized(image, _GLIMPSED_PX)
    found = find_faces(larger, detector, _MIN_SCORE, "standard", mirror=False)
    return found.transform(scale_xy=(1 / scale, 1 / scale))


def _resized(image: Image, side_px: int) -> tuple[Image, float]:
    """A photo scaled to a longest side, and the scale."""
    scale = side_px / max(image.shape[:2])
    size_wh = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    filters = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_wh, interpolation=filters), np.uint8), scale


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """Digest of the code that detects: other tiles or another merging give other boxes."""
    package = Path(detect.__file__).parent
    core = [package.parent / name for name in ("boxes.py", "detections.py", "models/session.py")]
    files = [*core, *sorted(package.glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
