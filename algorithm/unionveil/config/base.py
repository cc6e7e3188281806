"""What all models of settings share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["Setting", "measured_if_left_out"]


class Setting(BaseModel):
    """Settings that belong together: they never change, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def measured_if_left_out(value: Any) -> Any:
    """None, for the measured default, if a threshold arrives as "" or "default"."""
    return None if value in ("", "default") else value
