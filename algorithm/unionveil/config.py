"""All that a user can set, defined once.

The command line's flags, the Ocean job's parameters, the published `consumerParameters` and the JSON
Schema are derived from the models in this file. A setting reaches us as a string in two of those four
cases, so every model accepts strings.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo

from .errors import ConfigError

__all__ = [
    "DETECTORS",
    "EMOJI",
    "AnonymizeConfig",
    "Average",
    "Bilateral",
    "Fill",
    "Gaussian",
    "Median",
    "Overlay",
    "Parameter",
    "Pixelate",
    "Redaction",
    "parameters",
]

EMOJI = ("fist", "smile", "mask", "heart")
"""Pictures drawn by `redact.emoji`."""

DETECTORS = ("retinaface", "retinaface-mnet025", "yunet", "haar", "centerface", "yolo")
"""Names of the detectors; `yolo` is followed by a colon and the path of the ONNX file."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Fill(_Model):
    """One opaque colour: nothing of the face is left."""

    method: Literal["fill"] = "fill"
    color: _Color = Field("#000000", description="Colour as #rrggbb.")


class Pixelate(_Model):
    """A mosaic of mean colours."""

    method: Literal["pixelate"] = "pixelate"
    cells: int = Field(6, ge=2, le=10, description="Mosaic cells along the face's longer side.")


class _Blur(_Model):
    strength: float = Field(
        1.0, ge=1.0, le=4.0, description="Blur radius; 1 is the least that is offered, 4 the most."
    )


class Gaussian(_Blur):
    """Gaussian blur whose radius grows with the face."""

    method: Literal["gaussian"] = "gaussian"


class Median(_Blur):
    """Median filter whose window grows with the face."""

    method: Literal["median"] = "median"


class Bilateral(_Blur):
    """Bilateral filter over a strong blur: keeps large outlines, no features."""

    method: Literal["bilateral"] = "bilateral"


class Average(_Blur):
    """Box filter whose window grows with the face."""

    method: Literal["average"] = "average"


class Overlay(_Model):
    """A picture over the face, with an opaque colour behind it."""

    method: Literal["overlay"] = "overlay"
    picture: str = Field(
        "smile", min_length=1, description=f"Emoji ({', '.join(EMOJI)}) or the path of a PNG file."
    )
    backing: _Color = Field("#000000", description="Opaque colour behind the picture, as #rrggbb.")


Redaction = Annotated[
    Fill | Pixelate | Gaussian | Median | Bilateral | Average | Overlay, Field(discriminator="method")
]

_REDACTIONS: tuple[type[_Model], ...] = (Fill, Pixelate, Gaussian, Median, Bilateral, Average, Overlay)


