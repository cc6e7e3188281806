"""The state of an unfinished video: its log, and its plan after the first pass."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .plan import Plan
from .rows import ROW

__all__ = ["State"]


@dataclass(frozen=True)
class State:
    """Two files beside each other; they contain boxes and time stamps, but no pixels.

    Attributes:
        stem: their path without a suffix; None stores nothing.
    """

    stem: Path | None

    @property
    def log(self) -> Path | None:
        """The file of the log."""
        return self.stem.with_suffix(".boxes") if self.stem else None

    @property
    def _plan(self) -> Path | None:
        return self.stem.with_suffix(".plan") if self.stem else None

    def plan(self) -> Plan | None:
        """The plan of an earlier run, if its first pass was done."""
        path = self._plan
        if path is None:
            return None
        with suppress(OSError, ValueError, KeyError, EOFError), np.load(path, allow_pickle=False) as parts:
            rows = parts["rows"]
            if rows.dtype == ROW:
                return Plan(rows, parts["pts"], parts["durations"])
        return None

    def keep(self, plan: Plan) -> None:
        """Stores a plan, completely or not at all; does nothing if the folder cannot be written to."""
        path = self._plan
        if path is None:
            return
        half = path.with_suffix(".half")
        with suppress(OSError):
            with half.open("wb") as file:
                np.savez(file, rows=plan.rows, pts=plan.pts, durations=plan.durations)
            os.replace(half, path)  # noqa: PTH105  as a single call of the system

    def clear(self) -> None:
        """Removes what was stored."""
        for path in (self.log, self._plan):
            if path is not None:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
