"""Fixtures that many tests share; they need only the repository and its dependencies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from paths import shared_folder
from samples import SCENES
from unionveil import AnonymizeConfig, Anonymizer, Detections, __version__
from unionveil.redact import load_redactor
from unionveil.select import every_face

# A shell that runs the tests in the background ignores Ctrl-C, and child processes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The time of an example is meaningless if tests run in parallel; each test has its own time limit.
hypothesis.settings.register_profile("unionveil", deadline=None)
hypothesis.settings.load_profile("unionveil")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shared_folder() is None:
        skip = pytest.mark.skip(
            reason="no shared photos and models here: set UNIONVEIL_SHARED to their folder"
        )
        for item in items:
            if item.get_closest_marker("shared"):
                item.add_marker(skip)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shared folder; adapters find its models."""
    folder = shared_folder()
    assert folder is not None
    monkeypatch.setenv("UNIONVEIL_MODEL_DIR", str(folder / "models"))
    return folder


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps journals and downloads of a test in its own folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))


@pytest.fixture(scope="session")
def scene_boxes() -> dict[str, np.ndarray]:
    """Boxes of the faces in the bundled scenes, `(N, 4)` xyxy."""
    return {
        name: np.asarray(boxes, np.float32).reshape(-1, 4)
        for name, boxes in json.loads((SCENES / "scenes.json").read_text()).items()
    }


@pytest.fixture(scope="session")
def image() -> str:
    """Name of the container image: `UNIONVEIL_IMAGE`, or what `make image` builds."""
    if shutil.which("docker") is None:
        pytest.skip("no docker here; the container's tests need a Docker engine")
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine answers; start one, or point DOCKER_HOST at it")
    name = os.environ.get("UNIONVEIL_IMAGE", f"unionveil:{__version__}")
    if subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no image {name} here; `make image` builds it")
    return name


class FixedFinder:
    """Finds given boxes, as shares of the picture, instead of running a detector."""

    def __init__(self, boxes: list[tuple[float, float, float, float]]) -> None:
        self._boxes = np.asarray(boxes, np.float32).reshape(-1, 4)

    def __call__(self, image: np.ndarray) -> Detections:
        height, width = image.shape[:2]
        size = np.asarray([width, height, width, height], np.float32)
        return Detections.of(self._boxes * size, np.full(len(self._boxes), 0.9))


@pytest.fixture
def make_anonymizer() -> Callable[..., Anonymizer]:
    """Builds an `Anonymizer` that finds given boxes (shares of the picture) instead of running a detector."""

    def make(boxes: list[tuple[float, float, float, float]], **settings: str) -> Anonymizer:
        config = AnonymizeConfig.from_parameters(settings)
        return Anonymizer(
            FixedFinder(boxes), every_face, load_redactor(config), max_pixels=config.max_megapixels * 1e6
        )

    return make
