"""Where things lie."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent


def shared_folder() -> Path | None:
    """Photos and published models that the repository does not carry, if they are on this machine."""
    named = os.environ.get("UNIONVEIL_SHARED")
    folder = Path(named) if named else REPOSITORY.parent / "shared"
    return folder if (folder / "people" / "validation").is_dir() else None
