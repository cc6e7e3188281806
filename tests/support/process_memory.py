"""Memory of a process and of all that it starts, on Linux."""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["peak_bytes"]

_PAUSE_SECONDS = 0.5


def peak_bytes(process: subprocess.Popen[bytes]) -> int:
    """Waits for a process; returns the largest resident set of it and its descendants together.

    The kernel keeps each process's own peak, so short ones between two looks count too. Peaks are added up,
    although they need not occur at the same time, and pages that processes share count for each.
    """
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for number in _family(process.pid):
            with suppress(OSError):
                peaks[number] = max(peaks.get(number, 0), _peak(number))
        time.sleep(_PAUSE_SECONDS)
    return sum(peaks.values())


def _family(number: int) -> list[int]:
    """A process and its descendants; each thread lists the children that it started."""
    found = [number]
    for task in Path(f"/proc/{number}/task").glob("*"):
        with suppress(OSError):
            for child in map(int, (task / "children").read_text().split()):
                found += _family(child)
    return found


def _peak(number: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{number}/status").read_text())
    return int(found[1]) << 10 if found else 0
