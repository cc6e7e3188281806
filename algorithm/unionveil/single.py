"""Settings for photos that come one by one: to a server, a watched folder, a chat room.

They are an allowlist: a setting that needs all photos at once, or files beside them, is refused by these
doors until it is known to need neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .config import AnonymizeConfig, Average, Bilateral, Fill, Gaussian, Median, Overlay, Pixelate, parameters
from .errors import ConfigError

__all__ = ["METHODS", "not_single", "single_config"]

METHODS = tuple(
    str(kind.model_fields["method"].default)
    for kind in (Fill, Pixelate, Gaussian, Median, Bilateral, Average, Overlay)
)
"""Redactions that need one photo alone."""

_NAMES = frozenset(
    {
        *("detector", "detail", "engine", "mirror", "threshold"),
        *("method", "shape", "margin", "max_megapixels", "check_outputs"),
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


def single_config(given: Mapping[str, Any]) -> AnonymizeConfig:
    """As `AnonymizeConfig.from_parameters`.

    Raises:
        ConfigError: a value is not allowed, or the redaction needs all photos at once.
    """
    config = AnonymizeConfig.from_parameters(given)
    if config.redaction.method not in METHODS:
        raise ConfigError(
            f"method: {config.redaction.method} needs all photos at once, and here they come one by one; use "
            f"unionveil anonymize, or one of {', '.join(METHODS)}"
        )
    return config
