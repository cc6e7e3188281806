"""Runs an image as ocean-node runs an algorithm: with a volume at /data, and nothing else.

It follows the source of ocean-node 3.2.0: the entrypoint is split at spaces without a shell, `$ALGO` is
a relative path, the user has no name, there is no network and no capability, and the outputs are collected
for every exit code. The read-only root is stricter than a node's.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

ALGO = "data/transformations/algorithm"


@dataclass(frozen=True)
class Ended:
    """A job that has ended.

    Attributes:
        code: the exit code.
        log: standard output and error.
        outputs: content of every file in /data/outputs by its path.
        seconds: from the start of the container's first process to its end, by the engine's clock.
    """

    code: int
    log: str
    outputs: dict[str, bytes]
    seconds: float


class Job:
    """A container that is running."""

    def __init__(self, container: str) -> None:
        self._container = container

    def log(self) -> str:
        done = docker("logs", self._container)
        return (done.stdout + done.stderr).decode()

    def outputs(self) -> dict[str, bytes]:
        return _unpack(docker("cp", f"{self._container}:/data/outputs", "-").stdout, "outputs/")

    def stop(self) -> None:
        """Stops it as a node does at the time limit."""
        docker("stop", "--time", "10", self._container)

    def kill(self) -> None:
        docker("kill", self._container)


def run_as_node(
    image: str,
    inputs: Mapping[str, bytes],
    *,
    parameters: str | None = "{}",
    entrypoint: str | None = None,
    algorithm: bytes | None = None,
    others: Mapping[str, bytes] | None = None,
    memory: str = "2g",
    outputs_mode: int = 0o755,
    options: tuple[str, ...] = (),
    meanwhile: Callable[[Job], None] = lambda _: None,
) -> Ended:
    """Runs one job to its end.

    Args:
        image: name of the image.
        inputs: files below /data/inputs.
        parameters: content of algoCustomData.json; None leaves it out, as older operators do.
        entrypoint: as in the DDO; None uses the image's own.
        algorithm: content of the file at `$ALGO`, if there is one.
        others: more files below /data.
        memory: limit, without swap.
        outputs_mode: permissions of /data/outputs, which belongs to root if nobody may write to it.
        options: more options for the container, for example environment variables of a client.
        meanwhile: called while the job runs.
    """
    files = {f"inputs/{name}": content for name, content in inputs.items()} | dict(others or {})
    if parameters is not None:
        files["inputs/algoCustomData.json"] = parameters.encode()
    if algorithm is not None:
        files["transformations/algorithm"] = algorithm
    first, rest = [], []
    if entrypoint is not None:
        program, *rest = entrypoint.replace("$ALGO", ALGO).split(" ")
        first = ["--entrypoint", program]
    sandbox = ["--network=none", "--user=1000:1000", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"]
    sandbox += ["--security-opt=no-new-privileges", "--pids-limit=512"]
    sandbox += [f"--memory={memory}", f"--memory-swap={memory}", "--mount=type=volume,destination=/data"]
    with _container(*sandbox, *options, *first, image, *rest) as container:
        docker("cp", "-", f"{container}:/data", content=_pack(files, outputs_mode))
        docker("start", container)
        job = Job(container)
        meanwhile(job)
        code = int(docker("wait", container).stdout)
        return Ended(code, job.log(), job.outputs(), _seconds(container))


def docker(*arguments: str, content: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Runs a docker command that must succeed."""
    done = subprocess.run(["docker", *arguments], input=content, capture_output=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr.decode()}"
    return done


@contextmanager
def _container(*arguments: str) -> Iterator[str]:
    container = docker("create", "--pull=never", *arguments).stdout.decode().strip()
    try:
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)


def _seconds(container: str) -> float:
    times = docker(
        "inspect", "--format={{.State.StartedAt}} {{.State.FinishedAt}}", container
    ).stdout.decode()
    # Fractional seconds have nine digits, of which Python before 3.11 reads six.
    start, end = (datetime.fromisoformat(f"{time[:26].rstrip('Z'):0<26}") for time in times.split())
    return (end - start).total_seconds()


def _pack(files: Mapping[str, bytes], outputs_mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in ("ddos", "inputs", "logs", "outputs", "transformations"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, 1000, 1000
            if folder == "outputs":
                entry.mode = outputs_mode
                entry.uid = entry.gid = 1000 if outputs_mode & 0o222 else 0
            archive.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o644, 1000, 1000
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _unpack(data: bytes, prefix: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {
            entry.name.removeprefix(prefix): reader.read()
            for entry in archive
            if (reader := archive.extractfile(entry)) is not None
        }
