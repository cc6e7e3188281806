"""`unionveil bot` as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from synapse import Member


class Running:
    """The bot as a process, with its state in a folder."""

    all: ClassVar[list[Running]] = []

    def __init__(self, member: Member, folder: Path, *options: str) -> None:
        command = [
            sys.executable,
            "-m",
            "unionveil",
            "bot",
            "--homeserver",
            member.url,
            "--jobs",
            "1",
            *options,
        ]
        environment = os.environ | {
            "UNIONVEIL_MATRIX_TOKEN": member.token,
            "XDG_STATE_HOME": str(folder / "state"),
            "TMPDIR": str(folder / "tmp"),
        }
        (folder / "tmp").mkdir(exist_ok=True)
        self.log = folder / f"log-{time.time_ns()}"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log)
        self.all.append(self)
        self.until(lambda: "answering photos" in self.said)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def until(self, is_so: Callable[[], object], seconds: float = 40.0) -> None:
        end = time.monotonic() + seconds
        while not is_so():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, self.said
            time.sleep(0.1)

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        self.process.wait(60)
        return self.process.returncode
