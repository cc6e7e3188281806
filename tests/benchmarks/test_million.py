"""A million files: listing, a run, the same run again, and merging, each in 300 MB without the pictures."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmark_tools import measure, report

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]

FILES = int(os.environ.get("UNIONVEIL_FILES", "1000000"))
MOST_BYTES = 300 << 20

_LINKS = 50_000  # a file system allows 65,000 names of one file

LISTED = """
import sys
from pathlib import Path
from unionveil.files.sources import PathSource
print(sum(1 for _ in PathSource([Path(sys.argv[1])]).entries))
"""

CANNED = """
import sys
from pathlib import Path
from unionveil import AnonymizeConfig, Anonymized, Detections
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource
from unionveil.formats import ImageFormat
from unionveil.runs.batch import run_batch
from unionveil.runs.journal import Journal, keyed_digest
from unionveil.runs.manifest import redacted_record
from unionveil.runs.shards import Shard, ShardOfRun, ShardSource
from unionveil.runs.work import Anonymize, Done

class Canned:
    "Writes a few bytes for each picture in place of anonymizing it; takes what is known as it is."
    def map(self, work, tasks):
        for key, task in tasks:
            data = (task.key or str(task.number)).encode()
            outcome = Anonymized(data, ImageFormat.JPEG, (120, 80), (Detections.of([[1, 2, 30, 40]], [0.9]),))
            name, config = task.output[1], work.config
            record = redacted_record(task.number, name, outcome, config, None, task.key)
            if task.known is None:
                work.sink.write(record.output, data)
            yield key, Done(record, keyed_digest(work.secret, task.name, data), task.known is not None)

photos, out, names, shard = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
config = AnonymizeConfig(names=names)
of_run = ShardOfRun(Shard.parse(shard), b"salt") if shard else None
with Journal(out, config, shard=shard) as journal:
    work = Anonymize(config, FolderSink(out), secret=journal.secret)
    source = PathSource([photos])
    items = ShardSource(source, of_run.shard) if of_run else source
    run_batch(items, work, Canned(), journal=journal, shard=of_run)
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Links to small files that begin like JPEGs, all in one folder."""
    root = tmp_path_factory.mktemp("million") / "photos"
    root.mkdir()
    for number in range(FILES):
        if number % _LINKS == 0:
            first = root / f"IMG_{number:07d}.jpg"
            first.write_bytes(b"\xff\xd8\xff\xe0")
        else:
            os.link(first, root / f"IMG_{number:07d}.jpg")
    return root


def test_listing(photos: Path) -> None:
    done = measure(sys.executable, "-c", LISTED, photos)
    report(f"listing of {FILES} files", seconds=f"{done.seconds:.0f}", peak=f"{done.peak_bytes >> 20} MiB")
    assert int(done.output.split()[-1]) == FILES
    assert done.peak_bytes < MOST_BYTES


@pytest.mark.parametrize(("names", "shard"), [("number", ""), ("keep", ""), ("number", "0/1")])
def test_a_run_and_the_same_again(photos: Path, tmp_path: Path, names: str, shard: str) -> None:
    for title in ("first", "again"):
        done = measure(sys.executable, "-c", CANNED, photos, tmp_path / "out", names, shard)
        report(
            f"{FILES} files without their pictures, names {names}, shard {shard or 'none'}, {title}",
            milliseconds_per_file=f"{1000 * done.seconds / FILES:.2f}",
            peak=f"{done.peak_bytes >> 20} MiB",
        )
        assert done.peak_bytes < MOST_BYTES


SHARDS = """
import hashlib, sys
from pathlib import Path
from unionveil import AnonymizeConfig, Anonymized, Detections
from unionveil.formats import ImageFormat
from unionveil.runs.manifest import ManifestBuilder, ShardRecord, redacted_record, shard_manifest
from unionveil.runs.shards import Shard

root, shards, each = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
config = AnonymizeConfig()
for index in range(shards):
    folder = root / f"part-{index}"
    folder.mkdir()
    builder = ManifestBuilder(config, shard=ShardRecord(index=index, count=shards, run="0" * 32))
    for number in range(each):
        key = hashlib.sha256(f"{index} {number}".encode()).hexdigest()[:32]
        faces = (Detections.of([[1, 2, 30, 40]], [0.9]),)
        outcome = Anonymized(key.encode(), ImageFormat.JPEG, (120, 80), faces)
        builder.add(redacted_record(number + 1, f"{key}.jpg", outcome, config, None, key))
        (folder / f"{key}.jpg").write_bytes(outcome.data)
    with (folder / shard_manifest(Shard(index, shards))).open("wb") as file:
        file.writelines(builder.parts())
"""


@pytest.mark.parametrize("link", [[], ["--link"]], ids=["copied", "linked"])
def test_merging_a_hundred_shards(tmp_path: Path, link: list[str]) -> None:
    shards = 100
    measure(sys.executable, "-c", SHARDS, tmp_path, shards, FILES // shards)
    folders = [tmp_path / f"part-{index}" for index in range(shards)]
    done = measure(sys.executable, "-m", "unionveil", "merge", *folders, "-o", tmp_path / "merged", *link)
    report(
        f"merge of {shards} shards of {FILES // shards}{', linked' if link else ''}",
        milliseconds_per_file=f"{1000 * done.seconds / FILES:.2f}",
        peak=f"{done.peak_bytes >> 20} MiB",
    )
    assert sum(1 for _ in (tmp_path / "merged").iterdir()) == FILES // shards * shards + 1
    assert done.peak_bytes < MOST_BYTES
