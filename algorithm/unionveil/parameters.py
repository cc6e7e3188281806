"""Settings in flat form: names and strings, as in flags, Ocean's parameters and HTTP queries.

A model's fields become parameters of the same name. A field that is a tagged union, such as the redaction,
becomes its tag and the fields of all its members; such a parameter belongs to certain values of the tag.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from .errors import ConfigError

__all__ = ["Parameter", "flatten", "near", "to_parameters", "unflatten"]

Model = TypeVar("Model", bound=BaseModel)

Kind = Literal["text", "integer", "number", "select"]


@dataclass(frozen=True)
class Parameter:
    """One setting in flat form.

    Attributes:
        name: key; also the flag without its dashes.
        kind: type of the value.
        default: the value as a string; empty if the default depends on another setting.
        choices: allowed values; empty if the kind alone limits them.
        description: one sentence.
        tag: name of the parameter that must have one of the values in `belongs_to`; None if there is no such
            condition.
        belongs_to: values of the tag that allow this parameter.
    """

    name: str
    kind: Kind
    default: str
    choices: tuple[str, ...]
    description: str
    tag: str | None = None
    belongs_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Union:
    """A field that is a tagged union.

    Attributes:
        tag: name of the field that distinguishes its members.
        members: by the value of the tag.
        default: value of the tag in the field's default.
    """

    tag: str
    members: dict[str, type[BaseModel]] = field(repr=False)
    default: str


def flatten(model: type[BaseModel]) -> tuple[Parameter, ...]:
    """Every field of a model in flat form."""
    result: dict[str, Parameter] = {}
    for name, info in model.model_fields.items():
        union = _union(info)
        if union is None:
            result[name] = _parameter(name, info)
            continue
        result[union.tag] = Parameter(
            union.tag, "select", union.default, tuple(union.members), info.description or ""
        )
        for value, member in union.members.items():
            for key, inner in member.model_fields.items():
                if key != union.tag:
                    earlier = result[key].belongs_to if key in result else ()
                    result[key] = _parameter(key, inner, union.tag, (*earlier, value))
    return tuple(result.values())


def unflatten(model: type[Model], given: Mapping[str, Any]) -> Model:
    """Builds a model from flat names and values.

    Args:
        model: any model whose tagged unions have different tags and field names.
        given: values by name as `flatten` lists them; strings are converted.

    Raises:
        ConfigError: an unknown name, a setting that belongs to another tag, or a value that is not allowed.
    """
    known = {parameter.name: parameter for parameter in flatten(model)}
    tags = {parameter.tag for parameter in known.values() if parameter.tag}
    chosen = {tag: given.get(tag, known[tag].default) for tag in tags}
    for tag, value in chosen.items():
        if value not in known[tag].choices:
            raise ConfigError(f"{tag}: {value!r} is not one of {', '.join(known[tag].choices)}")
    for name in given:
        if name not in known:
            raise ConfigError(f"unknown parameter {name!r}{near(name, known)}")
        _check_belongs(known[name], chosen)
    values: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        union = _union(info)
        if union:
            member = union.members[chosen[union.tag]]
            values[name] = {
                union.tag: chosen[union.tag],
                **{key: given[key] for key in member.model_fields if key in given},
            }
        elif name in given:
            values[name] = given[name]
    try:
        return model(**values)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(item) for item in error.errors())) from error


def to_parameters(model: BaseModel) -> dict[str, str]:
    """The flat form of a model, without its secrets; `unflatten` turns it back into the model."""
    flat: dict[str, Any] = {}
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        if _union(info):
            flat |= value.model_dump()
        elif SecretStr not in typing.get_args(info.annotation):
            flat[name] = value
    return {name: _as_text(value) for name, value in flat.items()}


def near(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: a close match, or all known names."""
    names = list(known)
    close = get_close_matches(name, names, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"


def _check_belongs(parameter: Parameter, chosen: Mapping[str, Any]) -> None:
    if parameter.tag and chosen[parameter.tag] not in parameter.belongs_to:
        raise ConfigError(
            f"{parameter.name}: belongs to {parameter.tag} {' or '.join(parameter.belongs_to)}, "
            f"not to {chosen[parameter.tag]}"
        )


def _union(info: FieldInfo) -> _Union | None:
    if not isinstance(info.discriminator, str):
        return None
    tag = info.discriminator
    members = {str(member.model_fields[tag].default): member for member in typing.get_args(info.annotation)}
    return _Union(tag, members, str(getattr(info.default, tag)))


_NUMBERS: dict[object, Kind] = {int: "integer", float: "number"}


def _parameter(
    name: str, info: FieldInfo, tag: str | None = None, belongs_to: tuple[str, ...] = ()
) -> Parameter:
    annotation = info.annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = next(part for part in typing.get_args(annotation) if part is not type(None))
    choices = tuple(map(str, typing.get_args(annotation))) if typing.get_origin(annotation) is Literal else ()
    kind: Kind = "select" if choices else _NUMBERS.get(annotation, "text")
    return Parameter(name, kind, _as_text(info.default), choices, info.description or "", tag, belongs_to)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _explain(item: Any) -> str:
    named = [part for part in reversed(item["loc"]) if isinstance(part, str)]
    if not named:  # our own message about several settings
        return str(item["ctx"]["error"])
    name = named[0]
    if item["type"] == "value_error":  # our own message, which names the value
        return f"{name}: {item['ctx']['error']}"
    if item["type"] == "string_unicode":
        shown = json.dumps(item["input"], default=str)
        return f"{name}: {shown} is not text in UTF-8; rename the file"
    if item["type"] == "string_pattern_mismatch":  # only colours have a pattern
        shown = json.dumps(item["input"], default=str)
        return f"{name}: a colour is written #rrggbb, with hexadecimal digits, got {shown}"
    return f"{name}: {item['msg']}, got {json.dumps(item['input'], default=str)}"
