"""Settings that a request may carry in its query.

They are an allowlist: a new setting is refused until it is known to affect no file of the server and no other
request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..config import EMOJI, AnonymizeConfig, parameters
from ..errors import ConfigError
from ..parameters import Parameter, near
from ..single import METHODS

__all__ = ["config_of", "offered"]

_NAMES = {
    *("detail", "threshold", "min_face", "max_face"),
    *("method", "shape", "margin", "text_method", "text_margin", "output_format", "quality"),
}
"""Metadata is kept only where the server's operator says so: a page before it may promise that none is."""


def offered() -> tuple[Parameter, ...]:
    """The settings that a request may carry, in the form of `config.parameters()`."""
    found = []
    for parameter in parameters():
        if parameter.name == "method":
            found.append(replace(parameter, choices=METHODS))
        elif parameter.name == "picture":
            found.append(
                replace(
                    parameter,
                    kind="select",
                    choices=EMOJI,
                    description="Emoji over an opaque colour.",
                )
            )
        elif parameter.name in _NAMES or (
            parameter.tag == "method" and set(parameter.belongs_to) & set(METHODS)
        ):
            found.append(parameter)
    return tuple(found)


def config_of(base: AnonymizeConfig, query: Sequence[tuple[str, str]]) -> AnonymizeConfig:
    """The settings of a request.

    Args:
        base: settings that the query does not override.
        query: names and values.

    Raises:
        ConfigError: a name is unknown, given twice or not offered, or a value is not allowed.
    """
    allowed = {parameter.name: parameter for parameter in offered()}
    known = [parameter.name for parameter in parameters()]
    for name, count in Counter(name for name, _ in query).items():
        if name in known and name not in allowed:
            raise ConfigError(
                f"{name}: a request cannot set it; those that it can set are {', '.join(allowed)}"
            )
        if name not in allowed:
            raise ConfigError(f"unknown parameter {name!r}{near(name, allowed)}")
        if count > 1:
            raise ConfigError(f"{name}: is given {count} times; set it once")
    for name, value in query:
        choices = allowed[name].choices
        if choices and value not in choices:
            raise ConfigError(f"{name}: {value!r} is not one of {', '.join(choices)}")
    return AnonymizeConfig.from_parameters(_flat(base, dict(query)))


def _flat(base: AnonymizeConfig, query: dict[str, str]) -> dict[str, str]:
    flat = base.to_parameters()
    if "method" in query and query["method"] != flat["method"]:
        tagged = {parameter.name for parameter in parameters() if parameter.tag == "method"}
        flat = {name: value for name, value in flat.items() if name not in tagged}
    return flat | query
