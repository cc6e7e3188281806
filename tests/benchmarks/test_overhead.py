"""What the program itself costs: its start, a tiny file, and the parent's share beside its workers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmark_tools import measure, report, small_photos, unionveil

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

FILES = 500

PARENT = """
import atexit, resource, sys
@atexit.register
def show():
    used = resource.getrusage(resource.RUSAGE_SELF)
    print("PARENT", used.ru_utime + used.ru_stime)
from unionveil.cli import main
sys.argv[0] = "unionveil"
main()
"""


def parents_seconds(folder: Path, output: Path) -> float:
    done = measure(sys.executable, "-c", PARENT, "anonymize", folder, "-o", output, "--jobs", "2", "--quiet")
    return float(done.output.rpartition("PARENT ")[2])


def test_help_beside_an_empty_program():
    empty = min(measure(sys.executable, "-c", "").cpu_seconds for _ in range(5))
    ours = min(measure(sys.executable, "-m", "unionveil", "--help").cpu_seconds for _ in range(5))
    report(
        "CPU seconds of --help", unionveil=f"{ours:.2f}", python=f"{empty:.2f}", ratio=f"{ours / empty:.1f}"
    )
    assert ours < 20 * empty


def test_a_tiny_file_and_the_parent(tmp_path):
    """A picture of 120x80 at `fast`; the difference of two runs leaves out the start."""
    few, many = small_photos(tmp_path / "few", 10), small_photos(tmp_path / "many", 10 + FILES)
    options = ["--detail", "fast", "--jobs", "1"]
    before = unionveil(few, "-o", tmp_path / "out-few", *options).cpu_seconds
    all_of_it = (unionveil(many, "-o", tmp_path / "out-many", *options).cpu_seconds - before) / FILES
    parent = parents_seconds(many, tmp_path / "out-1") - parents_seconds(few, tmp_path / "out-2")
    report(
        "CPU milliseconds for each tiny file",
        all=f"{1000 * all_of_it:.1f}",
        parent=f"{1000 * parent / FILES:.1f}",
        share=f"{parent / FILES / all_of_it:.2f}",
    )
    assert parent / FILES < all_of_it / 2
