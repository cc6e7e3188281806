"""What all models of settings share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["Setting", "measured_if_left_out"]


class Setting(BaseModel):
    """Settings that belong together: they never change, and an unknown name is an error."""

    # Validators are built when they are first used: a run uses that of all settings, and few of the parts'.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


def measured_if_left_out(value: Any) -> Any:
    """None, for the measured default, if a threshold arrives as "" or "default"."""
    return None if value in ("", "default") else value
