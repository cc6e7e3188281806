"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from .data.dataset import Dataset, read_dataset

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """Settings of one run.

    Attributes:
        people: folder of labels and shards.
        work: folder for checkpoints, the log and the decoded photos.
        hours: length of the run.
        init: ONNX weights of this project to start from; None starts from random weights.
        teacher_boxes: file that `training.teachers.label` wrote; None uses two teachers for the labels.
        own_boxes: file that `training.teachers.label --detector own` wrote; None leaves the labels to others.
        band_weight: weight of the scores of faces from 20 to 50 px.
        large_weight: weight of the scores of larger faces.
        fine_weight: weight of the boxes of faces below 16 px.
        background_weight: weight of the scores at stride 4 where there is no face.
        distill: YuNet's ONNX file: its features and CenterFace's are distilled; None does not distill.
        follow: ONNX weights of this project whose features and outputs are learnt; None follows none.
        labels: whether labels are learnt; without them the heads stay those of `follow`.
        resume: whether to continue from the checkpoint in `work`.
        device: where the network computes, `cpu` or `cuda`.
        processes: number of processes, each with one thread; 1 on a GPU.
        workers: processes beside each of them that make its batches; 0 leaves it to make them itself.
        batch: images per process and step; every other step has a quarter as many, twice as large.
        size_px: side of the smaller images.
        lr: peak learning rate.
        weight_decay: decoupled weight decay.
        ema_decay: decay of the moving average of the weights.
        bfloat16: whether features are computed in bfloat16, which is faster where the processor supports it.
        seed: seed of everything that is drawn.
        measure_minutes: time between evaluations on the holdout photos.
    """

    people: Path
    work: Path
    hours: float
    init: Path | None
    teacher_boxes: Path | None
    own_boxes: Path | None
    band_weight: float
    large_weight: float
    fine_weight: float
    background_weight: float
    distill: Path | None
    follow: Path | None
    labels: bool
    resume: bool
    device: str
    processes: int
    workers: int
    batch: int
    size_px: int
    lr: float
    weight_decay: float
    ema_decay: float
    bfloat16: bool
    seed: int
    measure_minutes: float

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that features are computed in."""
        return torch.bfloat16 if self.bfloat16 else torch.float32

    @property
    def checkpoint(self) -> Path:
        """The run's checkpoint."""
        return self.work / "checkpoint.pt"

    @property
    def rendezvous(self) -> Path:
        """File through which the processes find each other."""
        return self.work / "rendezvous"

    def read_dataset(self) -> Dataset:
        """Reads photos and labels.

        Raises:
            DataError: they are missing or invalid.
        """
        return read_dataset(self.people, self.work / "pixels.u8", self.teacher_boxes, self.own_boxes)
