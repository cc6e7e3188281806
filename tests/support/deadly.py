"""Work for engines that a worker process can import: some tasks kill it, hang or fail."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unionveil import ConfigError
from unionveil.engines.base import Report, Step
from unionveil.models.cards import ModelCard
from unionveil.serve.pictures import Answer, Pictures, PictureTask


@dataclass(frozen=True)
class Bytes:
    """A task; its first bytes decide what happens."""

    data: bytes
    needed_bytes: int = 0

    @property
    def held_bytes(self) -> int:
        return len(self.data)


@dataclass(frozen=True)
class Deadly:
    """Returns a task's bytes, unless they request something else."""

    start_code: int | None = None
    cards: tuple[ModelCard, ...] = ()

    def check(self) -> None:
        pass

    def start(self, threads: int) -> Callable[[Bytes], bytes]:
        if self.start_code is not None:
            os._exit(self.start_code)
        return _do


@dataclass(frozen=True)
class Alive:
    """A work whose tasks report their progress."""

    cards: tuple[ModelCard, ...] = ()

    def check(self) -> None:
        """Nothing can be missing."""

    def start(self, threads: int) -> Callable[[Bytes], bytes]:
        """Without anybody who listens."""
        return self.start_reporting(threads, lambda _: None)

    def start_reporting(self, threads: int, report: Report) -> Callable[[Bytes], bytes]:
        """Reports each byte of a task."""

        def do(task: Bytes) -> bytes:
            for done in range(len(task.data)):
                report(Step("reading", done, len(task.data)))
            return task.data

        return do


forked_after: list[str] = []
"""What a process added before it started its workers; those that it forks have it too."""


@dataclass(frozen=True)
class Inherited:
    """A work whose results are what its process has from its parent."""

    cards: tuple[ModelCard, ...] = ()

    def check(self) -> None:
        """Nothing can be missing."""

    def start(self, threads: int) -> Callable[[Bytes], dict[str, object]]:
        """Whatever the task."""
        return lambda _: {
            "memory": forked_after,
            "files": [str(path.resolve()) for path in Path("/proc/self/fd").iterdir()],
            "handlers": [n for n in signal.valid_signals() if callable(signal.getsignal(n))],
            "interrupts blocked": signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        }


@dataclass(frozen=True)
class DeadlyPictures:
    """The server's work, with pictures that kill their worker or never end."""

    pictures: Pictures

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        return self.pictures.cards

    def check(self) -> None:
        self.pictures.check()

    def start(self, threads: int) -> Callable[[PictureTask], Answer]:
        do = self.pictures.start(threads)

        def do_deadly(task: PictureTask) -> Answer:
            if b"DEADLY" in task.content.data:
                os.kill(os.getpid(), signal.SIGKILL)
            if b"ENDLESS" in task.content.data:
                time.sleep(600)
            return do(task)

        return do_deadly


def _do(task: Bytes) -> bytes:
    if task.data.startswith(b"deadly"):
        os.kill(os.getpid(), signal.SIGKILL)
    if task.data.startswith(b"endless"):
        time.sleep(600)
    if task.data.startswith(b"wrong"):
        raise ConfigError("this cannot work")
    if task.data.startswith(b"environment"):
        return os.environ.get("OPENBLAS_NUM_THREADS", "").encode()
    if task.data.startswith(b"mask"):
        return repr(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())).encode()
    return task.data
