"""Paths of the repository and of shared files."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def shared_folder() -> Path | None:
    """The folder of photos and published models in `UNIONVEIL_SHARED`; None if it is missing."""
    named = os.environ.get("UNIONVEIL_SHARED")
    return Path(named) if named and (Path(named) / "people" / "validation").is_dir() else None
