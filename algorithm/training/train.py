"""Trains the detector for a given time: `python -m training.train --people FOLDER --work FOLDER --hours 1.5`.

Progress is wall-clock time: the learning rate falls along a cosine of the hours gone, so a run ends when it
was told to whatever else the machine does. SIGTERM and SIGINT end it after the step under way, with a
checkpoint; `--resume` goes on from it, the schedule stretched over the new `--hours`, or begun anew if it was
at its end.

Each process makes its own pictures and computes on one thread; after every step they take the mean of their
gradients. On few cores that is faster than one process with as many threads.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import cv2
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, multiprocessing, nn

from unionveil.errors import UnionVeilError

from .data import Photos, batch_at
from .distil import Adapters, Look, distillation_loss, looks
from .holdout import measure, split
from .labels import Third, read_third_teacher
from .loss import loss
from .model import FaceNet, load_onnx, parameters, restored, units
from .muon import Muon
from .photos import DataError, Pixels, read_jsonl
from .spec import SIZE_MULTIPLE_PX

_WARM_UP_STEPS = 200
_LEAST_RATE = 0.01
"""Share of the peak learning rate that is left at the end."""

_LARGEST_GRADIENT = 10.0

_DISTILLED = 2.0
"""Weight of what a detector sees beside the labels."""

_ADAPTERS_FASTER = 5.0
"""Learning rate of what reads the detectors' features, over the network's: it starts from nothing."""

_CALM_FROM, _CALM = 0.8, 0.3
"""Share of the time after which pictures are more like photos, and what share of mosaics and other made-up
things is left then. YOLOX (arXiv:2107.08430, section 2.1) leaves them out at the end."""


@dataclass(frozen=True)
class Settings:
    """One run.

    Attributes:
        people: folder of labels and shards.
        work: folder of the run's own files, outside the tree.
        hours: from now to the end.
        init: ONNX weights of this project to start from; None starts from random weights.
        teacher: what `teach.py` wrote; None teaches with two teachers.
        distil: YuNet's ONNX file: it and CenterFace look in turn at what the network sees; None leaves both
            out.
        resume: whether to go on from the checkpoint in `work`.
        processes: how many, each with one thread.
        batch: pictures for each process and step; every other step has a quarter as many, twice as large.
        size_px: side of a picture, of the smaller ones.
        rate: peak learning rate.
        decay: weight decay.
        average: share of the moving average of the weights that each step keeps.
        bfloat16: whether features are computed in 16 bits, which is faster where the processor can.
        seed: of everything that is drawn.
        measure_minutes: between looks at the held-out photos.
    """

    people: Path
    work: Path
    hours: float
    init: Path | None
    teacher: Path | None
    distil: Path | None
    resume: bool
    processes: int
    batch: int
    size_px: int
    rate: float
    decay: float
    average: float
    bfloat16: bool
    seed: int
    measure_minutes: float


def main() -> int:
    """Reads the settings, starts the processes and waits for them."""
    settings = _settings()
    try:
        _check(settings)
    except (DataError, UnionVeilError) as error:
        print(error, file=sys.stderr)
        return 1
    (settings.work / "meeting").unlink(missing_ok=True)
    running = multiprocessing.spawn(_run, (settings,), nprocs=settings.processes, join=False)
    ending = _Ending()
    told = False
    while not running.join(timeout=1.0):
        if ending.asked and not told:
            told = True
            for pid in running.pids():
                os.kill(pid, signal.SIGTERM)
    return 0


def _check(settings: Settings) -> None:
    """Finds what is missing or does not fit before any process starts, and decodes the photos once."""
    lines = read_jsonl(settings.people / "labels.jsonl")
    if settings.teacher:
        read_third_teacher(settings.teacher)
    if settings.init:
        _check_weights(settings.init)
    watching = looks(settings.distil, torch.float32) if settings.distil else {}
    if settings.resume:
        _check_checkpoint(settings.work / "checkpoint.pt", watching)
    if settings.hours <= 0 or settings.processes < 1 or settings.batch < 4:
        raise DataError("--hours must be above 0, --processes at least 1 and --batch at least 4")
    if settings.size_px % SIZE_MULTIPLE_PX:
        raise DataError(f"--size-px must be a multiple of {SIZE_MULTIPLE_PX}")
    Pixels.open(settings.people, lines, settings.work / "pixels.u8")


def _check_weights(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"--init {path} is not there")
    try:
        load_onnx(FaceNet(), path)
    except ValueError as error:
        raise DataError(str(error)) from error


def _check_checkpoint(path: Path, watching: Mapping[str, Look]) -> None:
    if not path.is_file():
        raise DataError(f"there is no {path}: leave out --resume")
    older = DataError(
        f"{path} is of another network or an older program: export its weights with the program that "
        "made it, and start from them with --init instead of --resume"
    )
    try:
        state = torch.load(path, weights_only=True)
        restored(state["model"])
        adapters = state["adapters"]
        state["optimizers"]
    except (RuntimeError, KeyError) as error:
        raise older from error
    if bool(adapters) != bool(watching):
        raise DataError(
            f"{path} was made {'with' if adapters else 'without'} --distil: resume it in the same way"
        )
    try:
        _readers(watching).load_state_dict(adapters)
    except RuntimeError as error:
        raise older from error


def _settings() -> Settings:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="folder of labels.jsonl and its shards")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and the log")
    parser.add_argument("--hours", type=float, required=True, help="from now to the end")
    parser.add_argument(
        "--init",
        type=Path,
        help="ONNX weights of this project to start from, as wide as the network or narrower",
    )
    parser.add_argument("--teacher", type=Path, help="CenterFace's labels, from training.teach")
    parser.add_argument(
        "--distil",
        type=Path,
        help="YuNet, yunet_n_dynamic.onnx: its features and CenterFace's are learned too",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --work")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--batch", type=int, default=16, help="pictures a process and step, or a quarter, twice as large"
    )
    parser.add_argument("--size-px", type=int, default=320)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--average", type=float, default=0.998)
    parser.add_argument("--bfloat16", action="store_true", help="faster where the processor has AVX512_BF16")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--measure-minutes", type=float, default=20.0)
    return Settings(**vars(parser.parse_args()))


class _Ending:
    """Becomes true when the process is told to end."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True


