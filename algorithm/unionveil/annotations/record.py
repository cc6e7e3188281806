"""Our own manifest: the detected boxes, together with the outputs in which they are covered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from pydantic import ValidationError

from ..content import Content
from ..detections import KindCounts
from ..errors import InputError
from ..formats import sniff
from ..runs.reading import what_is_wrong
from ..runs.schema import Counts, FaceRecord, Manifest, RedactedRecord, kind_name
from ..text import printable
from .boxes import Annotations, PictureBoxes
from .entries import Entry, Row

__all__ = ["UNREDACTED", "encode", "parse"]

UNREDACTED = "none"
"""Method of a box in a manifest that was written from annotations: nothing was covered."""


def parse(data: bytes, source: str) -> list[Entry]:
    """Outputs with their boxes. The pictures are the outputs, so they are upright.

    Raises:
        InputError: the file is not a manifest of this version.
    """
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise InputError(
            f"{source} is not a manifest that this version can read: {what_is_wrong(error)}"
        ) from error
    return [
        Entry(
            item.output,
            tuple(
                Row(
                    face.xyxy,
                    f"input {item.input}, face {place}",
                    face.score,
                    face.kind or "face",
                    frame=face.frame,
                    kind=face.detected,
                )
                for place, face in enumerate(item.faces, 1)
            ),
            item.size_wh,
            upright=True,
        )
        for item in manifest.items
        if isinstance(item, RedactedRecord)
    ]


def encode(annotations: Annotations, contents: Mapping[str, Content]) -> bytes:
    """A manifest of unchanged pictures: every box has the method "none".

    Coordinates are rounded to a tenth of a pixel, scores to a thousandth; a box without a score gets 1.

    Args:
        annotations: boxes of upright pictures.
        contents: the pictures, which the manifest describes with digests.

    Raises:
        InputError: a picture is missing, or a box is an ignored one.
    """
    items = tuple(
        _record(number, name, picture, contents)
        for number, (name, picture) in enumerate(annotations.items(), 1)
    )
    with_faces = sum(1 for item in items if item.faces)
    covered = KindCounts.of(face.detected for item in items for face in item.faces)
    counts = Counts(
        inputs=len(items),
        redacted=with_faces,
        without_face=len(items) - with_faces,
        rejected={},
        faces=covered.faces,
        texts=covered.texts + covered.plates or None,
    )
    manifest = Manifest(models=(), configuration={}, counts=counts, items=items)
    return manifest.model_dump_json(indent=1, exclude_none=True).encode() + b"\n"


def _record(number: int, name: str, picture: PictureBoxes, contents: Mapping[str, Content]) -> RedactedRecord:
    if name not in contents:
        raise InputError(f"{printable(name)} does not exist; a manifest describes the pictures themselves")
    if picture.ignore.any():
        raise InputError("a manifest cannot store ignored boxes; choose another format")
    data = contents[name].read()
    scores = np.where(np.isnan(picture.score), 1, picture.score).tolist()
    return RedactedRecord(
        input=number,
        output=name,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        format=sniff(data).name.lower(),
        size_wh=picture.size_wh,
        frames=int(picture.frame.max(initial=0)) + 1,
        faces=tuple(
            FaceRecord(
                frame=frame,
                xyxy=tuple(round(v, 1) for v in box),
                score=round(score, 3),
                method=UNREDACTED,
                kind=kind_name(kind),
            )
            for frame, box, score, kind in zip(
                picture.frame.tolist(), picture.xyxy.tolist(), scores, picture.kind.tolist(), strict=True
            )
        ),
    )
