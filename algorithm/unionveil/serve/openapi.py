"""The description of the API (OpenAPI 3.1), generated from the settings that a request may carry."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

from .. import __version__
from ..config import AnonymizeConfig
from ..parameters import Parameter
from ..runs.schema import KindName, RedactedRecord
from .answers import RECORD_HEADER
from .media import MEDIA_TYPES
from .problems import PROBLEM_TYPE
from .settings import offered

__all__ = ["parameter_list", "schema"]

_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern")
_TYPES = {"text": "string", "select": "string", "integer": "integer", "number": "number"}

_FAILURES = {
    403: "The request comes from a page of another site, or is for another host.",
    408: "The body did not arrive in time.",
    413: "The body, or the picture in it, is larger than the limit.",
    415: "A format that is not handled.",
    422: "A setting, a part or the picture is not valid.",
    429: "Too many requests from one address.",
    500: "A bug in the server; nothing was anonymized.",
    503: "All slots are in use, or there was not enough memory.",
    504: "The picture took longer than the limit.",
}


def parameter_list(config: AnonymizeConfig) -> list[dict[str, Any]]:
    """The settings that a request may carry, with the server's defaults.

    Args:
        config: settings that a request does not override.
    """
    flat = config.to_parameters()
    listed = []
    for parameter in offered():
        entry: dict[str, Any] = {
            "name": parameter.name,
            "kind": parameter.kind,
            "default": flat.get(parameter.name, parameter.default),
            "choices": parameter.choices,
            "description": parameter.description,
            **_bounds(parameter),
        }
        if parameter.tag:
            entry["belongs_to"] = {parameter.tag: parameter.belongs_to}
        if parameter.name == "threshold":
            entry["default"] = (
                flat["threshold"] or f"{min(card.threshold for card in config.detector_cards):g}"
            )
        listed.append(entry)
    return listed


def schema(config: AnonymizeConfig, *, needs_token: bool) -> dict[str, Any]:
    """The whole document.

    Args:
        config: settings that a request does not override.
        needs_token: whether requests need a token.
    """
    del config  # /v1/parameters lists the defaults, which are the server's own
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "UnionVeil",
            "version": __version__,
            "description": "Covers faces in photos. Nothing is stored.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            "/v1/redact": {"post": _redact()},
            "/v1/find": {"post": _find()},
            "/blur/": {"post": _blur()},
            "/v1/parameters": {
                "get": _get("Settings that a request may carry", "listParameters", _PARAMETERS, 401, 403)
            },
            "/healthz": {
                "get": _get("Whether the server answers", "health", _HEALTH, 403) | {"security": []}
            },
        },
        "components": {"schemas": {"Problem": _PROBLEM, "Found": _FOUND, "Redacted": _redacted()}},
    }
    if needs_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _redact() -> dict[str, Any]:
    image: dict[str, Any] = {media_type: {} for media_type in MEDIA_TYPES.values()}
    return {
        "operationId": "redact",
        "summary": "Cover the faces of a photo, or the boxes that are sent with it",
        "parameters": _query(),
        "requestBody": _body(
            {"image": _BINARY, "boxes": _BOXES}, ["image"], _IMAGES | {"boxes": "application/json"}
        ),
        "responses": {
            "200": {
                "description": "The photo in its own format; as JSON if `Accept` is application/json.",
                "headers": {RECORD_HEADER: {"schema": {"type": "string"}, "description": _RECORD}},
                "content": image | {"application/json": {"schema": _ref("Redacted")}},
            },
            **_failures(),
        },
    }


def _find() -> dict[str, Any]:
    return {
        "operationId": "find",
        "summary": "Find faces, and candidates that score just below them",
        "parameters": _query(),
        "requestBody": _body({"image": _BINARY}, ["image"], _IMAGES),
        "responses": {"200": _json("Boxes in pixels of the upright photo.", _ref("Found")), **_failures()},
    }


def _blur() -> dict[str, Any]:
    parts = {"type": "object", "properties": {"picture": _BINARY}, "required": ["picture"]}
    return {
        "operationId": "blur",
        "summary": "Blur in the form that Panoramax's GeoVisio requests: JPEG in, JPEG out",
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": parts,
                    "encoding": {"picture": {"contentType": "image/jpeg"}},
                }
            },
        },
        "responses": {
            "200": {
                "description": "The photo; as multipart with the detections if `Accept` requests it.",
                "headers": {
                    "x-sgblur": {"schema": {"type": "string"}, "description": "The detections, as JSON."}
                },
                "content": {"image/jpeg": {}, "multipart/form-data": {}},
            },
            **_failures(),
        },
    }


def _get(summary: str, name: str, body: dict[str, Any], *failures: int) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": _json(summary + ".", body),
            **{str(status): _problem(status) for status in failures},
        },
    }


def _body(parts: dict[str, Any], required: list[str], types: dict[str, str]) -> dict[str, Any]:
    multipart = {
        "schema": {
            "type": "object",
            "properties": parts,
            "required": required,
            "additionalProperties": False,
        },
        "encoding": {name: {"contentType": media_type} for name, media_type in types.items()},
    }
    raw = {media_type: {"schema": _BINARY} for media_type in MEDIA_TYPES.values()}
    return {"required": True, "content": raw | {"multipart/form-data": multipart}}


def _query() -> list[dict[str, Any]]:
    return [
        {
            "name": parameter.name,
            "in": "query",
            "description": _described(parameter),
            "schema": {
                "type": _TYPES[parameter.kind],
                **({"enum": list(parameter.choices)} if parameter.choices else {}),
                **_bounds(parameter),
            },
        }
        for parameter in offered()
    ]


def _described(parameter: Parameter) -> str:
    belongs = f" Only with {parameter.tag} {' or '.join(parameter.belongs_to)}." if parameter.tag else ""
    return parameter.description + belongs


def _bounds(parameter: Parameter) -> dict[str, Any]:
    """Limits of a parameter's value, as in the settings' own JSON Schema."""
    if parameter.choices:
        return {}
    document = _settings_schema()
    models = [document, *document["$defs"].values()] if parameter.tag is None else document["$defs"].values()
    found = next(
        model["properties"][parameter.name] for model in models if parameter.name in model["properties"]
    )
    branches = [found, *found.get("anyOf", ())]
    return {key: branch[key] for branch in branches for key in _BOUNDS if key in branch}


@cache
def _settings_schema() -> dict[str, Any]:
    return AnonymizeConfig.model_json_schema()


def _redacted() -> dict[str, Any]:
    record = RedactedRecord.model_json_schema()
    for name in ("input", "output", "status"):
        record["properties"].pop(name)
        record["required"] = [key for key in record["required"] if key != name]
    face = record.pop("$defs")["FaceRecord"]
    record["properties"]["faces"]["items"] = face
    return {
        "type": "object",
        "properties": {
            "media_type": {"type": "string", "enum": list(MEDIA_TYPES.values())},
            "image": {"type": "string", "contentEncoding": "base64"},
            "record": record,
            "configuration": {"type": "object", "additionalProperties": {"type": "string"}},
            "tool": {"type": "object"},
        },
        "required": ["media_type", "image", "record", "configuration", "tool"],
    }


def _failures() -> dict[str, Any]:
    return {str(status): _problem(status) for status in (*_FAILURES, 401)}


def _problem(status: int) -> dict[str, Any]:
    description = _FAILURES.get(status, "The request has no token, or a wrong one.")
    return {"description": description, "content": {PROBLEM_TYPE: {"schema": _ref("Problem")}}}


def _json(description: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": body}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


_RECORD = (
    "The record, as JSON, with face_count (faces and heads), text_count (lines of text) and plate_count; "
    "without single faces if too many for a header."
)
_IMAGES = {"image": ", ".join(MEDIA_TYPES.values())}
_BINARY = {"type": "string", "format": "binary"}
_XYXY = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
_KINDS = list(get_args(KindName))
_BOXES = {
    "type": "array",
    "description": "Covered in place of the detector's boxes. An empty list covers nothing.",
    "items": {
        "type": "object",
        "properties": {
            "frame": {"type": "integer", "minimum": 0, "default": 0},
            "xyxy": _XYXY,
            "kind": {"type": "string", "enum": _KINDS, "default": "face"},
        },
        "required": ["xyxy"],
    },
}
_FACES = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "frame": {"type": "integer", "minimum": 0},
            "xyxy": _XYXY,
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "kind": {"type": "string", "enum": _KINDS, "description": "Missing for a face."},
        },
        "required": ["frame", "xyxy", "score"],
    },
}
_FOUND = {
    "type": "object",
    "properties": {
        "sizes_wh": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "faces": _FACES,
        "candidates": _FACES,
    },
    "required": ["sizes_wh", "faces", "candidates"],
}
_PROBLEM = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}
_PARAMETERS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "kind": {"type": "string"}, "default": {"type": "string"}},
        "required": ["name", "kind", "default", "choices", "description"],
    },
}
_HEALTH = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status", "version"]}