def rate_at(progress: float, step: int, peak: float) -> float:
    """Learning rate after a share of the time: a cosine from the peak, after a straight warm-up."""
    warm = min(1.0, (step + 1) / _WARM_UP_STEPS)
    return peak * warm * (_LEAST_RATE + (1 - _LEAST_RATE) * (1 + math.cos(math.pi * min(1.0, progress))) / 2)


def made_up_at(progress: float) -> float:
    """Share of mosaics and other made-up things after a share of the time."""
    return 1.0 if progress < _CALM_FROM else _CALM


def _run(rank: int, settings: Settings) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(settings.seed)
    # A paused process keeps the other waiting: hours, not the usual half hour.
    dist.init_process_group(
        "gloo",
        init_method=f"file://{(settings.work / 'meeting').resolve()}",
        rank=rank,
        world_size=settings.processes,
        timeout=timedelta(hours=12),
    )
    ending = _Ending()
    lines = read_jsonl(settings.people / "labels.jsonl")
    pixels = Pixels.open(settings.people, lines, settings.work / "pixels.u8")
    third: Third = read_third_teacher(settings.teacher) if settings.teacher else {}
    learned, held = split(lines)
    model, state = _start(settings, rank)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = restored(state["average"] if settings.resume else model.state_dict()).eval()
    dtype = torch.bfloat16 if settings.bfloat16 else torch.float32
    watching = looks(settings.distil, dtype) if settings.distil else {}
    adapters = _readers(watching)
    if settings.resume:
        adapters.load_state_dict(state["adapters"])
    learning = [*model.parameters(), *adapters.parameters()]
    optimizers = _optimizers(model, adapters, settings)
    if settings.resume:
        for optimizer, saved_state in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved_state)
    step, crops = int(state["step"]), int(state["crops"])
    rng = np.random.default_rng((settings.seed, rank, step))
    photos = Photos(pixels, lines, third, learned)
    if rank == 0:
        print(f"{parameters(model)} parameters, {len(learned)} photos, {len(held)} held out", flush=True)
    log = _Log(settings.work / "log.jsonl")
    # A run that was at its end begins another cosine.
    begun, start, seconds_before = time.time(), float(state["progress"]) % 1.0, float(state["seconds"])
    measured = saved = begun
    progress, made = start, 0.0
    untold: dict[str, float] = {}
    over = False
    while not over:
        batch_begun = time.perf_counter()
        batch = batch_at(step, photos, settings.batch, settings.size_px, rng, made_up_at(progress))
        made += time.perf_counter() - batch_begun
        elapsed = time.time() - begun
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
            features = model.features(batch.images)
        seen = [level.float() for level in features]
        value, parts = loss(*model.read(seen), batch)
        if watching:
            # In turn, as looking costs much; two steps each, one with pictures of either size.
            name, look = list(watching.items())[step // 2 % len(watching)]
            some = slice(None, None, look.every)
            cells = look(batch.images[some])
            told, untold[f"untold_{name}"] = distillation_loss(
                adapters[name], [level[some] for level in seen], cells
            )
            value = value + _DISTILLED * told
        for parameter in learning:
            parameter.grad = None
        value.backward()  # type: ignore[no-untyped-call]
        # The first process keeps the time for all: with rates of their own their weights would drift apart.
        here = start + (1 - start) * min(1.0, elapsed / (settings.hours * 3600)) if rank == 0 else 0.0
        progress, asked = _share(learning, (here, float(ending.asked)), settings.processes)
        over = asked > 0 or progress >= 1
        rate = rate_at(progress, step, settings.rate)
        torch.nn.utils.clip_grad_norm_(learning, _LARGEST_GRADIENT)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["faster"]
            optimizer.step()
        # By area: one of the larger pictures counts as four.
        step, crops = step + 1, crops + settings.batch * settings.processes
        _follow(average, model, min(settings.average, (step + 1) / (step + 10)))
        if rank != 0:
            continue
        if step % 50 == 0 or over:
            log.write(
                step=step, crops=crops, progress=progress, seconds=seconds_before + elapsed, rate=rate,
                loss=float(value.detach()), making=made / max(1e-9, elapsed), **parts, **untold,
            )  # fmt: skip
        now = time.time()
        if over or now - saved > 180:
            saved = now
            _save(settings.work / "checkpoint.pt", {
                "model": model.state_dict(), "average": average.state_dict(),
                "adapters": adapters.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                "progress": progress, "step": step, "crops": crops,
                "seconds": seconds_before + elapsed, "origin": state["origin"],
            })  # fmt: skip
        if over or now - measured > settings.measure_minutes * 60:
            measured = now
            log.write(step=step, crops=crops, **measure(average, pixels, lines, third, held))
    dist.barrier()
    dist.destroy_process_group()


def _start(settings: Settings, rank: int) -> tuple[FaceNet, dict[str, Any]]:
    """The network and the state of the run: from the checkpoint, from exported weights, or random."""
    if settings.resume:
        state = torch.load(settings.work / "checkpoint.pt", weights_only=True)
        return restored(state["model"]).train(), state
    model = FaceNet()
    if settings.init:
        missing = load_onnx(model, settings.init)
        if rank == 0:
            print(f"from {settings.init}; random: {', '.join(missing) or 'nothing'}", flush=True)
    origin = settings.init.name if settings.init else "random"
    return model.train(), {"progress": 0.0, "step": 0, "crops": 0, "seconds": 0.0, "origin": origin}


def _readers(watching: Mapping[str, Look]) -> nn.ModuleDict:
    return nn.ModuleDict({name: Adapters(look) for name, look in watching.items()})


def _optimizers(model: FaceNet, adapters: nn.Module, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions inside the network that mix channels, AdamW for all else.

    Weights decay; biases and batch norm do not.
    """
    mixing = [unit.conv.weight for name, unit in units(model) if unit.conv.groups == 1 and name != "stage4.0"]
    others = [p for p in model.parameters() if not any(p is weight for weight in mixing)]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": settings.decay, "faster": 1.0},
        {"params": [p for p in others if p.ndim == 1], "weight_decay": 0.0, "faster": 1.0},
        {"params": list(adapters.parameters()), "weight_decay": 0.0, "faster": _ADAPTERS_FASTER},
    ]
    return [
        Muon([{"params": mixing, "faster": 1.0}], lr=settings.rate, weight_decay=settings.decay),
        torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.99)),
    ]


def _share(
    learning: Sequence[nn.Parameter], told: tuple[float, float], processes: int
) -> tuple[float, float]:
    """Gives every process the mean gradient, and the sums of two numbers that each of them tells."""
    gradients = [parameter.grad for parameter in learning if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients] + [torch.tensor(told)])
    dist.all_reduce(flat)
    at = 0
    for gradient in gradients:
        size = gradient.numel()
        gradient.copy_(flat[at : at + size].view_as(gradient) / processes)
        at += size
    return float(flat[-2]), float(flat[-1])


@torch.no_grad()
def _follow(average: FaceNet, model: FaceNet, keep: float) -> None:
    """Moves the average a little towards the weights."""
    target: dict[str, Tensor] = model.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(target[name], 1 - keep)
        else:
            value.copy_(target[name])


def _save(path: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint, whole or not at all."""
    half = path.with_suffix(".part")
    torch.save(state, half)
    half.replace(path)


class _Log:
    """One JSON object a line, to the log and to the terminal."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, **values: float) -> None:
        line = json.dumps({name: round(value, 5) for name, value in values.items()})
        print(line, flush=True)
        with self._path.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
