"""A whole run on a few made-up photos: trained, stopped, resumed, exported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from torch import Tensor  # noqa: E402

from training.net.checkpoint import Checkpoint, Progress, write_checkpoint  # noqa: E402
from training.net.model import FaceNet  # noqa: E402
from training.teachers.published import load_teachers  # noqa: E402


def command(people: Path, work: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "training.train", "--people", str(people), "--work", str(work),
        "--batch", "4", "--size-px", "96", "--processes", "2", *more,
    ]  # fmt: skip


def read_log(work: Path) -> list[dict[str, Any]]:
    """The lines of a run's log."""
    return [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_run_is_stopped_resumed_and_exported(people: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    with subprocess.Popen(
        command(people, work, "--hours", "1"), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()  # it has started
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
    ("more", "message"),
    [
        (["--hours", "1", "--resume"], "leave out --resume"),
        (["--hours", "0"], "--hours must be above 0"),
        (["--hours", "1", "--init", "nowhere.onnx"], "nowhere.onnx is missing"),
        (["--hours", "1", "--init", __file__], "not an ONNX file"),
        (["--hours", "1", "--init", __file__, "--resume"], "exclude each other"),
        (["--hours", "1", "--distill", "nowhere.onnx"], "name the folder of YuNet's file with MODELS=FOLDER"),
        (["--hours", "1", "--follow", "nowhere.onnx"], "--follow: nowhere.onnx is missing"),
        (["--hours", "1", "--follow", __file__], "not an ONNX file"),
        (["--hours", "1", "--no-labels"], "name weights with --follow"),
        (["--hours", "1", "--teacher-boxes", "nowhere.jsonl"], "--teacher-boxes: nowhere.jsonl is missing"),
        (["--hours", "1", "--work", __file__], "File exists"),
        (["--hours", "1", "--own-boxes", "nowhere.jsonl"], "--own-boxes: nowhere.jsonl is missing"),
        (
            ["--hours", "1", "--band-weight", "0"],
            "--band-, --large-, --fine- and --background-weight must be",
        ),
        (["--hours", "1", "--workers", "-1"], "--workers must be at least 0"),
        (["--hours", "1", "--device", "cuda", "--processes", "2"], "add --processes 1"),
        (["--hours", "1", "--ema-decay", "1"], "--ema-decay from 0 to below 1"),
    ],
)
def test_missing_and_invalid_settings_are_reported_before_anything_starts(
    people: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    done = subprocess.run(
        command(people, tmp_path / "work", *more), capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def write_state(work: Path, adapters: dict[str, Tensor], model: dict[str, Tensor]) -> None:
    work.mkdir()
    write_checkpoint(work / "checkpoint.pt", Checkpoint(model, model, adapters, [], Progress(), "random"))


def assert_refused(done: subprocess.CompletedProcess[str], message: str) -> None:
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def resume(people: Path, work: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(people, work, "--hours", "1", "--resume", *more), capture_output=True, text=True, timeout=200
    )


def test_checkpoint_of_another_network_is_refused(people: Path, tmp_path: Path) -> None:
    write_state(tmp_path / "work", {}, {})
    assert_refused(resume(people, tmp_path / "work"), "--init instead of --resume")


def test_checkpoint_with_distillation_is_resumed_with_it(people: Path, tmp_path: Path) -> None:
    write_state(tmp_path / "work", {"yunet.project.0.bias": torch.zeros(1)}, FaceNet().state_dict())
    assert_refused(resume(people, tmp_path / "work"), "was made with --distill: resume it in the same way")


def test_checkpoint_of_other_teachers_is_refused(yunet_file: Path, people: Path, tmp_path: Path) -> None:
    write_state(tmp_path / "work", {"yunet.project.0.bias": torch.zeros(1)}, FaceNet().state_dict())
    done = resume(people, tmp_path / "work", "--distill", str(yunet_file))
    assert_refused(done, "--init instead of --resume")


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--bfloat16"]])
def test_distillation_is_resumed(yunet_file: Path, people: Path, tmp_path: Path, more: list[str]) -> None:
    work = tmp_path / "work"
    first = command(people, work, "--distill", str(yunet_file), "--lr", "0.003", *more)
    subprocess.run([*first, "--hours", "0.01"], check=True, timeout=200)
    ended = torch.load(work / "checkpoint.pt", weights_only=True)["progress"]
    assert ended["share"] == 1.0
    subprocess.run([*first, "--hours", "0.001", "--resume"], check=True, timeout=200)
    state = torch.load(work / "checkpoint.pt", weights_only=True)
    assert state["progress"]["step"] == read_log(work)[-1]["step"] > ended["step"] + 1
    for name in load_teachers(yunet_file, torch.float32):
        assert float(state["adapters"][f"{name}.project.1.weight"].abs().max()) > 0


def test_missing_photos_are_reported(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path / "nobody", tmp_path / "work", "--hours", "1"),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert_refused(done, "PEOPLE=FOLDER")


def test_photos_without_a_face_are_reported(people: Path, tmp_path: Path) -> None:
    records = [json.loads(line) for line in (people / "labels.jsonl").read_text().splitlines()]
    lines = [json.dumps(record | {"faces": []}) + "\n" for record in records]
    (people / "labels.jsonl").write_text("".join(lines))
    done = subprocess.run(
        command(people, tmp_path / "work", "--hours", "1"), capture_output=True, text=True, timeout=200
    )
    assert_refused(done, "has a face to measure on")
