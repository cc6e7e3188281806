"""Many files: time and memory of a whole run, of the same run again, and of one that removes a folder."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import cv2
import pytest

from benchmark_tools import Measured, measure, report, unionveil
from checked import read_bgr
from samples import SCENES

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]

FOLDERS, EACH = 50, 1000
MOST_BYTES = 512 << 20


def photos_in_folders(root: Path, each: int = EACH) -> Path:
    """Links to one small photo: 50,000 names in 50 folders."""
    small = cv2.resize(read_bgr(SCENES / "market.jpg"), (120, 80), interpolation=cv2.INTER_AREA)
    root.mkdir()
    photo = root.with_suffix(".jpg")
    photo.write_bytes(cv2.imencode(".jpg", small)[1].tobytes())
    for folder in range(FOLDERS):
        (root / f"{folder:02d}").mkdir()
        for number in range(each):
            os.link(photo, root / f"{folder:02d}" / f"{number:04d}.jpg")
    return root


def three_runs(folder: Path, each: int) -> dict[str, Measured]:
    """A first run, the same again, and one after a folder is gone, which removes its outputs."""
    folder.mkdir()
    photos, out = photos_in_folders(folder / "photos", each), folder / "out"
    options = ["-o", out, "--names", "keep", "--detail", "fast"]
    first = unionveil(photos, *options)
    assert sum(1 for _ in out.rglob("*.jpg")) == FOLDERS * each
    again = unionveil(photos, *options)
    shutil.rmtree(photos / "00")
    pruned = unionveil(photos, *options, "--prune")
    assert sum(1 for _ in out.rglob("*.jpg")) == (FOLDERS - 1) * each
    return {"first": first, "again": again, "pruned": pruned}


def test_fifty_thousand_files_in_fifty_folders(tmp_path):
    few, many = three_runs(tmp_path / "few", EACH // 10), three_runs(tmp_path / "many", EACH)
    for title, done in many.items():
        report(
            f"{FOLDERS * EACH} files in {FOLDERS} folders, {title}",
            milliseconds_per_file=f"{1000 * done.seconds / FOLDERS / EACH:.1f}",
            against_the_first=f"{done.seconds / many['first'].seconds:.2f}",
            per_file_against_a_tenth=f"{done.seconds / 10 / few[title].seconds:.2f}",
            peak=f"{done.peak_bytes >> 20} MiB",
            peak_against_a_tenth=f"{done.peak_bytes / few[title].peak_bytes:.2f}",
        )
        # Time grows no faster than the number of files; memory hardly grows.
        assert done.seconds < 1.5 * 10 * few[title].seconds
        assert done.peak_bytes < min(MOST_BYTES, 1.3 * few[title].peak_bytes)
    assert many["again"].seconds < many["first"].seconds / 2
    assert many["pruned"].seconds < many["first"].seconds / 2


OWN_PART = """
import resource, sys, time
from pathlib import Path
from unionveil import AnonymizeConfig, Anonymized, Detections
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource
from unionveil.formats import ImageFormat
from unionveil.runs.batch import run_batch
from unionveil.runs.journal import Journal, keyed_digest
from unionveil.runs.manifest import redacted_record
from unionveil.runs.work import Anonymize, Done

class Canned:
    "Writes a few bytes for each picture in place of anonymizing it; takes what is known as it is."
    def map(self, work, tasks):
        for key, task in tasks:
            data = b"%d" % task.number
            outcome = Anonymized(data, ImageFormat.JPEG, (120, 80), (Detections.of([[1, 2, 30, 40]], [0.9]),))
            record = redacted_record(task.number, task.output[1], outcome, work.config, None)
            if task.known is None:
                work.sink.write(record.output, data)
            yield key, Done(record, keyed_digest(work.secret, task.name, data), task.known is not None)

photos, out = Path(sys.argv[1]), Path(sys.argv[2])
config = AnonymizeConfig(names="keep")
for title in ("first", "again"):
    start = time.perf_counter()
    with Journal(out, config) as journal:
        work = Anonymize(config, FolderSink(out), secret=journal.secret)
        run_batch(PathSource([photos]), work, Canned(), journal=journal)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print("PART", title, f"{time.perf_counter() - start:.1f} s", f"{peak} MiB")
"""


def test_the_overhead_of_a_run_of_fifty_thousand_files(tmp_path):
    """Listing, naming, journal, manifest and the comparison of the folder with it."""
    photos, out = photos_in_folders(tmp_path / "photos"), tmp_path / "out"
    done = measure(sys.executable, "-c", OWN_PART, photos, out)
    lines = [line.split(" ", 2)[1:] for line in done.output.splitlines() if line.startswith("PART")]
    report("50,000 files without their pictures", **dict(lines))
    assert done.peak_bytes < MOST_BYTES
