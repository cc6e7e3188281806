"""Memory for ten minutes of video at 1080p and 30 frames per second; `UNIONVEIL_MINUTES` shortens them.

The default settings take half a second of processor time per frame, so they get a fifth of the minutes, at 5
frames per second.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_tools import report
from long_clips import long_clip
from process_memory import peak_bytes
from unionveil.video.extra import has_video

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.timeout(6 * 3600),
    pytest.mark.skipif(not has_video(), reason="needs the extra video: pip install 'unionveil[video]'"),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the peak of each process"),
]

SECONDS = 60 * float(os.environ.get("UNIONVEIL_MINUTES", "10"))
MOST_BYTES = 600e6
WITH_WORKER_BYTES = 150e6
"""Less would be the main process alone."""

MOST_BYTES_PER_FRAME = 3000


@pytest.mark.parametrize(
    ("options", "seconds", "rate"),
    [(("--detail", "fast", "--every", "10"), SECONDS, 30), ((), SECONDS / 5, 5)],
    ids=["fast", "default"],
)
def test_a_long_video_needs_little_memory(tmp_path, options, seconds, rate):
    frames = round(seconds * rate)
    short, long = (peak(tmp_path / str(count), count, rate, options) for count in (frames // 10, frames))
    per_frame = (long - short) / (frames * 0.9)
    report(
        f"1080p, {' '.join(options) or 'default settings'}",
        frames=frames,
        peak=f"{long / 1e6:.0f} MB",
        a_tenth_of_them=f"{short / 1e6:.0f} MB",
        growth=f"{per_frame / 1e3:.1f} KB per frame",
    )
    assert short > WITH_WORKER_BYTES
    assert long < MOST_BYTES
    assert per_frame < MOST_BYTES_PER_FRAME


def peak(folder: Path, frames: int, rate: int, options: tuple[str, ...]) -> int:
    (folder / "in").mkdir(parents=True)
    long_clip(folder / "in" / "a.mp4", frames, rate)
    command = [sys.executable, "-m", "unionveil", "anonymize", folder / "in", "-o", folder / "out", "-q"]
    environment = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
    process = subprocess.Popen([*map(str, command), "--jobs", "1", *options], env=environment)
    peak = peak_bytes(process)
    assert process.returncode == 0
    assert next((folder / "out").glob("*.mp4")).stat().st_size > 0
    return peak
