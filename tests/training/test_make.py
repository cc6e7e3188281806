"""`make` names a missing folder in one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from paths import REPOSITORY

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs `make` without this run's variables, which an outer `make` would pass on in MAKEFLAGS."""
    outer = ("PEOPLE", "MODELS", "MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("target", ["train", "evaluate-weights"])
def test_missing_folders_are_reported_before_anything_else(target: str, tmp_path: Path) -> None:
    people = tmp_path / "people"
    (people / "validation").mkdir(parents=True)
    for arguments, message in [
        ((), "name the folder of labelled photos with PEOPLE=FOLDER"),
        (
            (f"PEOPLE={tmp_path}",),
            f"PEOPLE={tmp_path} has no validation/: name the folder of labelled photos",
        ),
        ((f"PEOPLE={people}",), "name the folder of published models with MODELS=FOLDER"),
        (
            (f"PEOPLE={people}", f"MODELS={tmp_path}"),
            f"MODELS={tmp_path} has no yunet_n_dynamic.onnx: name the folder of published models",
        ),
    ]:
        done = make(target, f"VENV={tmp_path / 'venv'}", *arguments)
        assert done.returncode != 0
        assert message in done.stderr
        assert done.stderr.count("\n") <= 2  # the sentence, and make's own
        assert not (tmp_path / "venv-train").exists()
