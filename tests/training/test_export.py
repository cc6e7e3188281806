"""Exported weights keep the detector's contract."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from unionveil.detect.retinaface import RetinaFace
from unionveil.models.cards import DetectorCard
from unionveil.models.onnx_session import OnnxSession
from unionveil.models.store import sha256_of

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from training.data.files import DataError  # noqa: E402
from training.export import averaged, make_card, max_difference, shift_scores, to_onnx  # noqa: E402
from training.net.checkpoint import Checkpoint, Progress, write_checkpoint  # noqa: E402
from training.net.model import FaceNet, Widths, folded  # noqa: E402
from training.net.onnx_weights import load_onnx, read_onnx  # noqa: E402

torch.set_num_threads(1)


def test_export_keeps_the_contract_and_can_be_trained_on(
    tmp_path: Path, trained_like: Callable[..., FaceNet]
) -> None:
    model = trained_like()
    path = tmp_path / "retinaface.onnx"
    to_onnx(model, path)
    assert path.stat().st_size < 4_000_000
    assert "Cast" not in {node.op_type for node in read_onnx(path).graph.node}  # all of it is float32
    assert max_difference(model, path) < 1e-3
    written = make_card(model, path, threshold=0.4)
    card = DetectorCard(
        name="retinaface", kind="retinaface", file=str(path), sha256=sha256_of(path),
        licence="MIT", source="a test",
        outputs=tuple(written["outputs"]), strides=tuple(written["strides"]),
        priors_px=tuple(tuple(sides) for sides in written["priors_px"]),
        mean_bgr=tuple(written["input"]["mean"]), threshold=written["threshold"],
    )  # fmt: skip
    faces = RetinaFace(card, partial(OnnxSession, threads=1)).candidates(
        np.zeros((100, 70, 3), np.uint8), 0.0001
    )
    assert np.isfinite(faces.xyxy).all()
    again = FaceNet()
    assert load_onnx(again, path) == []
    image = torch.randn(1, 3, 64, 64) * 60
    for one, two in zip(folded(model)(image), again.eval()(image), strict=True):
        torch.testing.assert_close(one, two)


def test_difference_from_other_weights_is_large(tmp_path: Path, trained_like: Callable[..., FaceNet]) -> None:
    path = tmp_path / "retinaface.onnx"
    to_onnx(trained_like(), path)
    assert max_difference(FaceNet().eval(), path) > 1e-3


def test_shifted_scores_are_those_of_one_level_alone(trained_like: Callable[..., FaceNet]) -> None:
    model, image = trained_like().eval(), torch.randn(1, 3, 64, 96) * 60
    with torch.no_grad():
        loc, logit, landms = model(image)
        shift_scores(model, (-0.5, 0, 0, 0.25))
        shifted = model(image)
    torch.testing.assert_close(shifted[0], loc)
    torch.testing.assert_close(shifted[2], landms)
    first, last = 16 * 24, 2 * 3  # cells of strides 4 and 32
    difference = (shifted[1] - logit)[0, :, 0]
    torch.testing.assert_close(difference[:first], torch.full((first,), -0.5), atol=1e-4, rtol=0)
    torch.testing.assert_close(difference[-last:], torch.full((last,), 0.25), atol=1e-4, rtol=0)
    assert difference[first:-last].abs().max() < 1e-4


def saved(model: FaceNet, path: Path) -> Path:
    state = model.state_dict()
    write_checkpoint(path, Checkpoint(state, state, {}, [], Progress(), "random"))
    return path


def test_runs_are_averaged(tmp_path: Path, trained_like: Callable[..., FaceNet]) -> None:
    one, two = trained_like(), trained_like()
    with torch.no_grad():
        for parameter in two.parameters():
            parameter.add_(0.5)
    mean = averaged([saved(one, tmp_path / "1.pt"), saved(two, tmp_path / "2.pt")])
    for middle, first in zip(mean.parameters(), one.parameters(), strict=True):
        torch.testing.assert_close(middle, first + 0.25)


def test_only_runs_of_one_network_are_averaged(tmp_path: Path, trained_like: Callable[..., FaceNet]) -> None:
    files = [
        saved(trained_like(), tmp_path / "1.pt"),
        saved(trained_like(Widths(fine=16)), tmp_path / "2.pt"),
    ]
    with pytest.raises(DataError, match="belongs to another network"):
        averaged(files)


def test_missing_checkpoint_is_reported(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "training.export",
        "--work",
        str(tmp_path),
        "--out",
        str(tmp_path),
        "--threshold",
        "0.5",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1
    assert "train first" in done.stderr
    assert "Traceback" not in done.stderr
