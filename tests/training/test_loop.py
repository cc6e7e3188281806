"""The training loop, in one process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unionveil.models.cards import CARDS, WEIGHTS

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

import torch.distributed as dist  # noqa: E402

from training.loop import Trainer, all_reduce  # noqa: E402
from training.net.checkpoint import read_checkpoint  # noqa: E402
from training.net.model import FaceNet  # noqa: E402
from training.net.onnx_weights import load_heads  # noqa: E402
from training.settings import Settings  # noqa: E402


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_gradients_are_averaged_and_numbers_summed(group: None) -> None:
    first, second, frozen = (torch.nn.Parameter(torch.zeros(shape)) for shape in ((2, 3), (4,), (5,)))
    first.grad = torch.arange(6.0).reshape(2, 3)
    second.grad = torch.full((4,), 8.0)
    # As one of two processes of which the other has no gradient.
    assert all_reduce([first, frozen, second], (0.25, 1.0), processes=2) == (0.25, 1.0)
    torch.testing.assert_close(first.grad, torch.arange(6.0).reshape(2, 3) / 2)
    torch.testing.assert_close(second.grad, torch.full((4,), 4.0))
    assert frozen.grad is None


class StopAfter:
    """Ends a run after a number of steps."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    @property
    def requested(self) -> bool:
        self._left -= 1
        return self._left <= 0


def train(people: Path, work: Path, steps: int, **more: Any) -> dict[str, Any]:
    """Trains for some steps; returns the last figures of the log."""
    work.mkdir(exist_ok=True)
    usual: dict[str, Any] = {
        "people": people, "work": work, "hours": 100.0, "init": None, "teacher_boxes": None,
        "own_boxes": None, "band_weight": 1.0, "large_weight": 1.0, "fine_weight": 1.0,
        "background_weight": 1.0, "distill": None, "follow": None, "labels": True, "resume": False,
        "device": "cpu", "processes": 1, "workers": 0, "batch": 4, "size_px": 96, "lr": 3e-3,
        "weight_decay": 0.02, "ema_decay": 0.998, "bfloat16": False, "seed": 1, "measure_minutes": 100.0,
    }  # fmt: skip
    torch.manual_seed(1)
    settings = Settings(**usual | more)
    Trainer(settings, settings.read_dataset(), 0, StopAfter(steps)).run()
    lines = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    return {name: value for line in lines for name, value in line.items()}


def test_workers_make_the_batches(people: Path, tmp_path: Path) -> None:
    last = train(people, tmp_path / "work", 3, workers=2)
    assert (last["step"], last["crops"]) == (3, 12)
    assert 0 < last["loss"] < 1e6


def test_stopped_run_saves_and_measures_and_is_resumed(people: Path, tmp_path: Path) -> None:
    first = train(people, tmp_path / "work", 3)
    assert (first["step"], first["crops"]) == (3, 12)
    assert 0 <= first["ap"] <= 1
    before = read_checkpoint(tmp_path / "work" / "checkpoint.pt").progress
    second = train(people, tmp_path / "work", 2, resume=True)
    assert (second["step"], second["crops"]) == (5, 20)
    after = read_checkpoint(tmp_path / "work" / "checkpoint.pt").progress
    assert after.step == 5
    assert after.seconds > before.seconds > 0
    assert after.share > before.share > 0


@pytest.mark.slow
def test_training_explains_the_features_of_every_teacher(
    people: Path, yunet_file: Path, tmp_path: Path
) -> None:
    first = train(people, tmp_path / "work", 8, distill=yunet_file)
    last = train(people, tmp_path / "work", 80, distill=yunet_file, resume=True)
    names = [name for name in first if name.startswith("unexplained_")]
    assert len(names) == 4
    assert all(last[name] < first[name] - 0.02 for name in names)


COMMITTED = WEIGHTS / CARDS["retinaface"].file


def heads_of(work: Path) -> dict[str, Any]:
    model = read_checkpoint(work / "checkpoint.pt").model
    return {name: value for name, value in model.items() if name.startswith("heads.")}


@pytest.mark.slow
def test_earlier_weights_are_followed_without_labels(people: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    first = train(people, work, 5, follow=COMMITTED, labels=False)
    expected = FaceNet()
    load_heads(expected, COMMITTED)
    last = train(people, work, 60, follow=COMMITTED, labels=False, resume=True)
    assert 0 < last["unfollowed"] < 0.7 * first["unfollowed"]
    assert last["box_unfollowed"] < first["box_unfollowed"]
    for name, value in heads_of(work).items():
        torch.testing.assert_close(value, expected.state_dict()[name], rtol=0, atol=0)


def test_network_that_is_followed_has_nothing_left_to_learn(people: Path, tmp_path: Path) -> None:
    last = train(people, tmp_path / "work", 1, init=COMMITTED, follow=COMMITTED, labels=False)
    assert last["loss"] == pytest.approx(0.0, abs=1e-4)


def test_earlier_weights_are_followed_beside_labels(people: Path, tmp_path: Path) -> None:
    alone = train(people, tmp_path / "alone", 1, follow=COMMITTED, labels=False)
    both = train(people, tmp_path / "both", 1, follow=COMMITTED)
    labels = train(people, tmp_path / "labels", 1)
    assert alone["unfollowed"] == pytest.approx(both["unfollowed"], rel=1e-3)
    followed = sum(value for name, value in both.items() if name.endswith("unfollowed"))
    assert both["loss"] == pytest.approx(labels["loss"] + followed, rel=1e-3)
    held, learnt = heads_of(tmp_path / "alone"), heads_of(tmp_path / "both")
    assert any((held[name] != learnt[name]).any() for name in held)
