"""Many files: time and memory of a whole run, and of the same run again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import pytest

from benchmarks.tools import report, unionveil
from samples import SCENES

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]

FOLDERS, EACH = 50, 1000
MOST_BYTES = 512 << 20


def photos_in_folders(root: Path) -> Path:
    """Links to one small photo: 50,000 names in 50 folders."""
    small = cv2.resize(cv2.imread(str(SCENES / "market.jpg")), (120, 80), interpolation=cv2.INTER_AREA)
    root.mkdir()
    photo = root.with_suffix(".jpg")
    photo.write_bytes(cv2.imencode(".jpg", small)[1].tobytes())
    for folder in range(FOLDERS):
        (root / f"{folder:02d}").mkdir()
        for number in range(EACH):
            os.link(photo, root / f"{folder:02d}" / f"{number:04d}.jpg")
    return root


def test_fifty_thousand_files_in_fifty_folders(tmp_path):
    photos, out = photos_in_folders(tmp_path / "photos"), tmp_path / "out"
    options = ["-o", out, "--names", "keep", "--detail", "fast"]
    first = unionveil(photos, *options)
    assert sum(1 for _ in out.rglob("*.jpg")) == FOLDERS * EACH
    again = unionveil(photos, *options)
    shutil.rmtree(photos / "00")
    pruned = unionveil(photos, *options, "--prune")
    assert sum(1 for _ in out.rglob("*.jpg")) == (FOLDERS - 1) * EACH
    for title, done in (("first", first), ("again", again), ("a folder withdrawn", pruned)):
        peak = f"{done.peak_bytes >> 20} MiB"
        report(f"50,000 files in 50 folders, {title}", seconds=f"{done.seconds:.0f}", peak=peak)
    assert max(done.peak_bytes for done in (first, again, pruned)) < MOST_BYTES
