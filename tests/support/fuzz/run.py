"""Runs damaged files through the pipeline and reports the results.

python -m fuzz --count 100000 --jobs 4 --failures fuzz-failures

Each worker is a separate process. A worker that dies, or takes too long over a file, is replaced, and the
file counts as a crash or a hang.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

import numpy as np

from unionveil import AnonymizeConfig, Anonymized, Anonymizer, Detections
from unionveil.content import BytesContent
from unionveil.detect import FaceFinder
from unionveil.redact import load_redactor
from unionveil.select import every_face

from . import judge
from .mutate import mutation
from .seeds import all_seeds

HANG_SECONDS = 60
MOST_MEMORY_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Result:
    """The outcome of one file: the reason if it was rejected, else None; and any faults."""

    number: int
    seed: str
    reason: str | None
    faults: tuple[str, ...]
    seconds: float
    memory_bytes: int


@dataclass
class Report:
    """Figures of a run."""

    mutations: int = 0
    outputs: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    faults: list[Result] = field(default_factory=list)
    slowest_seconds: float = 0
    memory_bytes: int = 0

    def add(self, result: Result) -> None:
        """Counts one file."""
        self.mutations += 1
        self.slowest_seconds = max(self.slowest_seconds, result.seconds)
        self.memory_bytes = max(self.memory_bytes, result.memory_bytes)
        if result.faults:
            self.faults.append(result)
        if result.reason is None:
            self.outputs += 1
        else:
            self.rejected[result.reason] += 1

    def lines(self) -> list[str]:
        """The figures as text."""
        kinds = Counter((result.seed, fault) for result in self.faults for fault in result.faults)
        rejected = ", ".join(f"{count} {reason}" for reason, count in self.rejected.most_common())
        return [
            f"{self.mutations} mutations, {self.outputs} outputs; rejected: {rejected or 'nothing'}",
            f"slowest {self.slowest_seconds:.1f} s, most memory {self.memory_bytes / 2**20:.0f} MiB",
            f"{len(self.faults)} with faults",
            *(f"  {count:5d} {seed}: {fault}" for (seed, fault), count in kinds.most_common()),
        ]


def _everything(image: np.ndarray) -> Detections:
    """A finder that reports the whole picture as a face."""
    return Detections.of([[0, 0, image.shape[1], image.shape[0]]], [0.9])


class Examiner:
    """Anonymizes files with the real detector, and every third as if all of it were a face."""

    def __init__(self) -> None:
        config = AnonymizeConfig()
        redact, most = load_redactor(config), config.max_megapixels * 1e6
        self.seeds = all_seeds()
        self._real = Anonymizer(FaceFinder(config, 1), every_face, redact, max_pixels=most)
        self._everything = Anonymizer(_everything, every_face, redact, max_pixels=most)
        self._finder = FaceFinder(AnonymizeConfig(detail="fast"), 1)

    def __call__(self, number: int) -> Result:
        """Generates the file with a number, anonymizes it and examines the output."""
        seed, data = mutation(self.seeds, number)
        everything = number % 3 == 2
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = (self._everything if everything else self._real)(BytesContent(data))
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        faults = [f"took {seconds:.0f} s"] if seconds > HANG_SECONDS else []
        if memory > MOST_MEMORY_BYTES:
            faults.append(f"took {memory / 2**20:.0f} MiB")
        if not isinstance(outcome, Anonymized):
            if outcome.reason in ("failed", "output-differs"):
                faults.append(f"{outcome.reason}: {outcome.detail}")
            return Result(number, seed, outcome.reason, tuple(faults), seconds, memory)
        faults += judge.markers(outcome.data)
        if everything:
            level = judge.brightest(outcome.data)
            faults += [f"a pixel of {level} where all was covered"] if level > 60 else []
        faults += judge.faces(outcome.data, self._score)
        return Result(number, seed, None, tuple(faults), seconds, memory)

    def _score(self, pixels: np.ndarray) -> float:
        found = self._finder(pixels)
        return float(found.score.max()) if len(found) else 0.0


def run(first: int, count: int, jobs: int, progress: Callable[[Report], None] | None = None) -> Report:
    """Examines the files first to first + count - 1.

    Args:
        first: number of the first file.
        count: number of files.
        jobs: number of worker processes.
        progress: called after each file.
    """
    share = -(-count // jobs)
    starts = range(first, first + count, share)
    workers = [_Worker(range(start, min(start + share, first + count))) for start in starts]
    report = Report()
    while workers:
        ready = set(wait([worker.pipe for worker in workers], timeout=1))
        for worker in list(workers):
            result = worker.advance(worker.pipe in ready)
            if result is not None:
                report.add(result)
                if progress:
                    progress(report)
            if not worker.alive:
                workers.remove(worker)
                if worker.left:
                    workers.append(_Worker(worker.left))
    return report


class _Worker:
    """A process that examines files, and its state.

    Attributes:
        pipe: receives its reports.
        left: the numbers that it has not finished.
        alive: whether it can continue.
    """

    def __init__(self, numbers: range) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(numbers, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.left, self.alive = numbers, True
        self._since = time.monotonic()

    def advance(self, ready: bool) -> Result | None:
        """The next result, even if the process died or hangs over a file."""
        if ready:
            with suppress(EOFError):
                result: Result = self.pipe.recv()
                self._since, self.left = time.monotonic(), self.left[1:]
                return result
        late = time.monotonic() - self._since > 3 * HANG_SECONDS
        if not ready and not late:
            return None
        self.alive = False
        self._process.kill()
        self._process.join()
        if not self.left:
            return None
        number, self.left = self.left[0], self.left[1:]
        kind = "hang" if late else "crash"
        fault = f"{kind}, exit code {self._process.exitcode}"
        return Result(
            number, mutation(all_seeds(), number)[0], kind, (fault,), time.monotonic() - self._since, 0
        )


def _work(numbers: range, pipe: Connection) -> None:
    # Decoders print errors about damaged files.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    examine = Examiner()
    for number in numbers:
        pipe.send(_examined(examine, number))
    pipe.close()


def _examined(examine: Examiner, number: int) -> Result:
    try:
        return examine(number)
    except Exception as error:
        fault = f"raised {type(error).__name__}: {error}"
        return Result(number, mutation(examine.seeds, number)[0], "raised", (fault,), 0, 0)


def _print_now_and_then(report: Report) -> None:
    if report.mutations % 5000 == 0:
        print("\n".join(report.lines()), flush=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="fuzz", description="Fuzzes the whole pipeline.")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--failures", type=Path, help="Folder for files with faults.")
    options = parser.parse_args()
    report = run(options.first, options.count, options.jobs, _print_now_and_then)
    print("\n".join(report.lines()))
    if options.failures and report.faults:
        options.failures.mkdir(parents=True, exist_ok=True)
        seeds = all_seeds()
        for result in report.faults:
            (options.failures / f"{result.number}-{result.seed}").write_bytes(
                mutation(seeds, result.number)[1]
            )
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
