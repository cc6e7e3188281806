"""Microsoft's emulator of Azure Blob Storage on loopback, with one container."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

from npm import npm_folder
from ports import free_port

CONTAINER = "photos"

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Account and key of every emulator, as Microsoft documents them."""

_START_SECONDS = 60
_VERSION = "2021-08-06"


@contextmanager
def azurite(folder: Path) -> Iterator[dict[str, str]]:
    """A running emulator; yields the environment with which a program reaches it.

    Args:
        folder: for its data.
    """
    program = npm_folder("azurite") / "node_modules" / ".bin" / "azurite-blob"
    port = free_port()
    options = [
        "--location",
        folder,
        "--blobPort",
        port,
        "--silent",
        "--skipApiVersionCheck",
        "--disableTelemetry",
    ]
    with subprocess.Popen([program, *map(str, options)], stdout=subprocess.DEVNULL) as process:
        try:
            _await(port)
            endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
            _create_container(endpoint)
            yield {
                "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
                "AZURE_STORAGE_ACCOUNT_KEY": KEY,
                "AZURE_STORAGE_ENDPOINT": endpoint,
                "AZURE_ALLOW_HTTP": "true",
            }
        finally:
            process.terminate()


def _await(port: int) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < end, "the emulator does not start"
        time.sleep(0.2)


def _create_container(endpoint: str) -> None:
    """Signs a request as a shared key does; obstore creates no containers."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _VERSION}
    named = "".join(f"{name}:{value}\n" for name, value in headers.items())
    text = "PUT" + "\n" * 12 + f"{named}/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    headers["Content-Length"] = "0"
    address = f"{endpoint}/{CONTAINER}?restype=container"
    request = urllib.request.Request(address, method="PUT", headers=headers)  # noqa: S310  loopback
    urllib.request.urlopen(request).close()  # noqa: S310
