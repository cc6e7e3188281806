"""Checkpoints survive a round trip; damaged and older ones are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from training.data.files import DataError  # noqa: E402
from training.net.checkpoint import Checkpoint, Progress, read_checkpoint, write_checkpoint  # noqa: E402


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    progress = Progress(share=0.25, step=12, crops=96, seconds=30.5)
    write_checkpoint(
        path, Checkpoint({"a": torch.ones(2)}, {"a": torch.zeros(2)}, {}, [{}], progress, "random")
    )
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]
    again = read_checkpoint(path)
    assert again.progress == progress
    assert again.origin == "random"
    assert again.model["a"].tolist() == [1, 1]
    assert again.ema["a"].tolist() == [0, 0]


@pytest.mark.parametrize("state", [{}, {"model": {}}, {"progress": 0.5, "model": {}}, [1], b"no checkpoint"])
def test_damaged_and_older_checkpoints_are_refused(tmp_path: Path, state: Any) -> None:
    path = tmp_path / "checkpoint.pt"
    if isinstance(state, bytes):
        path.write_bytes(state)
    else:
        torch.save(state, path)
    with pytest.raises(DataError, match="--init instead of --resume"):
        read_checkpoint(path)


def test_missing_checkpoint_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train first"):
        read_checkpoint(tmp_path / "checkpoint.pt")