class AnonymizeConfig(_Model):
    """What to look for, how hard, and what to put in its place."""

    detector: tuple[str, ...] = Field(
        ("retinaface",),
        min_length=1,
        description=f"Detectors whose faces are united, separated by commas: {', '.join(DETECTORS[:-1])}, "
        "yolo:FILE.onnx.",
    )
    detail: Literal["fast", "standard", "crowd"] = Field(
        "standard", description="fast: one look at 640 px. crowd: hundreds of small faces, slower."
    )
    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Least score of a face; lower finds more faces and more that are none. "
        "Default: the value each detector was measured with.",
    )
    redaction: Redaction = Field(Fill(), description="What covers a face.")
    shape: Literal["box", "ellipse"] = Field(
        "box", description="Outline of what is covered; the ellipse encloses the whole box."
    )
    margin: float = Field(
        0.15, ge=0, le=1, description="How far the cover reaches beyond the face, as a share of its size."
    )
    names: Literal["number", "keep"] = Field(
        "number", description="Names of the outputs: numbers, or the names of the inputs."
    )
    max_megapixels: float = Field(
        200, gt=0, le=2000, description="A picture with more (all its frames together) is refused."
    )
    check_outputs: Literal["yes", "no"] = Field(
        "yes",
        description="yes: every output is decoded and compared with the redacted picture before it counts as "
        "done, in some 5 % of the time for JPEG and HEIC and 10 % for others. no: writers are trusted.",
    )
    digest_salt: SecretStr | None = Field(
        None,
        description="Adds to the manifest a digest of every input, salted with this secret text.",
    )

    @field_validator("detector", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("detector")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            kind, colon, path = name.partition(":")
            if kind not in DETECTORS:
                raise ValueError(f"unknown detector {name!r}{_near(kind, DETECTORS)}")
            if (kind == "yolo") != bool(colon and path):
                wanted = "yolo:FILE.onnx" if kind == "yolo" else kind
                raise ValueError(f"detector {name!r} is to be written {wanted}")
        if len(set(value)) != len(value):
            raise ValueError("a detector is named twice")
        return value

    @field_validator("threshold", mode="before")
    @classmethod
    def _default_threshold(cls, value: Any) -> Any:
        return None if value in ("", "default") else value

    @field_validator("digest_salt", mode="before")
    @classmethod
    def _no_salt(cls, value: Any) -> Any:
        return None if value == "" else value

    @classmethod
    def from_parameters(cls, given: Mapping[str, Any]) -> AnonymizeConfig:
        """Builds from flat names and values, the form of flags and of Ocean's parameters.

        Args:
            given: values by name as `parameters()` lists them; strings are converted.

        Raises:
            ConfigError: an unknown name, a setting of another method, or a value that is not allowed.
        """
        known = {parameter.name: parameter for parameter in parameters()}
        for name in given:
            if name not in known:
                raise ConfigError(f"unknown parameter {name!r}{_near(name, known)}")
        method = given.get("method", "fill")
        choices = known["method"].choices
        if method not in choices:
            raise ConfigError(f"method: {method!r} is not one of {', '.join(choices)}")
        values: dict[str, Any] = {}
        redaction: dict[str, Any] = {"method": method}
        for name, value in given.items():
            if name == "method":
                continue
            if not known[name].methods:
                values[name] = value
            elif method in known[name].methods:
                redaction[name] = value
            else:
                raise ConfigError(
                    f"{name}: belongs to method {' or '.join(known[name].methods)}, not to {method}"
                )
        try:
            return cls(**values, redaction=redaction)
        except ValidationError as error:
            raise ConfigError("; ".join(_explain(item) for item in error.errors())) from error

    def to_parameters(self) -> dict[str, str]:
        """The flat form; `from_parameters` of it gives this configuration again, but for the secret salt."""
        flat = {**self.model_dump(exclude={"redaction", "digest_salt"}), **self.redaction.model_dump()}
        return {name: _as_text(value) for name, value in flat.items()}


@dataclass(frozen=True)
class Parameter:
    """One setting in flat form.

    Attributes:
        name: key; also the flag without its dashes.
        kind: type of the value.
        default: the value as a string; empty where the default depends on another setting.
        choices: allowed values, empty where any value of the kind may be allowed.
        description: one sentence for a person.
        methods: redaction methods it belongs to; empty means every one.
    """

    name: str
    kind: Literal["text", "integer", "number", "select"]
    default: str
    choices: tuple[str, ...]
    description: str
    methods: tuple[str, ...] = ()


def parameters() -> tuple[Parameter, ...]:
    """Every setting in flat form, in the order in which it is shown; `method` stands for the tagged union."""
    result: dict[str, Parameter] = {}
    for name, field in AnonymizeConfig.model_fields.items():
        if name != "redaction":
            result[name] = _parameter(name, field, ())
            continue
        methods = tuple(_method(model) for model in _REDACTIONS)
        result["method"] = Parameter("method", "select", methods[0], methods, field.description or "")
        for model in _REDACTIONS:
            for key, inner in model.model_fields.items():
                if key != "method":
                    earlier = result[key].methods if key in result else ()
                    result[key] = _parameter(key, inner, (*earlier, _method(model)))
    return tuple(result.values())


def _method(model: type[_Model]) -> str:
    return str(model.model_fields["method"].default)


def _parameter(name: str, field: FieldInfo, methods: tuple[str, ...]) -> Parameter:
    annotation = field.annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = next(part for part in typing.get_args(annotation) if part is not type(None))
    choices = tuple(map(str, typing.get_args(annotation))) if typing.get_origin(annotation) is Literal else ()
    kind: Literal["text", "integer", "number", "select"]
    if choices:
        kind = "select"
    elif annotation is int:
        kind = "integer"
    elif annotation is float:
        kind = "number"
    else:
        kind = "text"
    return Parameter(name, kind, _as_text(field.default), choices, field.description or "", methods)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _near(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = get_close_matches(name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"


def _explain(item: Any) -> str:
    name = str(next(part for part in reversed(item["loc"]) if isinstance(part, str)))
    if item["type"] == "value_error":  # our own words, which name the value
        return f"{name}: {item['ctx']['error']}"
    return f"{name}: {item['msg']}, got {json.dumps(item['input'], default=str)}"
