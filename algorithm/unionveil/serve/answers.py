"""Results as HTTP responses: the picture with its record in a header, or both as JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

from starlette.responses import JSONResponse, Response

from .. import __version__
from ..config import AnonymizeConfig
from ..detections import Detections, Kind
from ..outcomes import Anonymized
from ..runs.records import configuration_of, redacted_record
from .media import MEDIA_TYPES
from .pictures import Found

__all__ = ["RECORD_HEADER", "as_json", "found", "picture", "record_of", "wants_json"]

RECORD_HEADER = "X-UnionVeil-Record"

_MOST_HEADER_BYTES = 4096
"""Proxies commonly accept 4 or 8 KiB for all headers of a response."""


def wants_json(accept: str) -> bool:
    """Whether an Accept header asks for JSON rather than for a picture."""
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return "application/json" in kinds and not any(kind.startswith("image/") for kind in kinds)


def record_of(outcome: Anonymized, config: AnonymizeConfig) -> dict[str, Any]:
    """The record of a picture, as in a manifest, without its number and its name."""
    record = redacted_record(1, "", outcome, config, None)
    return record.model_dump(mode="json", exclude_none=True, exclude={"input", "output", "status"})


def picture(outcome: Anonymized, config: AnonymizeConfig) -> Response:
    """The picture, with its record and counts in a header, which lists single faces only if they fit."""
    counts = outcome.counts
    record = record_of(outcome, config) | {
        "face_count": counts.faces,
        "text_count": counts.texts,
        "plate_count": counts.plates,
    }
    text = _compact(record)
    if len(text) > _MOST_HEADER_BYTES:
        del record["faces"]
        text = _compact(record)
    return Response(outcome.data, media_type=MEDIA_TYPES[outcome.format], headers={RECORD_HEADER: text})


def as_json(outcome: Anonymized, config: AnonymizeConfig) -> Response:
    """The picture as base64, with its record and the settings that made it."""
    return JSONResponse(
        {
            "media_type": MEDIA_TYPES[outcome.format],
            "image": base64.b64encode(outcome.data).decode(),
            "record": record_of(outcome, config),
            "configuration": configuration_of(config),
            "tool": {"name": "unionveil", "version": __version__},
        }
    )


def found(result: Found) -> Response:
    """Boxes of faces and candidates; `faces` can be sent back as `boxes`."""
    return JSONResponse(
        {
            "sizes_wh": result.sizes_wh,
            "faces": _boxes(result.faces),
            "candidates": _boxes(result.candidates),
        }
    )


def _boxes(frames: tuple[Detections, ...]) -> list[dict[str, Any]]:
    # Unrounded: a rounded box would cover other pixels.
    return [
        {
            "frame": frame,
            "xyxy": [float(value) for value in xyxy],
            "score": round(float(score), 3),
            **_kind(kind),
        }
        for frame, found in enumerate(frames)
        for xyxy, score, kind in zip(found.xyxy, found.score, found.kind, strict=True)
    ]


def _kind(kind: int) -> dict[str, str]:
    """The kind, where it is not a face."""
    return {} if kind == Kind.FACE else {"kind": Kind(int(kind)).name.lower()}


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
