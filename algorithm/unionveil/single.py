"""Settings for photos that come one by one: to a server, a watched folder, a chat room.

They are an allowlist: a setting that needs all photos at once, or files beside them, is refused by these
doors until it is known to need neither.
"""

from __future__ import annotations

from collections.abc import Mapping
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

__all__ = ["METHODS", "not_single", "single_config"]

METHODS = tuple(
    str(kind.model_fields["method"].default)
    for kind in (Fill, Pixelate, Gaussian, Median, Bilateral, Average, Overlay)
)
"""Redactions that need one photo alone."""

_NAMES = frozenset(
    {
        *("detector", "detail", "engine", "mirror", "threshold"),
        *("cover", "method", "shape", "margin", "text_method", "text_margin"),
        *("max_megapixels", "check_outputs"),
    }
)


def not_single() -> frozenset[str]:
    """Names of the settings that are not offered where photos come one by one."""
    return frozenset(
        parameter.name
        for parameter in parameters()
        if parameter.name not in _NAMES
        and not (parameter.tag == "method" and set(parameter.belongs_to) & set(METHODS))
    )


def single_config(given: Mapping[str, Any], door: str) -> AnonymizeConfig:
    """As `AnonymizeConfig.from_parameters`.

    Args:
        given: values by name.
        door: what takes the photos, as `config.check_one_by_one` names it.

    Raises:
        ConfigError: a value is not allowed, or the redaction needs all photos at once.
    """
    config = AnonymizeConfig.from_parameters(given)
    check_one_by_one(config, door)
    return config
