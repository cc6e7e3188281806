"""A killed run of a video continues, and ends with the bytes of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from checked import read_bgr
from clips import made
from samples import SCENES
from unionveil.verify import verify
from unionveil.video.extra import has_video

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_video(), reason="needs the extra video: pip install 'unionveil[video]'"),
]


def command(folder: Path, output: Path, state: Path) -> subprocess.Popen[bytes]:
    line = [
        sys.executable,
        "-m",
        "unionveil",
        "anonymize",
        str(folder),
        "-o",
        str(output),
        "--jobs",
        "1",
        "-q",
    ]
    return subprocess.Popen(line, env={**os.environ, "XDG_STATE_HOME": str(state)})


def looked(state: Path) -> int:
    """Length of the log of an unfinished video."""
    return sum(path.stat().st_size for path in state.rglob("*.boxes"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_continues(how, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    market = np.asarray(cv2.resize(read_bgr(SCENES / "market.jpg"), (640, 426))[:, :, ::-1], np.uint8)
    (folder / "a.mp4").write_bytes(made([market.copy() for _ in range(40)]))
    assert command(folder, tmp_path / "whole", tmp_path / "state-a").wait() == 0
    state = tmp_path / "state-b"
    process = command(folder, tmp_path / "out", state)
    deadline = time.monotonic() + 240
    while looked(state) < 1000 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(how)
    process.wait()
    before = looked(state)
    assert before > 0
    assert not list((tmp_path / "out").glob("*.mp4"))
    assert command(folder, tmp_path / "out", state).wait() == 0
    assert verify(tmp_path / "out").head.counts.faces > 0
    names = ("000001.mp4", "manifest.json")
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert looked(state) == 0
