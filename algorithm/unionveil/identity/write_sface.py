"""Writes SFace's repaired graph, for the container: python -m unionveil.identity.write_sface FILE."""

from __future__ import annotations

import sys
from pathlib import Path

from ..models.cards import EMBEDDERS
from .sface import repaired_file

__all__: list[str] = []

if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(repaired_file(EMBEDDERS["sface"]))
