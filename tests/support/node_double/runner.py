"""Runs an algorithm as a node does: a process of its own, or a container if there is a Docker engine."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Protocol

from as_node import run_as_node
from paths import REPOSITORY

_MAIN = REPOSITORY / "algorithm" / "main.py"


class Runner(Protocol):
    """Runs the algorithm in a folder laid out like `/data`.

    Args:
        data: with inputs, outputs, transformations, ddos, logs.
        container: image and entrypoint, as in the DDO.
        environment: variables sent by the client; the algorithm gets no others.

    Returns:
        The exit code, and the log in Docker's frames.
    """

    def __call__(
        self, data: Path, container: dict[str, Any], environment: dict[str, Any]
    ) -> tuple[int, bytes]: ...


def command_of(container: dict[str, Any]) -> list[str]:
    """As compute_engine_docker.ts: `$ALGO` becomes a relative path, split at spaces, no shell."""
    entrypoint: str = container["entrypoint"]
    return entrypoint.replace("$ALGO", "data/transformations/algorithm").split(" ")


def frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(data)) + data if data else b""


def outputs_tar(outputs: Path) -> bytes:
    """As `container.getArchive({path: "/data/outputs"})`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(outputs, arcname="outputs")
    return buffer.getvalue()


def outputs_zip(outputs: Path) -> bytes:
    """As announced for a later release (ocean-node, issue 1476)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (outputs, *sorted(outputs.rglob("*"))):
            archive.write(path, Path("outputs") / path.relative_to(outputs))
    return buffer.getvalue()


class ProcessRunner:
    """A process of this Python, started above `data`, with none of this process's environment."""

    def __call__(
        self, data: Path, container: dict[str, Any], environment: dict[str, Any]
    ) -> tuple[int, bytes]:
        program, *arguments = command_of(container)
        if not program.endswith("python"):
            raise ValueError(f"the entrypoint {program!r} cannot be run as a process")
        # What the image has at its own path is here in the checkout.
        arguments = [one.replace("/opt/unionveil/main.py", str(_MAIN)) for one in arguments]
        done = subprocess.run(
            [sys.executable, *arguments, "--data-dir", str(data)],
            cwd=data.parent,
            env={"HOME": "/", "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment},
            capture_output=True,
            check=False,
        )
        return done.returncode, frame(1, done.stdout) + frame(2, done.stderr)


class DockerRunner:
    """A container under a node's limits; see `as_node`.

    Args:
        image: run instead of the one in the DDO.
    """

    def __init__(self, image: str) -> None:
        self._image = image

    def __call__(
        self, data: Path, container: dict[str, Any], environment: dict[str, Any]
    ) -> tuple[int, bytes]:
        inputs = {path.name: path.read_bytes() for path in (data / "inputs").iterdir()}
        parameters = inputs.pop("algoCustomData.json").decode()
        ended = run_as_node(
            self._image,
            inputs,
            parameters=parameters,
            entrypoint=container["entrypoint"],
            algorithm=(data / "transformations" / "algorithm").read_bytes(),
            others={
                path.relative_to(data).as_posix(): path.read_bytes()
                for path in (data / "persistentStorage").rglob("*")
                if path.is_file()
            },
            options=tuple(f"--env={name}={value}" for name, value in environment.items()),
        )
        for name, content in ended.outputs.items():
            (data / "outputs" / name).write_bytes(content)
        return ended.code, frame(1, ended.log.encode())
