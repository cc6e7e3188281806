"""Parses requests: headers, query and body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from starlette.requests import Request

from ..config import AnonymizeConfig
from ..content import BytesContent
from ..detections import Kind
from ..errors import RequestError, WrongMedia
from ..formats import HEAD_BYTES, ImageFormat, sniff
from ..runs.needs import finding_bytes, look_at
from ..runs.schema import KindName
from .body import read_body
from .multipart import parse
from .pictures import Boxes, PictureTask
from .settings import config_of

__all__ = ["Limits", "blur_task", "find_task", "redact_task"]

_MOST_BOXES = 10_000

_Coordinate = Annotated[float, Field(ge=-1e6, le=1e6)]


class _Box(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    frame: int = Field(0, ge=0, le=1_000_000)
    xyxy: tuple[_Coordinate, _Coordinate, _Coordinate, _Coordinate]
    kind: KindName = "face"

    @model_validator(mode="after")
    def _has_a_size(self) -> _Box:
        left, top, right, bottom = self.xyxy
        if left >= right or top >= bottom:
            raise ValueError("a box is left, top, right, bottom, with a positive width and height")
        return self


_BOXES = TypeAdapter(Annotated[list[_Box], Field(max_length=_MOST_BOXES)])


@dataclass(frozen=True)
class Limits:
    """Limits of a request's body.

    Attributes:
        body_bytes: largest body.
        read_seconds: time for a body to arrive.
    """

    body_bytes: int
    read_seconds: float


async def redact_task(request: Request, base: AnonymizeConfig, limits: Limits) -> PictureTask:
    """`POST /v1/redact`: a raw picture, or multipart with `image` and `boxes`.

    Raises:
        ConfigError: a setting is invalid.
        RequestError: the body is invalid, too large or too slow.
        ImageError: the picture's format is not handled.
    """
    config = config_of(base, request.query_params.multi_items())
    parts = await _parts(request, limits, {"image", "boxes"})
    boxes = _boxes(parts["boxes"]) if "boxes" in parts else None
    return _task(parts, "image", config, boxes=boxes)


async def find_task(request: Request, base: AnonymizeConfig, limits: Limits) -> PictureTask:
    """`POST /v1/find`: a raw picture, or multipart with `image`. Raises as `redact_task`."""
    config = config_of(base, request.query_params.multi_items())
    return _task(await _parts(request, limits, {"image"}), "image", config, act="find")


async def blur_task(request: Request, base: AnonymizeConfig, limits: Limits) -> PictureTask:
    """`POST /blur/`, as Panoramax calls its blurring API: multipart with a JPEG named `picture`.

    Raises as `redact_task`.
    """
    for name, value in request.query_params.multi_items():
        if name not in ("keep", "debug") or value not in ("", "0", "false"):
            raise RequestError(f"{name}: no part of a picture is kept here; leave it out or set it to 0")
    parts = await _parts(request, limits, {"picture"})
    task = _task(parts, "picture", base)
    if task.format is not ImageFormat.JPEG:
        raise WrongMedia(f"/blur/ accepts only JPEG, and this is {task.format.name}; use /v1/redact")
    return task


def _task(
    parts: dict[str, bytes],
    name: str,
    config: AnonymizeConfig,
    *,
    act: Literal["redact", "find"] = "redact",
    boxes: Boxes | None = None,
) -> PictureTask:
    if name not in parts:
        raise RequestError(f"the body has no part named {name!r}; send the picture in it")
    content = BytesContent(parts[name])
    image_format = sniff(content.data[:HEAD_BYTES])
    needed_bytes = look_at(content, config.outputs)[1] + finding_bytes(config)
    return PictureTask(content, image_format, config, act, boxes, needed_bytes)


async def _parts(request: Request, limits: Limits, names: set[str]) -> dict[str, bytes]:
    """The parts of a body; a raw body counts as the part `image`."""
    content_type = request.headers.get("content-type", "")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise WrongMedia("the body is compressed; send the picture without compression")
    body = await read_body(request, most_bytes=limits.body_bytes, seconds=limits.read_seconds)
    if not content_type.lower().startswith("multipart/form-data"):
        return {"image": body}
    parts = parse(content_type, body)
    for name in parts:
        if name not in names:
            raise RequestError(f"unknown part {name!r}; known: {', '.join(sorted(names))}")
    return parts


def _boxes(data: bytes) -> Boxes:
    try:
        return tuple((box.frame, box.xyxy, Kind[box.kind.upper()]) for box in _BOXES.validate_json(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "the list"
        raise RequestError(
            f"boxes: {place}: {first['msg']}; they are a JSON list of "
            '{"frame": 0, "xyxy": [left, top, right, bottom], "kind": "face"}'
        ) from error
