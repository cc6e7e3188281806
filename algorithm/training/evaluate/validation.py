"""The validation photos and their labelled faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unionveil.boxes import cover_pixels
from unionveil.detections import FloatArray
from unionveil.measure.metrics import Truth

from ..data.files import DataError, read_jsonl
from ..data.photos import Image, read_photo

__all__ = ["GROUPS", "Photo", "read_validation"]

_DARK, _BRIGHT = 64, 160

GROUPS = ("wider", "natural")
"""The two sets: WIDER photos, stored at 416x416, and natural photos up to 1024 px."""


@dataclass(frozen=True)
class Photo:
    """One validation photo.

    Attributes:
        image: `(H, W, 3)` uint8, red first.
        truth: its faces, in its pixels.
        group: the set it belongs to, one of `GROUPS`.
        traits: attributes of each face, such as "frontal", "blur 2" or "light dark"; may be empty.
    """

    image: Image
    truth: Truth
    group: str
    traits: tuple[frozenset[str], ...] = ()


def read_validation(people: Path) -> list[Photo]:
    """Reads all validation photos.

    Raises:
        DataError: one is missing or damaged, or lacks labels.
    """
    folder = people / "validation"
    return [
        _read_photo(folder, record, group)
        for group in GROUPS
        for record in read_jsonl(folder / f"{group}.jsonl")
    ]


def _read_photo(folder: Path, record: dict[str, Any], group: str) -> Photo:
    try:
        path, faces = folder / record["name"], record["faces"]
        boxes = np.array([face["box"] for face in faces], np.float32).reshape(-1, 4)
        ignore = np.array([face["ignore"] for face in faces], bool)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"a line of {folder / group}.jsonl is not valid ({error!r}): get the labels again"
        ) from error
    if not path.is_file():
        raise DataError(f"{path} is missing: get the validation photos again")
    image = np.ascontiguousarray(read_photo(path.read_bytes(), record["name"])[..., ::-1])
    traits = (_traits(face) | {_light(image, box)} for face, box in zip(faces, boxes, strict=True))
    return Photo(image, Truth(boxes, ignore), group, tuple(traits))


def _traits(face: dict[str, Any]) -> frozenset[str]:
    """WIDER's grades of occlusion, blur and pose, or the natural photos' marks."""
    grades = {f"{name} {face[name]}" for name in ("occlusion", "blur", "pose") if name in face}
    return frozenset(grades | {name for name in ("frontal", "profile", "occluded") if face.get(name)})


def _light(image: Image, box: FloatArray) -> str:
    """How bright a face is: the mean of its box's luma (Rec. 601), dark below 64 and bright from 160 on."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = cover_pixels(box[None], (width, height))[0]
    if x0 >= x1 or y0 >= y1:
        return "light unknown"
    luma = float((image[y0:y1, x0:x1].mean(axis=(0, 1)) * (0.299, 0.587, 0.114)).sum())
    return f"light {'dark' if luma < _DARK else 'bright' if luma >= _BRIGHT else 'medium'}"
