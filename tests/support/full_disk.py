"""Programs that meet a full disk: a limit on the size of files ends a write in its middle, as that does."""

from __future__ import annotations

import resource
import subprocess
import sys

__all__ = ["print_of"]


def print_of(code: str) -> str:
    """What a Python program prints that can write no file of more than 10,000 bytes."""
    done = subprocess.run(
        [sys.executable, "-c", f"import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n{code}"],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
        check=True,
    )
    return done.stdout
