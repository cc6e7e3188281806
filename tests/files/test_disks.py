"""Disks that are full, read-only or gone: one clear message, no partial file, and the next run succeeds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import samples
from unionveil.verify import verify

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 KiB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        shutil.copy(samples.SCENES / "street.jpg", folder / f"{number:02d}.jpg")  # 70 KiB each
    return folder


def command(photos: Path, out: Path) -> list[str]:
    options = ["--detail", "fast", "--jobs", "2"]
    return [sys.executable, "-m", "unionveil", "anonymize", str(photos), "-o", str(out), *options]


def run(photos: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(photos, out), capture_output=True, text=True, check=False)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def is_one_sentence(done: subprocess.CompletedProcess[str], words: str) -> bool:
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return words in done.stderr


def test_a_full_disk(disk, photos):
    out = disk / "out"
    assert is_one_sentence(run(photos, out), "the disk is full; nothing of it was kept")
    whole = sorted(path.name for path in out.iterdir())
    assert 0 < len(whole) < 12
    assert all((out / name).stat().st_size > 60_000 for name in whole)
    remount(disk, "size=4m")
    assert run(photos, out).returncode == 0
    verify(out)


def test_a_read_only_disk(disk, photos):
    remount(disk, "ro")
    assert is_one_sentence(run(photos, disk / "out"), "cannot be written to: Read-only file system")


@pytest.mark.parametrize("how", ["read-only", "gone"])
def test_a_disk_that_changes_in_mid_run(disk, photos, how):
    remount(disk, "size=4m")
    for number in range(12, 60):
        shutil.copy(samples.SCENES / "street.jpg", photos / f"{number:02d}.jpg")
    out = disk / "out"
    process = subprocess.Popen(command(photos, out), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(out.glob("*.jpg")) and time.monotonic() < deadline:
        time.sleep(0.01)
    if how == "gone":
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
    else:
        remount_ro = ["mount", "-o", "remount,ro", str(disk)]
        while subprocess.run(remount_ro, check=False, capture_output=True).returncode:
            time.sleep(0.01)  # a file is being written
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2, errors
    assert len(errors.strip().splitlines()) == 1, errors
    assert "Traceback" not in errors
    assert not (out / "manifest.json").exists()
