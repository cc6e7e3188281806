"""Shared by the benchmarks: a rival in a separate environment, and folders of photos."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from checked import read_bgr
from paths import REPOSITORY, shared_folder
from phone_mix import make
from samples import SCENES

DEFACE_PACKAGES = ("deface>=1.5,<2", "onnx", "onnxruntime", "opencv-python<5", "opencv-python-headless<5")


def environment(name: str, *packages: str) -> Path:
    """Folder of programs of a separate environment, which is installed once."""
    folder = REPOSITORY / f".venv-{name}"
    programs = folder / "bin"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*install, *packages], check=False, capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(folder)
            pytest.skip(f"{name} cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
        (folder / "ready").touch()
    return programs


@pytest.fixture(scope="session")
def deface() -> Path:
    """The rival's folder of programs."""
    return environment("deface", *DEFACE_PACKAGES)


@pytest.fixture(scope="session")
def jpeglib() -> Path:
    """A Python with another reader of coefficients."""
    return environment("jpeglib", "jpeglib>=1.0") / "python"


@pytest.fixture(scope="session")
def phone_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty JPEGs of 2 to 8 megapixels, from the bundled scenes and, if present, real photos."""
    folder = tmp_path_factory.mktemp("phone")
    shared = shared_folder()
    sources = sorted((shared / "people" / "validation" / "natural").iterdir())[:28] if shared else []
    scenes = [SCENES / name for name in ("crowd.jpg", "market.jpg", "portrait.jpg", "street.jpg")]
    sources += (scenes * 10)[: 40 - len(sources)]
    for number, path in enumerate(sources):
        image = read_bgr(path)
        pixels = (2e6, 2e6, 3e6, 8e6)[number % 4]
        scale = (pixels / (image.shape[0] * image.shape[1])) ** 0.5
        larger = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        # Each file is different, even of the same scene, so that no cache helps.
        moved = np.roll(larger, number * 8, axis=1)
        cv2.imwrite(str(folder / f"{number:02d}.jpg"), moved, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return folder


@pytest.fixture(scope="session")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The forty phone-like photos of `phone_mix`."""
    folder = tmp_path_factory.mktemp("mix") / "photos"
    make(folder)
    return folder
