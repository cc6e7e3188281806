"""Settings for photos that come one by one: to a server, a watched folder, a chat room, the review page.

This is an allowlist: a setting is refused there until it is known to need neither all photos at once nor
files beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .config import (
    AnonymizeConfig,
    Average,
    Bilateral,
    Fill,
    Gaussian,
    Median,
    Overlay,
    Pixelate,
    check_one_by_one,
    parameters,
)
from .errors import ConfigError

__all__ = ["METHODS", "not_single", "single_config"]

METHODS = tuple(
    str(kind.model_fields["method"].default)
    for kind in (Fill, Pixelate, Gaussian, Median, Bilateral, Average, Overlay)
)
"""Redactions that need only one photo at a time."""

_NAMES = frozenset(
    {
        *("detector", "detail", "engine", "mirror", "threshold"),
        *("cover", "method", "shape", "margin", "text_method", "text_margin"),
        *("max_megapixels", "check_outputs", "min_face", "max_face"),
        *("keep_metadata", "gps_decimals", "output_format", "quality"),
    }
)


def not_single() -> frozenset[str]:
    """Names of the settings that are not offered for photos that arrive one by one."""
    return frozenset(
        parameter.name
        for parameter in parameters()
        if parameter.name not in _NAMES
        and not (parameter.tag == "method" and set(parameter.belongs_to) & set(METHODS))
    )


def single_config(
    given: Mapping[str, Any], door: str, *, methods: Sequence[str] = METHODS
) -> AnonymizeConfig:
    """As `AnonymizeConfig.from_parameters`.

    Args:
        given: values by name.
        door: the interface that receives the photos, as in `config.check_one_by_one`.
        methods: the redactions that it offers.

    Raises:
        ConfigError: a value is not allowed, or the redaction is not offered.
    """
    config = AnonymizeConfig.from_parameters(given)
    check_one_by_one(config, door)
    method = config.redaction.method
    if method not in methods:
        raise ConfigError(f"method {method} is not offered by {door}; it offers {', '.join(methods)}")
    return config
