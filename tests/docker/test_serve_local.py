"""docker/run_local.sh --serve: the drop page in a container that can reach nothing and write nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import samples
import unionveil
from as_node import docker
from paths import REPOSITORY
from unionveil import Anonymized

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SCRIPT = REPOSITORY / "docker" / "run_local.sh"


@pytest.fixture
def page(image: str) -> Iterator[tuple[str, str]]:
    """Address and token of the page; at the end, nothing of it remains."""
    before = left_behind()
    process = subprocess.Popen(
        [SCRIPT, "--serve", "--jobs", "1"],
        env={**os.environ, "UNIONVEIL_IMAGE": image},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.fullmatch(r"unionveil: open (http://[0-9.]+:8000)/#token=(\S+)\n", line)
    assert found, line + process.stderr.read()
    yield found[1], found[2]
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert left_behind() == before


def left_behind() -> tuple[bytes, bytes]:
    return docker("ps", "--all", "--quiet").stdout, docker("network", "ls", "--quiet").stdout


def ask(url: str, token: str, data: bytes | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=120) as response:  # noqa: S310
        answer: bytes = response.read()
        return answer


def inside(container: str, code: str) -> str:
    """Python's error for a piece of code that fails in the container."""
    command = ["docker", "exec", container, "/opt/unionveil/bin/python", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    return done.stderr


def test_the_page_answers_and_its_container_reaches_and_writes_nothing(page: tuple[str, str]) -> None:
    url, token = page
    photo = Path(samples.SCENES / "market.jpg").read_bytes()
    expected = unionveil.anonymize(photo)
    assert isinstance(expected, Anonymized)
    assert ask(f"{url}/v1/redact", token, photo) == expected.data
    assert b"UnionVeil" in ask(f"{url}/", "")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(f"{url}/v1/redact", "wrong-token", photo)
    container = docker("ps", "--quiet", "--latest").stdout.decode().strip()
    inspected = json.loads(docker("inspect", container).stdout)[0]
    assert inspected["HostConfig"]["ReadonlyRootfs"]
    assert not inspected["Mounts"]
    reach = "import socket; socket.create_connection(('1.1.1.1', 53), timeout=3)"
    assert re.search("unreachable|timed out", inside(container, reach))
    [network] = inspected["NetworkSettings"]["Networks"]
    assert json.loads(docker("network", "inspect", network).stdout)[0]["Internal"]
    write = "open('/tmp/x', 'w').write('x')"
    assert "Read-only file system" in inside(container, write)
