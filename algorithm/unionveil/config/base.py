"""What all models of settings share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Setting"]


class Setting(BaseModel):
    """Settings that belong together: they never change, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
