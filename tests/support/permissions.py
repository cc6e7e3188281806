"""Files and folders that the tests themselves may not read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["locked"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Locks a file or folder while the block runs; skips the test if that has no effect."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        if os.access(path, os.R_OK):
            pytest.skip("root may read everything")
        yield
    finally:
        path.chmod(mode)
