"""Photos to train on, folders that the repository does not contain, and networks for tests."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from checked import present


def _named_folder(variable: str, member: str) -> Path:
    """The folder in an environment variable; skips the test if it is not set."""
    named = os.environ.get(variable)
    if not named:
        pytest.skip(f"needs a folder with {member}: name it with {variable}=FOLDER")
    if not (Path(named) / member).exists():
        pytest.fail(f"{variable}={named} has no {member}")
    return Path(named)


@pytest.fixture
def validation_photos() -> list[Path]:
    """The natural validation photos."""
    return sorted((_named_folder("PEOPLE", "validation") / "validation" / "natural").iterdir())


@pytest.fixture
def yunet_file(monkeypatch: pytest.MonkeyPatch) -> Path:
    """YuNet's weights, also where its adapter looks for them."""
    folder = _named_folder("MODELS", "yunet_n_dynamic.onnx")
    monkeypatch.setenv("UNIONVEIL_MODEL_DIR", str(folder))
    return folder / "yunet_n_dynamic.onnx"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Forty images of noise with a bright rectangle each, labelled as a face."""
    folder = tmp_path / "people"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = []
    with zipfile.ZipFile(folder / "train-00.zip", "w") as shard:
        for i in range(40):
            image = rng.integers(0, 90, (120, 160, 3)).astype(np.uint8)
            x, y = (int(v) for v in rng.integers(0, 80, 2))
            image[y : y + 40, x : x + 32] = 230
            shard.writestr(f"{i}.png", cv2.imencode(".png", image)[1].tobytes())
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


@pytest.fixture
def trained_like() -> Callable[..., Any]:
    """Makes a network whose weights and batch norm statistics have moved as if it had been trained."""
    torch = pytest.importorskip("torch")
    from training.net.model import WIDTHS, FaceNet, Widths, units

    def make(widths: Widths = WIDTHS) -> FaceNet:
        torch.manual_seed(0)
        model = FaceNet(widths)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.02)
            for _, unit in units(model):
                norm = present(unit.norm)
                mean = present(norm.running_mean)
                mean.add_(torch.randn_like(mean) * 0.1)
                present(norm.running_var).mul_(1.3)
        return model.eval()

    return make
