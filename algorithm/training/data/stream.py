"""Endless batches, made in the training process or by workers beside it."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .batches import Batch, batch_at
from .dataset import Dataset
from .views import Rng, Sampler

__all__ = ["Plan", "batches", "batches_of_workers"]

_AHEAD = 4
"""Batches that each worker makes ahead."""


@dataclass(frozen=True)
class Plan:
    """What to draw.

    Attributes:
        size: images per batch of the smaller ones.
        size_px: side of a smaller image.
        seed: what the random numbers depend on.
        first_step: the training step of the first batch.
        strength: `()` float32 augmentation strength as for `scene`, in shared memory: it changes while the
            batches are drawn.
    """

    size: int
    size_px: int
    seed: tuple[int, ...]
    first_step: int
    strength: Tensor


def batches(plan: Plan, sampler: Sampler, worker: int | None = None) -> Iterator[Batch]:
    """Makes batches one after the other.

    Args:
        plan: what to draw.
        sampler: draws the photos.
        worker: which of several workers this is, for random numbers of its own.
    """
    own = () if worker is None else (worker,)
    rng: Rng = np.random.default_rng((*plan.seed, plan.first_step, *own))
    for step in itertools.count(plan.first_step + (worker or 0)):
        yield batch_at(step, sampler, plan.size, plan.size_px, rng, float(plan.strength))


def batches_of_workers(
    plan: Plan, read: Callable[[], Dataset], workers: int, *, pinned: bool
) -> Iterator[Batch]:
    """Batches that worker processes make ahead, taken in turns.

    Args:
        plan: what to draw.
        read: reads the data set; called in each worker, so it must be picklable.
        workers: number of processes, at least 1.
        pinned: whether the batches are in memory that a GPU reads directly.
    """
    return iter(
        DataLoader(
            _Stream(plan, read),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=_AHEAD,
            pin_memory=pinned,
            multiprocessing_context="spawn",
        )
    )


class _Stream(IterableDataset[Batch]):
    """One worker's batches."""

    def __init__(self, plan: Plan, read: Callable[[], Dataset]) -> None:
        self._plan, self._read = plan, read

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        if worker is None:
            raise RuntimeError("only workers of a DataLoader draw from this stream")
        # Ctrl-C reaches every process of the terminal; the training process ends its workers itself.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        return batches(self._plan, self._read().sampler, worker.id)
