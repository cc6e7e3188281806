"""Encoders must not take the machine from everybody else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists its threads in /proc")

OPEN = """
import io, os, sys
import av
from unionveil.video.priority import ordinary_priority
stream = (output := av.open(io.BytesIO(), "w", format="mp4")).add_stream("libsvtav1", rate=5)
stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
with ordinary_priority():
    output.start_encoding()
policies = {os.sched_getscheduler(int(task)) for task in os.listdir("/proc/self/task")}
print(policies == {os.SCHED_OTHER}, flush=True)
os._exit(0)
"""

RAISE = """
import os
from unionveil.video.priority import ordinary_priority
with ordinary_priority():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
print(os.sched_getscheduler(0) == os.SCHED_OTHER)
"""


def run(code: str) -> str:
    environment = os.environ | {"SVT_LOG": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_no_thread_of_an_encoder_has_real_time_priority():
    pytest.importorskip("av", reason="no PyAV here: pip install 'unionveil[video]'")
    assert run(OPEN) == "True"


@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root may ask for real time")
def test_a_thread_that_took_it_gives_it_back():
    assert run(RAISE) == "True"
