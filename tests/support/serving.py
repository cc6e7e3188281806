"""`unionveil serve` as a process."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from checked import present
from web_server import Running


@contextmanager
def serving(*arguments: object, **options: Any) -> Iterator[tuple[subprocess.Popen[str], Running, list[str]]]:
    """Starts it on a free port; returns the process, the server and the lines that it has printed."""
    command = [sys.executable, "-m", "unionveil", "serve", "--port", "0", *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)
    errors = present(process.stderr)
    lines: list[str] = []
    try:
        while not (lines and lines[-1].startswith("unionveil: nothing is stored")):
            line = errors.readline()
            assert line, lines
            lines.append(line)
        port = int(present(re.search(r":(\d+)/", "".join(lines)))[1])
        yield process, Running(port), lines
    finally:
        process.kill()
        process.communicate()
