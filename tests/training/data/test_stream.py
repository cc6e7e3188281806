"""Batches that workers make."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from training.data.dataset import read_dataset  # noqa: E402
from training.data.stream import Plan, batches, batches_of_workers  # noqa: E402


def plan() -> Plan:
    return Plan(size=8, size_px=96, seed=(1, 0), first_step=5, strength=torch.ones(()))


def test_workers_take_turns_with_random_numbers_of_their_own(people: Path, tmp_path: Path) -> None:
    read = partial(read_dataset, people, tmp_path / "pixels.u8", None)
    sampler = read().sampler
    made = list(itertools.islice(batches_of_workers(plan(), read, 2, pinned=False), 4))
    for batch, worker, nth in zip(made, (0, 1, 0, 1), (0, 0, 1, 1), strict=True):
        expected = next(itertools.islice(batches(plan(), sampler, worker), nth, None))
        torch.testing.assert_close(batch.images, expected.images)
        torch.testing.assert_close(batch.xyxy, expected.xyxy)
    assert len({float(batch.inputs().mean()) for batch in made}) == 4


def test_strength_changes_while_batches_are_drawn(people: Path, tmp_path: Path) -> None:
    sampler = read_dataset(people, tmp_path / "pixels.u8", None).sampler
    first, second = plan(), plan()
    strong, weak = batches(first, sampler), batches(second, sampler)
    torch.testing.assert_close(next(strong).images, next(weak).images)
    second.strength.fill_(0.0)
    assert any(not torch.equal(next(strong).images, next(weak).images) for _ in range(3))
