"""Workers forked from a small process: what they inherit, and when a process is not small any more."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import deadly

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")

BEGIN = """
import fcntl, json, os, signal, sys, threading, time
import deadly
from deadly import Bytes, Deadly, Inherited
from unionveil.engines.pool import Pool

deadly.forked_after.append("mark")
signal.signal(signal.SIGTERM, signal.default_int_handler)
held = open(sys.argv[1], "w")
fcntl.flock(held, fcntl.LOCK_EX)
"""


def run(code: str, held: Path) -> str:
    """The output of a process that has one thread, holds a lock on a file and handles SIGTERM."""
    return subprocess.run(
        [sys.executable, "-c", BEGIN + code, str(held)],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    ).stdout


def environment() -> dict[str, str]:
    return os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(deadly.__file__).parent)}


def test_a_forked_worker_has_the_memory_of_its_parent_but_no_file_and_no_handler(tmp_path):
    held = tmp_path / "held"
    facts = json.loads(
        run(
            "with Pool(Inherited(), 2, 60) as pool:\n    print(json.dumps(pool.submit(Bytes(b'')).result()))",
            held,
        )
    )
    assert facts["memory"] == ["mark"]
    assert str(held) not in facts["files"]
    # Standard input, output and errors, the pipe to the parent, the pipe that shows its end, this listing.
    assert len(facts["files"]) <= 6
    assert facts["handlers"] == []
    assert facts["interrupts blocked"]


def test_a_process_of_several_threads_spawns(tmp_path):
    code = (
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "with Pool(Inherited(), 1, 60) as pool:\n"
        "    print(json.dumps(pool.submit(Bytes(b'')).result()['memory']))"
    )
    assert json.loads(run(code, tmp_path / "held")) == []


def test_a_forked_worker_that_dies_is_replaced_by_a_spawned_one(tmp_path):
    code = (
        "with Pool(Deadly(), 2, 60) as pool:\n"
        "    dead = pool.submit(Bytes(b'deadly')).result()\n"
        "    print(dead.reason, *(pool.submit(Bytes(b'%d' % n)).result() for n in range(4)))"
    )
    assert run(code, tmp_path / "held").split() == ["crashed", *(f"b'{n}'" for n in range(4))]


def test_no_process_is_left_when_the_pool_ends(tmp_path):
    """Of three, one has worked and two still wait."""
    code = (
        "with Pool(Inherited(), 3, 60) as pool:\n"
        "    pool.submit(Bytes(b'')).result()\n"
        "    children = f'/proc/self/task/{os.getpid()}/children'\n"
        "    print(len(open(children).read().split()))\n"
        "print(len(open(children).read().split()))"
    )
    assert run(code, tmp_path / "held").split() == ["3", "0"]


def test_processes_that_wait_end_with_their_parent(tmp_path):
    code = BEGIN + (
        "with Pool(Inherited(), 3, 60) as pool:\n"
        "    print(open(f'/proc/self/task/{os.getpid()}/children').read(), flush=True)\n"
        "    time.sleep(60)"
    )
    held = tmp_path / "held"
    command = [sys.executable, "-c", code, str(held)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as parent:
        assert parent.stdout
        children = parent.stdout.readline().split()
        parent.kill()
    assert len(children) == 3
    deadline = time.monotonic() + 30
    while any(is_running(pid) for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
