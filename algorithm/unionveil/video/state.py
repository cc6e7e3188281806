"""What is kept of a video while it is worked on: its log, and the plan once the first pass is done."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .plan import Plan
from .tracks import ROW

__all__ = ["State"]


@dataclass(frozen=True)
class State:
    """Two files beside each other; they hold boxes and time stamps, and no pixel.

    Attributes:
        stem: their path without a suffix; None keeps nothing.
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
        """Keeps a plan, whole or not at all; a folder that cannot be written to keeps nothing."""
        path = self._plan
        if path is None:
            return
        half = path.with_suffix(".half")
        with suppress(OSError):
            with half.open("wb") as file:
                np.savez(file, rows=plan.rows, pts=plan.pts, durations=plan.durations)
            os.replace(half, path)  # noqa: PTH105  as a single call of the system

    def clear(self) -> None:
        """Removes what was kept."""
        for path in (self.log, self._plan):
            if path is not None:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
