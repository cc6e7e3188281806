"""The cost of Ray compared with the pool: processor time of all processes for each photo."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmark_tools import report
from paths import REPOSITORY

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

COUNT = int(os.environ.get("UNIONVEIL_FILES", "200"))

RUN = """
import os, sys, time
from pathlib import Path
from unionveil import AnonymizeConfig
from unionveil.content import FileContent
from unionveil.engines.pool import PoolEngine, Pool, pool_in_order
from unionveil.formats import ImageFormat
from unionveil.runs.work import Anonymize, Task

kind, workers, count, photo = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
ticks = os.sysconf("SC_CLK_TCK")

def seconds():
    "Processor time of this process and of all below it."
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(stat.parent.name)] = int(fields[1]), sum(map(int, fields[11:15])) / ticks
    mine, total = {os.getpid()}, 0.0
    for _ in range(8):
        mine |= {pid for pid, (parent, _) in found.items() if parent in mine}
    return sum(found[pid][1] for pid in mine)

def tasks(number):
    for n in range(1, number + 1):
        yield n, Task(n, "", FileContent(photo), (ImageFormat.JPEG, f"{n}.jpg"), None)

work = Anonymize(AnonymizeConfig(detail="standard"))
if kind == "ray":
    import ray
    ray.init(num_cpus=workers, log_to_driver=False, include_dashboard=False)
    from unionveil.engines.ray import RayEngine
    engine = RayEngine(None)
    run = lambda number: list(engine.map(work, tasks(number)))
else:
    pool = Pool(work, workers, 300, threads_each=1).__enter__()
    run = lambda number: list(pool_in_order(pool, workers, tasks(number)))
run(4 * workers)  # loads the models
before = -10.0
while seconds() - before > 0.2:  # Ray starts agents and workers for a while
    before = seconds()
    time.sleep(2)
start = seconds()
run(count)
print("PHOTOS_PER_CPU_SECOND", count / (seconds() - start))
os._exit(0) if kind == "ray" and ray.shutdown() is None else pool.__exit__()
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_photos_for_each_processor_second(workers: int) -> None:
    pytest.importorskip("ray", reason="no Ray here: pip install 'unionveil[ray]'")
    photo = REPOSITORY / "tests" / "data" / "market.jpg"
    found = {}
    for kind in ("pool", "ray"):
        done = subprocess.run(
            [sys.executable, "-c", RUN, kind, str(workers), str(COUNT), str(photo)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
        )
        line = next(line for line in done.stdout.splitlines() if line.startswith("PHOTOS"))
        found[kind] = float(line.split()[1])
    report(
        f"photos for each processor second, {workers} workers",
        pool=f"{found['pool']:.2f}",
        ray=f"{found['ray']:.2f}",
        ratio=f"{found['ray'] / found['pool']:.3f}",
    )
    assert found["ray"] > 0.85 * found["pool"]
