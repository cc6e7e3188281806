"""A machine with 2 GiB: a run of pictures of every kind finishes, and the kernel kills no process of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from large_pictures import large_picture

pytestmark = [pytest.mark.prove, pytest.mark.timeout(3600)]

LIMIT = 2 << 30

DONE = {
    "jpeg-420": 108,
    "jpeg-444": 48,
    "jpeg-progressive": 24,
    "png-rgba": 40,
    "png-16-rgba": 24,
    "webp-lossless": 12,
    "tiff-16-rgba": 24,
    "bmp-rgba": 24,
    "gif-animated": 12,
    "heic": 8,
    "avif": 8,
}
"""Megapixels of pictures that fit into that memory."""

TOO_LARGE = {"png-16-rgba": 64, "webp-lossless": 48}
"""Megapixels of pictures that are refused."""


@dataclass(frozen=True)
class Group:
    """A group of processes with a limit (cgroups(7))."""

    folder: Path
    limit_name: str

    def command(self, *command: object) -> list[str]:
        enter = 'echo $$ > "$0"; exec "$@"'
        return ["sh", "-c", enter, str(self.folder / "cgroup.procs"), *map(str, command)]

    def kills(self) -> int:
        for name in ("memory.events", "memory.oom_control"):  # v2, v1
            if (file := self.folder / name).exists():
                counts = dict(line.split() for line in file.read_text().splitlines())
                return int(counts["oom_kill"])
        raise AssertionError("the kernel does not count kills")


@pytest.fixture
def group() -> Iterator[Group]:
    """A group of 2 GiB without swap."""
    root = Path("/sys/fs/cgroup")
    v1 = (root / "memory").is_dir()
    folder = (root / "memory" if v1 else root) / f"unionveil-{os.getpid()}"
    found = Group(folder, "memory.limit_in_bytes" if v1 else "memory.max")
    try:
        folder.mkdir()
        (folder / found.limit_name).write_text(str(LIMIT))
        swap = folder / ("memory.memsw.limit_in_bytes" if v1 else "memory.swap.max")
        if swap.exists():
            swap.write_text(str(LIMIT if v1 else 0))
    except OSError as error:
        pytest.skip(f"no group with a limit can be made here: {error.strerror}")
    yield found
    folder.rmdir()


def test_a_run_on_two_gibibytes_ends_by_itself(group, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for number, (kind, megapixels) in enumerate(DONE.items()):
        (photos / f"{number:02d}-{kind}").write_bytes(large_picture(kind, megapixels))
    for kind, megapixels in TOO_LARGE.items():
        (photos / f"50-{kind}").write_bytes(large_picture(kind, megapixels))
    with zipfile.ZipFile(photos / "60.zip", "w") as archive:
        for number in range(6):
            archive.writestr(f"{number}.jpg", large_picture("jpeg-444", 24))
        archive.writestr("large.bmp", large_picture("bmp-rgb", 24))  # 72 MB: above a member's 64 MiB
    jobs = ("--jobs", 2, "--names", "keep", "--json")
    command = group.command(sys.executable, "-m", "unionveil", "anonymize", photos, "-o", out, *jobs)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert group.kills() == 0
    items = json.loads(done.stdout)["items"]
    refused = {item["name"]: item for item in items if item["status"] == "rejected"}
    assert set(refused) == {*(f"50-{kind}" for kind in TOO_LARGE), "60.zip/large.bmp"}
    assert {item["reason"] for item in refused.values()} == {"too-large"}
    assert len(items) - len(refused) == len(DONE) + 6
