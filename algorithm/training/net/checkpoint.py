"""Checkpoints of a training run."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.files import DataError

__all__ = ["Checkpoint", "Progress", "read_checkpoint", "write_checkpoint"]


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        share: share of the run's time that is over, in [0, 1].
        step: optimizer steps taken, in this run and in those that it resumes.
        crops: images trained on, by area, in images of the smaller size.
        seconds: wall-clock time, in this run and in those that it resumes.
    """

    share: float = 0.0
    step: int = 0
    crops: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a resumed run needs.

    Attributes:
        model: state of the network.
        ema: state of the moving average of its weights, which is exported.
        adapters: state of the distillation adapters; empty without distillation.
        optimizers: state of each optimizer.
        progress: how far the run was.
        origin: file name of the weights that the first run started from, or "random".
    """

    model: dict[str, Tensor]
    ema: dict[str, Tensor]
    adapters: dict[str, Tensor]
    optimizers: list[dict[str, Any]]
    progress: Progress
    origin: str


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint, whole or not at all."""
    partial = path.with_suffix(".part")
    state = {name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__}
    torch.save(state | {"progress": asdict(checkpoint.progress)}, partial)
    partial.replace(path)


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint.

    Raises:
        DataError: the file is missing, damaged, or of another version of this program.
    """
    if not path.is_file():
        raise DataError(
            f"there is no checkpoint {path}: train first, or name its folder with TRAIN_WORK=FOLDER"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return Checkpoint(**state | {"progress": Progress(**state["progress"])})
    except (RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(
            f"{path} is damaged or from another version of this program: export its weights with that one, "
            "and start from them with --init instead of --resume"
        ) from error
