"""The training loop.

On processors each process makes its own batches and computes on one thread; after every step all processes
average their gradients. On a few cores this is faster than one process with as many threads. On a GPU one
process computes, and workers make its batches.
"""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Protocol

import cv2
import torch
import torch.distributed as dist
from torch import Tensor, nn

from .data.batches import Batch
from .data.dataset import Dataset
from .data.stream import Plan, batches, batches_of_workers
from .evaluate.holdout import evaluate_holdout
from .net.checkpoint import Checkpoint, Progress, read_checkpoint, write_checkpoint
from .net.loss import LossWeights, detection_loss
from .net.model import FaceNet, count_parameters, restored
from .net.onnx_weights import load_heads, load_onnx
from .net.optimizers import augment_strength_at, lr_at, make_optimizers, set_lr, update_ema
from .settings import Settings
from .teachers.distill import distill_loss, make_adapters
from .teachers.earlier import Earlier, Predicted, feature_loss, output_loss
from .teachers.published import load_teachers

__all__ = ["Stop", "StopSignal", "Trainer", "all_reduce", "train_process"]

_MAX_GRADIENT = 10.0
"""Norm that gradients are clipped to."""

_DISTILL_WEIGHT = 2.0
"""Weight of the distillation loss; the detection loss's is 1."""

_FOLLOW_LAST = 0.3
"""Beside labels, the weight of what is followed at the end of a run; at the start it is 1."""

_LOG_STEPS = 50
_SAVE_SECONDS = 180.0

_CONVOLUTIONS_TRIED = 4
"""Of cuDNN's ten best guesses; trying all takes a minute before the first steps."""

_RENDEZVOUS_TIMEOUT = timedelta(hours=12)
"""Torch's default of half an hour would end a run that someone pauses."""


class Stop(Protocol):
    """A request to end the run."""

    @property
    def requested(self) -> bool:
        """Whether the run is to end after the current step; read once per step."""
        ...


