"""Peak memory for pictures of every kind, compared with the estimate made before they are decoded."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from benchmark_tools import report
from checked import present
from large_pictures import KINDS, large_picture
from unionveil.engines.resources import IDLE_WORKER_BYTES
from unionveil.formats import sniff
from unionveil.runs.headers import read_header
from unionveil.runs.needs import needed_bytes

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets a process's peak of memory"),
]

MEGAPIXELS = 12
MOST_TOO_MUCH = 1.6

# The life of a worker: it starts, does a picture of two megapixels, and then the measured one.
WORKER = """
import ctypes, re, sys
from pathlib import Path
from unionveil import AnonymizeConfig
from unionveil.content import FileContent
from unionveil.files.sinks import FolderSink
from unionveil.formats import sniff
from unionveil.runs.work import Anonymize, Task

def memory(key):
    return int(re.search(key + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

do = Anonymize(AnonymizeConfig(), FolderSink(Path(sys.argv[1])), previews=True, secret=b"s" * 32).start(1)
for number, path in enumerate(map(Path, sys.argv[2:]), 1):
    ctypes.CDLL(None).malloc_trim(0)  # what the picture before has left
    idle = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    output = (sniff(path.read_bytes()[:512]), f"{number}.out")
    record = do(Task(number, path.name, FileContent(path), output, None)).record
    assert record.status == "redacted" and record.faces, record
    print(idle, memory("VmHWM") - idle)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_needs_the_estimated_memory(kind, tmp_path):
    data = large_picture(kind, MEGAPIXELS)
    (tmp_path / "first").write_bytes(large_picture("jpeg-420", 4))
    (tmp_path / "picture").write_bytes(data)
    command = [sys.executable, "-c", WORKER, tmp_path / "out", tmp_path / "first", tmp_path / "picture"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    idle, measured = map(int, done.stdout.splitlines()[1].split())
    header = present(read_header(sniff(data), io.BytesIO(data)))
    reckoned = needed_bytes(sniff(data), header, len(data))
    report(
        f"{kind}, {MEGAPIXELS} megapixels",
        measured=f"{measured >> 20} MiB",
        reckoned=f"{reckoned >> 20} MiB",
        ratio=f"{reckoned / measured:.2f}",
        per_pixel=f"{measured / MEGAPIXELS / 1e6:.1f}",
        idle=f"{idle >> 20} MiB",
    )
    assert idle < IDLE_WORKER_BYTES
    assert measured <= reckoned <= MOST_TOO_MUCH * measured
