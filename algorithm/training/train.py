"""Trains the detector for a given time: `python -m training.train --people FOLDER --work FOLDER --hours 1.5`.

Progress is wall-clock time: the learning rate follows a cosine over `--hours`, so a run ends on time
under any load. SIGTERM and SIGINT end it after the current step, with a checkpoint. `--resume`
continues from there with the rest of the schedule, stretched over the new `--hours`; a run that had reached
its end starts a new schedule.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch.multiprocessing.spawn import spawn

from unionveil.errors import UnionVeilError

from .data.files import DataError
from .evaluate.holdout import has_faces
from .loop import StopSignal, train_process
from .net.checkpoint import read_checkpoint
from .net.model import FaceNet, restored
from .net.onnx_weights import load_onnx
from .settings import Settings
from .spec import SIZE_MULTIPLE_PX
from .teachers.distill import make_adapters
from .teachers.earlier import Earlier
from .teachers.published import load_teachers
from .teachers.teacher import Teacher

__all__ = ["check", "main"]


def main() -> int:
    """Reads and checks the settings, starts the processes and waits for them."""
    settings = Settings(**vars(_parser().parse_args()))
    try:
        check(settings)
    except (DataError, UnionVeilError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    settings.rendezvous.unlink(missing_ok=True)
    stop, forwarded = StopSignal(), False
    running = spawn(train_process, (settings,), nprocs=settings.processes, join=False)  # type: ignore[no-untyped-call]
    while not running.join(timeout=1.0):
        if stop.requested and not forwarded:
            forwarded = True
            for pid in running.pids():
                os.kill(pid, signal.SIGTERM)
    return 0


def check(settings: Settings) -> None:
    """Checks everything before any process starts; decodes the photos the first time.

    Raises:
        DataError: something is missing or does not fit.
        ModelError: the package that carries CenterFace is missing.
    """
    _check_numbers(settings)
    if settings.init and settings.resume:
        raise DataError(
            "--init and --resume exclude each other: --resume continues from the checkpoint's weights"
        )
    if settings.init:
        _check_weights(settings.init)
    if settings.follow:
        Earlier(settings.follow, settings.dtype)
    elif not settings.labels:
        raise DataError("--no-labels leaves nothing to learn from: name weights with --follow")
    teachers = load_teachers(settings.distill, settings.dtype) if settings.distill else {}
    if settings.resume:
        _check_checkpoint(settings.checkpoint, teachers)
    settings.work.mkdir(parents=True, exist_ok=True)
    if not has_faces(settings.read_dataset().holdout.values()):
        raise DataError(f"no holdout photo of {settings.people} has a face to measure on: add photos")


def _check_numbers(settings: Settings) -> None:
    if settings.hours <= 0 or settings.processes < 1 or settings.batch < 4:
        raise DataError("--hours must be above 0, --processes at least 1 and --batch at least 4")
    if settings.workers < 0:
        raise DataError("--workers must be at least 0")
    if settings.device == "cuda" and settings.processes != 1:
        raise DataError("--device cuda computes in one process: add --processes 1, and --workers for batches")
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise DataError("--device cuda: torch finds no CUDA device here; leave it out to use the processor")
    if settings.size_px < SIZE_MULTIPLE_PX or settings.size_px % SIZE_MULTIPLE_PX:
        raise DataError(f"--size-px must be a multiple of {SIZE_MULTIPLE_PX}")
    weights = (settings.band_weight, settings.large_weight, settings.fine_weight, settings.background_weight)
    if min(weights) <= 0:
        raise DataError("--band-, --large-, --fine- and --background-weight must be above 0")
    if settings.lr <= 0 or settings.weight_decay < 0 or not 0 <= settings.ema_decay < 1:
        raise DataError("--lr must be above 0, --weight-decay at least 0, and --ema-decay from 0 to below 1")


def _check_weights(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"--init: {path} is missing")
    try:
        load_onnx(FaceNet(), path)
    except ValueError as error:
        raise DataError(f"--init: {error}") from error


def _check_checkpoint(path: Path, teachers: Mapping[str, Teacher]) -> None:
    if not path.is_file():
        raise DataError(f"there is no checkpoint {path}: leave out --resume")
    checkpoint = read_checkpoint(path)
    if bool(checkpoint.adapters) != bool(teachers):
        made = "with" if checkpoint.adapters else "without"
        raise DataError(f"{path} was made {made} --distill: resume it in the same way")
    try:
        restored(checkpoint.model)
        make_adapters(teachers).load_state_dict(checkpoint.adapters)
    except RuntimeError as error:
        raise DataError(
            f"{path} belongs to another network or other teachers: export its weights with the version that "
            "made it, and start from them with --init instead of --resume"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--people", type=Path, required=True, help="folder of labels.jsonl and its shards")
    add("--work", type=Path, required=True, help="folder for checkpoints and the log")
    add("--hours", type=float, required=True, help="length of the run")
    add(
        "--init",
        type=Path,
        help="ONNX weights of this project to start from, as wide as the network or narrower",
    )
    add("--teacher-boxes", type=Path, help="CenterFace's boxes, from training.teachers.label")
    add(
        "--own-boxes", type=Path, help="the detector's own boxes, from training.teachers.label --detector own"
    )
    add("--band-weight", type=float, default=1.0, help="weight of the scores of faces from 20 to 50 px")
    add("--large-weight", type=float, default=1.0, help="weight of the scores of larger faces")
    add("--fine-weight", type=float, default=1.0, help="weight of the boxes of faces below 16 px")
    add(
        "--background-weight",
        type=float,
        default=1.0,
        help="weight of the scores at stride 4 where there is no face",
    )
    add("--distill", type=Path, help="yunet_n_dynamic.onnx: distill YuNet's features and CenterFace's")
    add(
        "--follow",
        type=Path,
        help="ONNX weights of this project: learn the inputs and outputs of their heads",
    )
    add("--no-labels", dest="labels", action="store_false", help="learn from --follow alone, keep its heads")
    add("--resume", action="store_true", help="continue from the checkpoint in --work")
    add("--device", choices=["cpu", "cuda"], default="cpu", help="where the network computes")
    add("--processes", type=int, default=2, help="each computes on one thread; 1 with --device cuda")
    add("--workers", type=int, default=0, help="processes that make the batches, beside each of --processes")
    add("--batch", type=int, default=16, help="images per process and step, or a quarter, twice as large")
    add("--size-px", type=int, default=320, help="side of the smaller images")
    add("--lr", type=float, default=1e-3, help="peak learning rate")
    add("--weight-decay", type=float, default=0.02, help="decoupled weight decay of weights, not of biases")
    add("--ema-decay", type=float, default=0.998, help="decay of the weights' moving average")
    add("--bfloat16", action="store_true", help="faster where the processor has AVX512_BF16 or AMX")
    add("--seed", type=int, default=1, help="seed of everything that is drawn")
    add("--measure-minutes", type=float, default=20.0, help="time between evaluations on holdout photos")
    return parser


if __name__ == "__main__":
    sys.exit(main())