class StopSignal:
    """Records that the process received SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self.requested = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._request)

    def _request(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.requested = True


def train_process(rank: int, settings: Settings) -> None:
    """Runs one of the training processes.

    Args:
        rank: number of the process; process 0 writes log and checkpoints.
        settings: settings of the run, already checked.
    """
    stop = StopSignal()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(settings.seed)
    # On a GPU: the fastest of some convolutions for each shape, and matrices in TF32.
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.benchmark_limit = _CONVOLUTIONS_TRIED
    torch.set_float32_matmul_precision("high")
    _join_group(rank, settings)
    Trainer(settings, settings.read_dataset(), rank, stop).run()
    if settings.processes > 1:
        dist.barrier()
        dist.destroy_process_group()


def _join_group(rank: int, settings: Settings) -> None:
    if settings.processes == 1:
        return
    dist.init_process_group(
        "gloo",
        init_method=f"file://{settings.rendezvous.resolve()}",
        rank=rank,
        world_size=settings.processes,
        timeout=_RENDEZVOUS_TIMEOUT,
    )


class Trainer:
    """One training process: its network, teachers, optimizers and progress.

    Args:
        settings: settings of the run.
        data: photos and labels.
        rank: number of the process; process 0 writes log and checkpoints.
        stop: ends the run after the current step.
    """

    def __init__(self, settings: Settings, data: Dataset, rank: int, stop: Stop) -> None:
        self._settings, self._data, self._rank, self._stop = settings, data, rank, stop
        self._device = torch.device(settings.device)
        resumed = read_checkpoint(settings.checkpoint) if settings.resume else None
        self._model, self._origin = _initial_model(settings, resumed, report=rank == 0)
        self._model.to(self._device)
        self._ema = restored(resumed.ema if resumed else self._model.state_dict()).eval().to(self._device)
        self._teachers = (
            load_teachers(settings.distill, settings.dtype, self._device) if settings.distill else {}
        )
        self._adapters = make_adapters(self._teachers).to(self._device)
        self._earlier = Earlier(settings.follow, settings.dtype, self._device) if settings.follow else None
        self._parameters = [*self._model.parameters(), *self._adapters.parameters()]
        self._optimizers = make_optimizers(self._model, self._adapters, settings.lr, settings.weight_decay)
        self._progress = Progress()
        if resumed:
            self._restore(resumed)
        self._strength = torch.ones(()).share_memory_()  # type: ignore[no-untyped-call]
        self._batches = self._start_batches()
        self._clock = _Clock(settings.hours * 3600, self._progress)
        self._batch_seconds = 0.0
        self._metrics: dict[str, Tensor | float] = {}
        self._over = False
        self._log = _RunLog(settings.work / "log.jsonl")
        if rank == 0:
            print(f"{count_parameters(self._model)} parameters, {len(data.train_ids)} photos", flush=True)

    def _restore(self, resumed: Checkpoint) -> None:
        self._adapters.load_state_dict(resumed.adapters)
        for optimizer, state in zip(self._optimizers, resumed.optimizers, strict=True):
            optimizer.load_state_dict(state)
        # A run that had reached its end starts a new cosine.
        self._progress = replace(resumed.progress, share=resumed.progress.share % 1.0)

    def _start_batches(self) -> Iterator[Batch]:
        settings = self._settings
        seed = (settings.seed, self._rank)
        plan = Plan(settings.batch, settings.size_px, seed, self._progress.step, self._strength)
        if settings.workers == 0:
            return batches(plan, self._data.sampler)
        pinned = self._device.type == "cuda"
        return batches_of_workers(plan, settings.read_dataset, settings.workers, pinned=pinned)

    def run(self) -> None:
        """Trains until the time is over or a stop is requested; then saves and evaluates."""
        saved = measured = time.monotonic()
        while not self._over:
            self._step()
            if self._rank != 0:
                continue
            now = time.monotonic()
            if self._over or self._progress.step % _LOG_STEPS == 0:
                self._write_log()
            if self._over or now - saved > _SAVE_SECONDS:
                saved = now
                self._save()
            if self._over or now - measured > self._settings.measure_minutes * 60:
                measured = now
                self._measure()

    def _step(self) -> None:
        """One optimizer step."""
        batch = self._make_batch()
        share = self._clock.share() if self._rank == 0 else 0.0
        seconds = self._clock.seconds()
        loss = self._loss(batch)
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        # Process 0's clock counts for all: with learning rates of their own their weights would drift apart.
        share, stops = all_reduce(
            self._parameters, (share, float(self._stop.requested)), self._settings.processes
        )
        self._over = stops > 0 or share >= 1
        self._update(share)
        self._progress = Progress(
            share=share,
            step=self._progress.step + 1,
            crops=self._progress.crops + self._settings.batch * self._settings.processes,
            seconds=seconds,
        )
        step = self._progress.step
        update_ema(self._ema, self._model, min(self._settings.ema_decay, (step + 1) / (step + 10)))

    def _make_batch(self) -> Batch:
        begun = time.monotonic()
        self._strength.fill_(augment_strength_at(self._progress.share))
        batch = next(self._batches).to(self._device)
        self._batch_seconds += time.monotonic() - begun
        return batch

    def _loss(self, batch: Batch) -> Tensor:
        """Total loss of a batch; its parts go to the log."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._settings.bfloat16):
            features = self._model.features(batch.inputs())
        features = [level.float() for level in features]
        predicted = self._model.predict(features)
        loss = torch.zeros((), device=self._device)
        if self._settings.labels:
            loss = loss + self._label_loss(predicted, batch)
        if self._earlier:
            loss = loss + self._follow(features, predicted, *self._earlier(batch.inputs()))
        if self._teachers:
            loss = loss + _DISTILL_WEIGHT * self._distill(features, batch.images)
        self._metrics["loss"] = loss.detach()
        return loss

    def _label_loss(self, predicted: Predicted, batch: Batch) -> Tensor:
        settings = self._settings
        weights = LossWeights(
            settings.band_weight, settings.large_weight, settings.fine_weight, settings.background_weight
        )
        loss, parts = detection_loss(*predicted, batch, weights)
        self._metrics |= parts
        return loss

    def _follow(
        self, features: list[Tensor], predicted: Predicted, wanted: list[Tensor], outputs: Predicted
    ) -> Tensor:
        """Distance from what the earlier network computes."""
        distance = feature_loss(features, wanted)
        parts = output_loss(predicted, outputs)
        self._metrics["unfollowed"] = distance.detach()
        self._metrics |= {f"{name}_unfollowed": part.detach() for name, part in parts.items()}
        weight = 1 - (1 - _FOLLOW_LAST) * self._progress.share if self._settings.labels else 1.0
        return weight * (distance + torch.stack(list(parts.values())).sum())

    def _distill(self, features: list[Tensor], pixels: Tensor) -> Tensor:
        """Distillation loss of one teacher: they take turns, as running one is slow.

        Each takes two steps, one with images of either size.
        """
        name, teacher = list(self._teachers.items())[self._progress.step // 2 % len(self._teachers)]
        subset = slice(None, None, teacher.every)
        loss, unexplained = distill_loss(
            self._adapters[name], [level[subset] for level in features], teacher(pixels[subset])
        )
        self._metrics[f"unexplained_{name}"] = unexplained
        return loss

    def _update(self, share: float) -> None:
        """Applies the gradients with the learning rate of this share of the run."""
        lr = lr_at(share, self._progress.step, self._settings.lr)
        torch.nn.utils.clip_grad_norm_(self._parameters, _MAX_GRADIENT)
        set_lr(self._optimizers, lr)
        for optimizer in self._optimizers:
            optimizer.step()
        self._metrics["lr"] = lr

    def _write_log(self) -> None:
        progress = self._progress
        making = self._batch_seconds / max(1e-9, self._clock.elapsed())
        self._log.write(
            step=progress.step,
            crops=progress.crops,
            progress=progress.share,
            seconds=progress.seconds,
            making=making,
            **{name: float(value) for name, value in self._metrics.items()},
        )

    def _save(self) -> None:
        write_checkpoint(
            self._settings.checkpoint,
            Checkpoint(
                model=self._model.state_dict(),
                ema=self._ema.state_dict(),
                adapters=self._adapters.state_dict(),
                optimizers=[optimizer.state_dict() for optimizer in self._optimizers],
                progress=self._progress,
                origin=self._origin,
            ),
        )

    def _measure(self) -> None:
        figures = evaluate_holdout(self._ema, self._data.pixels, self._data.holdout)
        self._log.write(step=self._progress.step, crops=self._progress.crops, **figures)


def _initial_model(settings: Settings, resumed: Checkpoint | None, *, report: bool) -> tuple[FaceNet, str]:
    """The network, from a checkpoint, from exported weights, or random; and the name of its origin."""
    if resumed:
        model, origin = restored(resumed.model), resumed.origin
    elif settings.init:
        model, origin = FaceNet(), settings.init.name
        missing = load_onnx(model, settings.init)
        if report:
            print(f"initialised from {settings.init}; random: {', '.join(missing) or 'nothing'}", flush=True)
    else:
        model, origin = FaceNet(), "random"
    if settings.follow and not settings.labels:
        load_heads(model, settings.follow)
        model.heads.requires_grad_(False)
    model.to(memory_format=torch.channels_last)
    return model.train(), origin


def all_reduce(
    parameters: Iterable[nn.Parameter], numbers: Sequence[float], processes: int
) -> tuple[float, ...]:
    """Averages the gradients over all processes, in place.

    Args:
        parameters: parameters, in the same order in every process.
        numbers: this process's numbers.
        processes: number of processes.

    Returns:
        The sum of each number over all processes.
    """
    if processes == 1:
        return tuple(numbers)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), torch.tensor(numbers)])
    dist.all_reduce(flat)
    start = 0
    for gradient in gradients:
        size = gradient.numel()
        gradient.copy_(flat[start : start + size].view_as(gradient) / processes)
        start += size
    return tuple(flat[start:].tolist())


class _Clock:
    """Wall-clock time of a run.

    Args:
        limit_seconds: length of the run.
        start: progress when it began.
    """

    def __init__(self, limit_seconds: float, start: Progress) -> None:
        self._limit, self._start = limit_seconds, start
        self._begun = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._begun

    def seconds(self) -> float:
        """Seconds in total, resumed runs included."""
        return self._start.seconds + self.elapsed()

    def share(self) -> float:
        """Share of the schedule that is over; a resumed run spends its time on the rest."""
        return self._start.share + (1 - self._start.share) * min(1.0, self.elapsed() / self._limit)


class _RunLog:
    """Appends JSON Lines to a file, and prints them; figures that do not exist are null."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, **values: float) -> None:
        rounded = {name: None if math.isnan(value) else round(value, 5) for name, value in values.items()}
        line = json.dumps(rounded)
        print(line, flush=True)
        with self._path.open("a") as file:
            file.write(line + "\n")
