"""A whole evaluation, of the committed weights on two made-up photos."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

FACE = {"box": [20, 20, 50, 60], "ignore": False, "frontal": True}


@pytest.fixture
def validation_set(tmp_path: Path) -> Path:
    """A validation set of one photo of noise per group, with one labelled face each."""
    folder = tmp_path / "people"
    image = np.random.default_rng(0).integers(0, 90, (96, 128, 3)).astype(np.uint8)
    for group in ("wider", "natural"):
        (folder / "validation" / group).mkdir(parents=True)
        cv2.imwrite(str(folder / "validation" / group / "a.png"), image)
        record = {"name": f"{group}/a.png", "faces": [FACE]}
        (folder / "validation" / f"{group}.jsonl").write_text(json.dumps(record) + "\n")
    return folder


def run(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


def evaluate(people: Path, work: Path, *more: str | Path) -> subprocess.CompletedProcess[str]:
    folders = (
        "--people",
        people,
        "--models",
        work,
        "--cache",
        work / "cache",
        "--out",
        work / "out" / "r.json",
    )
    return run("training.evaluate", *folders, *more)


def test_weights_are_measured_and_shown_in_tables(validation_set: Path, tmp_path: Path) -> None:
    done = evaluate(validation_set, tmp_path, "--only", "these weights", "--ways", "first", "640")
    assert done.returncode == 0, done.stderr
    assert "yunet_n_dynamic.onnx is missing: this detector is left out" in done.stdout
    results = json.loads((tmp_path / "out" / "r.json").read_text())
    assert list(results) == ["these weights"]
    assert results["these weights"]["640"]["both"]["at_threshold"]["by_height"][2]["faces"] == 2
    assert results["these weights"]["640"]["by_trait"]["frontal"]["faces"] == 2
    assert results["these weights"]["640"]["by_trait"]["light dark"]["faces"] == 2  # noise below 90
    tables = run("training.evaluate.tables", "--results", tmp_path / "out" / "r.json")
    assert tables.returncode == 0, tables.stderr
    assert "640, natural" in tables.stdout
    assert "standard" not in tables.stdout


def test_boxes_are_taken_from_the_cache(validation_set: Path, tmp_path: Path) -> None:
    only = ("--only", "these weights", "--ways", "640")
    evaluate(validation_set, tmp_path, *only)
    (cached,) = (tmp_path / "cache").iterdir()
    box = np.array([FACE["box"]] * 2, np.float32)
    np.savez(cached, xyxy=box, score=np.array([0.9, 0.9], np.float32), count=[1, 1])
    assert evaluate(validation_set, tmp_path, *only).returncode == 0
    assert json.loads((tmp_path / "out" / "r.json").read_text())["these weights"]["640"]["both"]["ap"] == 1.0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--only", "nobody"], "no detector nobody here; available are these weights"),
        (["--weights", "nowhere"], "name a folder of exported weights"),
        (["--baseline", "nowhere.onnx"], "--baseline: nowhere.onnx is missing"),
        (["--ways", "1280"], "invalid choice: '1280'"),
    ],
)
def test_invalid_settings_are_reported(
    validation_set: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    done = evaluate(validation_set, tmp_path, *more)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_photos_and_results_are_reported(validation_set: Path, tmp_path: Path) -> None:
    (validation_set / "validation" / "wider" / "a.png").unlink()
    done = evaluate(validation_set, tmp_path, "--only", "these weights")
    assert done.returncode == 1
    assert "get the validation photos again" in done.stderr
    done = run("training.evaluate.tables", "--results", tmp_path / "none.json")
    assert done.returncode == 1
    assert "run training.evaluate first" in done.stderr
