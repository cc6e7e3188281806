"""Where the image comes from: `UNIONVEIL_IMAGE`, or what `make image` builds."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from unionveil import __version__


@pytest.fixture(scope="session")
def engine() -> None:
    """Skips where no Docker engine answers."""
    if shutil.which("docker") is None:
        pytest.skip("no docker here; the container's tests need a Docker engine")
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine answers; start one, or point DOCKER_HOST at it")


@pytest.fixture(scope="session")
def image(engine: None) -> str:
    """Name of the image under test."""
    name = os.environ.get("UNIONVEIL_IMAGE", f"unionveil:{__version__}")
    if subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no image {name} here; `make image` builds it")
    return name
