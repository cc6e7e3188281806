"""Reads the data set's JSON Lines files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["DataError", "read_jsonl"]


class DataError(Exception):
    """Photos, labels, weights or settings are missing or invalid; the message says what to do."""


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Reads all objects of a JSON Lines file.

    Raises:
        DataError: the file is missing, or a line is not a JSON object.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: name the folder of labelled photos with PEOPLE=FOLDER")
    try:
        records = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except ValueError as error:
        raise DataError(f"{path} is not JSON Lines: {error}") from error
    if not all(isinstance(record, dict) for record in records):
        raise DataError(f"{path} is not JSON Lines of objects: get the labels again")
    return records
