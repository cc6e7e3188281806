"""Reads the file that `training.evaluate` wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..data.files import DataError

__all__ = ["read_results"]


def read_results(path: Path) -> dict[str, Any]:
    """Figures by detector and protocol.

    Raises:
        DataError: the file is missing or not JSON.
    """
    try:
        results: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): run training.evaluate first") from error
    return results
