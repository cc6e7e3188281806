"""Runs an algorithm as a node does: a process of its own, or a container if there is a Docker engine."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import uuid
from pathlib import Path
from typing import Any, Protocol


class Runner(Protocol):
    """Runs the algorithm in a folder laid out as `/data`.

    Args:
        data: with inputs, outputs, transformations, ddos, logs.
        container: image and entrypoint, as in the DDO.
        environment: variables that the client sent; the algorithm gets no others.

    Returns:
        The exit code, and the log in Docker's frames.
    """

    def __call__(
        self, data: Path, container: dict[str, Any], environment: dict[str, Any]
    ) -> tuple[int, bytes]: ...


def command_of(container: dict[str, Any]) -> list[str]:
    """As compute_engine_docker.ts: `$ALGO` becomes a relative path, split at spaces, no shell."""
    return container["entrypoint"].replace("$ALGO", "data/transformations/algorithm").split(" ")


def frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(data)) + data if data else b""


def outputs_tar(outputs: Path) -> bytes:
    """As `container.getArchive({path: "/data/outputs"})`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(outputs, arcname="outputs")
    return buffer.getvalue()


class ProcessRunner:
    """A process of this Python, from the folder above `data`, with nothing of this process's environment."""

    def __call__(
        self, data: Path, container: dict[str, Any], environment: dict[str, Any]
    ) -> tuple[int, bytes]:
        program, *arguments = command_of(container)
        if program == "unionveil":
            arguments = ["-m", "unionveil", *arguments]
        elif not program.startswith("python"):
            raise ValueError(f"the entrypoint {program!r} is none that a process can stand in for")
        done = subprocess.run(
            [sys.executable, *arguments, "--data-dir", str(data)],
            cwd=data.parent,
            env={"HOME": "/", "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment},
            capture_output=True,
            check=False,
        )
        return done.returncode, frame(1, done.stdout) + frame(2, done.stderr)


class DockerRunner:
    """A container under a node's limits: a user without a name, no network, nothing but `/data` to write to.

    Args:
        image: run instead of the one in the DDO.
    """

    def __init__(self, image: str) -> None:
        self._image = image

    def __call__(
        self, data: Path, container: dict[str, Any], environment: dict[str, Any]
    ) -> tuple[int, bytes]:
        name = f"unionveil-test-{uuid.uuid4().hex[:12]}"
        program, *arguments = command_of(container)
        variables = [part for key, value in environment.items() for part in ("--env", f"{key}={value}")]
        _docker("volume", "create", name)
        try:
            _docker(
                *("create", "--name", name, "--user", "1000:1000", "--network", "none", "--read-only"),
                *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "512"),
                *("--memory", "4g", "--memory-swap", "4g", "--tmpfs", "/tmp", "--env", "HOME=/"),  # noqa: S108
                *("--mount", f"type=volume,source={name},destination=/data"),
                *variables,
                *("--entrypoint", program, self._image, *arguments),
            )
            _docker("cp", "-", f"{name}:/data", data=_owned_tar(data))
            _docker("start", name)
            code = int(_docker("wait", name))
            logs = _run("logs", name)
            with tarfile.open(fileobj=io.BytesIO(_docker("cp", f"{name}:/data/outputs", "-"))) as tar:
                tar.extractall(data, filter="data")
            return code, frame(1, logs.stdout) + frame(2, logs.stderr)
        finally:
            _run("rm", "--force", name)
            _run("volume", "rm", name)


def _run(*arguments: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [shutil.which("docker") or "docker", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=False)


def _docker(*arguments: str, data: bytes | None = None) -> bytes:
    done = _run(*arguments, data=data)
    if done.returncode:
        raise RuntimeError(f"docker {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _owned_tar(data: Path) -> bytes:
    def own(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 1000
        return info

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(data, arcname=".", filter=own)
    return buffer.getvalue()
