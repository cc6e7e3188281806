"""A whole run on a handful of made-up photos: trained, ended, gone on with, exported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")

from training.distil import looks  # noqa: E402
from training.model import FaceNet  # noqa: E402
from training.train import made_up_at, rate_at  # noqa: E402


def test_rate_rises_and_then_falls_along_a_cosine() -> None:
    assert rate_at(0.0, 0, 1.0) < 0.01
    assert rate_at(0.0, 1000, 1.0) == pytest.approx(1.0)
    assert rate_at(0.5, 1000, 1.0) == pytest.approx(0.505)
    assert rate_at(1.0, 1000, 1.0) == pytest.approx(0.01)
    assert rate_at(1.5, 1000, 1.0) == pytest.approx(0.01)


def test_pictures_are_more_like_photos_at_the_end() -> None:
    assert made_up_at(0.0) == made_up_at(0.79) == 1.0
    assert 0 <= made_up_at(0.9) == made_up_at(1.0) < 0.5


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Forty pictures of noise with a bright square each, called a face."""
    folder = tmp_path / "people"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = []
    with zipfile.ZipFile(folder / "train-00.zip", "w") as shard:
        for i in range(40):
            picture = rng.integers(0, 90, (120, 160, 3)).astype(np.uint8)
            x, y = (int(v) for v in rng.integers(0, 80, 2))
            picture[y : y + 40, x : x + 32] = 230
            shard.writestr(f"{i}.png", cv2.imencode(".png", picture)[1].tobytes())
            face = {
                "box": [x, y, x + 32, y + 40], "landmarks": None, "score_retinaface": 0.9, "score_yunet": 0.9,
                "human": True, "basis": "human+teachers", "ignore": False,
            }  # fmt: skip
            lines.append({
                "shard": "train-00.zip", "name": f"{i}.png", "source": "made", "width": 160, "height": 120,
                "negative": False, "faces": [face],
            })  # fmt: skip
    (folder / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def command(people: Path, work: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "training.train", "--people", str(people), "--work", str(work),
        "--batch", "4", "--size-px", "96", "--processes", "2", *more,
    ]  # fmt: skip


def read_log(work: Path) -> list[dict[str, Any]]:
    """What a run told, line by line."""
    return [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_run_ends_when_told_goes_on_and_is_exported(people: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    with subprocess.Popen(
        command(people, work, "--hours", "1"), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()  # it has begun
        time.sleep(5)
        os.kill(running.pid, signal.SIGTERM)
        running.communicate(timeout=120)
    assert running.returncode == 0
    assert (work / "checkpoint.pt").is_file()
    steps = [line["step"] for line in read_log(work)]
    subprocess.run(command(people, work, "--hours", "0.001", "--resume"), check=True, timeout=200)
    log = read_log(work)
    assert log[-1]["step"] > max(steps)
    assert log[-2]["progress"] == pytest.approx(1.0)
    assert 0 <= log[-1]["ap"] <= 1
    out = tmp_path / "out"
    subprocess.run(
        [sys.executable, "-m", "training.export", "--work", work, "--out", out, "--threshold", "0.5"],
        check=True,
        timeout=200,
    )
    assert json.loads((out / "retinaface.json").read_text())["threshold"] == 0.5


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--hours", "1", "--resume"], "leave out --resume"),
        (["--hours", "0"], "--hours must be above 0"),
        (["--hours", "1", "--init", "nowhere.onnx"], "nowhere.onnx is not there"),
        (["--hours", "1", "--init", __file__], "no ONNX file"),
        (["--hours", "1", "--distil", "nowhere.onnx"], "nowhere.onnx is not there"),
    ],
)
def test_what_is_missing_is_told_before_anything_starts(
    people: Path, tmp_path: Path, more: list[str], says: str
) -> None:
    done = subprocess.run(
        command(people, tmp_path / "work", *more), capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("state", [{"optimizers": [], "adapters": {}, "model": {}}, {"model": {}}])
def test_checkpoint_of_another_network_is_told_of(
    people: Path, tmp_path: Path, state: dict[str, Any]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    torch.save(state, work / "checkpoint.pt")
    done = subprocess.run(
        command(people, work, "--hours", "1", "--resume"), capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 1
    assert "--init instead of --resume" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("more", [[], ["--bfloat16"]])
def test_run_tells_more_of_both_detectors_and_goes_on(
    shared: Path, people: Path, tmp_path: Path, more: list[str]
) -> None:
    work, yunet = tmp_path / "work", str(shared / "models" / "yunet_n_dynamic.onnx")
    first = command(people, work, "--distil", yunet, "--rate", "0.003", *more)
    subprocess.run([*first, "--hours", "0.01"], check=True, timeout=200)
    ended = torch.load(work / "checkpoint.pt", weights_only=True)
    assert ended["progress"] == 1.0
    learned = [line for line in read_log(work) if "untold_yunet" in line]
    subprocess.run([*first, "--hours", "0.001", "--resume"], check=True, timeout=200)
    log = read_log(work)
    state = torch.load(work / "checkpoint.pt", weights_only=True)
    assert state["step"] == log[-1]["step"] > ended["step"] + 1
    for name in looks(Path(yunet), torch.float32):
        assert learned[-1][f"untold_{name}"] < 0.95
        assert float(state["adapters"][f"{name}.reads.1.weight"].abs().max()) > 0


def test_run_with_detectors_goes_on_with_them(people: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    state = {"optimizers": [], "model": FaceNet().state_dict(), "adapters": {"yunet.reads.0.bias": 0}}
    torch.save(state, work / "checkpoint.pt")
    done = subprocess.run(
        command(people, work, "--hours", "1", "--resume"), capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 1
    assert "was made with --distil: resume it in the same way" in done.stderr


@pytest.mark.shared
def test_checkpoint_of_other_looks_is_told_of(shared: Path, people: Path, tmp_path: Path) -> None:
    work, yunet = tmp_path / "work", str(shared / "models" / "yunet_n_dynamic.onnx")
    work.mkdir()
    adapters = {"yunet.reads.0.bias": torch.zeros(1)}
    torch.save(
        {"optimizers": [], "model": FaceNet().state_dict(), "adapters": adapters}, work / "checkpoint.pt"
    )
    done = subprocess.run(
        command(people, work, "--hours", "1", "--resume", "--distil", yunet),
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 1
    assert "--init instead of --resume" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_photos_are_told_of(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path / "nobody", tmp_path / "work", "--hours", "1"),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 1
    assert "PEOPLE=FOLDER" in done.stderr
