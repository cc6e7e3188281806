"""Gradients and numbers are combined over processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

import torch.distributed as dist  # noqa: E402

from training.loop import all_reduce  # noqa: E402


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
