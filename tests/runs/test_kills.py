"""Runs killed at random points, repeatedly: the result has the same bytes, and nothing is left over."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

import samples
from checked import read_bgr
from unionveil.verify import verify

SERIAL = """
import os, sys
from pathlib import Path
if sys.argv[3] == "named" and hasattr(os, "O_TMPFILE"):
    del os.O_TMPFILE  # as on systems whose files always have names
from unionveil import AnonymizeConfig, Anonymizer, Detections
from unionveil.engines.serial import SerialEngine
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource
from unionveil.redact import load_redactor
from unionveil.runs.batch import run_batch
from unionveil.runs.journal import Journal
from unionveil.runs.work import Anonymize
from unionveil.select import every_face

def find(view):
    "One face in every picture: what is killed is the run, and detecting would be half of its time."
    return Detections.of([[5, 5, 25, 30]], [0.9])

class Work(Anonymize):
    def anonymizer(self, threads):
        return Anonymizer(find, every_face, load_redactor(self.config), max_pixels=1e9)

config = AnonymizeConfig()
photos, out = Path(sys.argv[1]), Path(sys.argv[2])
with Journal(out, config) as journal:
    work = Work(config, FolderSink(out), previews=True, secret=journal.secret)
    run_batch(PathSource([photos]), work, SerialEngine(), journal=journal)
"""

MOST_KILLS_IN_A_ROW = 4


def command(photos: Path, out: Path, engine: str) -> list[str]:
    if engine == "pooled":
        options = ["--detail", "fast", "--preview", "--jobs", "2"]
        return [sys.executable, "-m", "unionveil", "anonymize", str(photos), "-o", str(out), *options]
    return [sys.executable, "-c", SERIAL, str(photos), str(out), engine]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two dozen small pictures, one of them with faces, and an archive of some."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pictures = samples.all_samples()
    for number, name in enumerate(("gif-animated", "png-rgb", "bmp-rgb", "jpeg-420") * 6):
        (folder / f"{number:02d}").write_bytes(pictures[name])
    market = read_bgr(samples.SCENES / "market.jpg")
    cv2.imwrite(str(folder / "12.jpg"), cv2.resize(market, (480, 320), interpolation=cv2.INTER_AREA))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def finish(photos: Path, out: Path, engine: str) -> float:
    """Completes the run and returns the seconds that it took."""
    start = time.perf_counter()
    subprocess.run(command(photos, out, engine), check=True, capture_output=True)
    return time.perf_counter() - start


def kill(photos: Path, out: Path, engine: str, seconds: float) -> float | None:
    """Kills a run after a time, or returns the seconds after which it had ended."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command(photos, out, engine), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
    return time.perf_counter() - start


def kill_often(photos: Path, tmp_path: Path, engine: str, kills: int, seed: int) -> None:
    whole = tmp_path / "whole"
    seconds = finish(photos, whole, engine)
    expected = contents(whole)
    assert len(expected) == 51
    rng, done, number = random.Random(seed), 0, 0
    while done < kills:
        out = tmp_path / f"out-{number}"
        number += 1
        for again in range(rng.randint(1, MOST_KILLS_IN_A_ROW)):
            # The first third is the start of Python, in which nothing happens.
            took = kill(photos, out, engine, rng.uniform(0.3, 1.05) * seconds)
            done += took is None
            # The machine's load changes: a fresh run that ended before its kill sets the time anew.
            seconds = took if took and not again else seconds
            if out.exists():
                partial = {name: data for name, data in contents(out).items() if ".unionveil-" not in name}
                assert all(expected[name] == data for name, data in partial.items())
        finish(photos, out, engine)
        assert contents(out) == expected
        verify(out)
    state = Path(os.environ["XDG_STATE_HOME"]) / "unionveil" / "runs"
    assert {path.suffix for path in state.iterdir()} == {".jsonl", ""}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("engine", "kills"), [("pooled", 10), ("named", 5), ("nameless", 5)])
def test_twenty_kills(photos, tmp_path, engine, kills):
    kill_often(photos, tmp_path, engine, kills, seed=1)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("engine", "kills"), [("pooled", 150), ("named", 75), ("nameless", 75)])
def test_three_hundred_kills(photos, tmp_path, engine, kills):
    kill_often(photos, tmp_path, engine, kills, seed=2)
