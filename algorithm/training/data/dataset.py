"""The training set: photos to train on, and photos held out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..teachers.boxes import ThirdTeacher, read_teacher_boxes
from .batches import PhotoSampler
from .files import DataError, read_jsonl
from .labels import Labels, labels_of
from .own_scores import with_own_scores
from .photos import Pixels

__all__ = ["Dataset", "read_dataset", "split"]

_HOLDOUT_ONE_IN = 16
_MEASURED_ONE_IN = 3
"""Every third holdout photo is measured during a run: evaluation takes as long as training."""


@dataclass(frozen=True)
class Dataset:
    """Photos and labels of a run.

    Attributes:
        pixels: all photos.
        sampler: draws training photos.
        train_ids: indices of the photos to train on.
        holdout: labels of the holdout photos to measure on, by index.
    """

    pixels: Pixels
    sampler: PhotoSampler
    train_ids: tuple[int, ...]
    holdout: Mapping[int, Labels]


def read_dataset(
    people: Path, cache: Path, teacher_boxes: Path | None, own_boxes: Path | None = None
) -> Dataset:
    """Reads labels and photos; decodes the photos into the cache the first time.

    Args:
        people: folder of `labels.jsonl` and its shards.
        cache: file for the decoded photos.
        teacher_boxes: file that `training.teachers.label` wrote; None uses two teachers.
        own_boxes: the same with `--detector own`; None leaves the labels to the teachers. Holdout labels
            never depend on it, so runs stay comparable.

    Raises:
        DataError: labels or photos are missing or invalid.
    """
    records = read_jsonl(people / "labels.jsonl")
    third = read_teacher_boxes(teacher_boxes, "--teacher-boxes") if teacher_boxes else {}
    own = read_teacher_boxes(own_boxes, "--own-boxes") if own_boxes else {}
    pixels = Pixels.open(people, records, cache)
    try:
        train_ids, holdout_ids = split(records)
        labels = {i: _training_labels(records[i], third, own) for i in train_ids}
        holdout = {i: labels_of(records[i], third) for i in holdout_ids[::_MEASURED_ONE_IN]}
        if not train_ids:
            raise DataError(f"{people / 'labels.jsonl'} has no photo to train on: add photos")
        sampler = PhotoSampler(pixels, records, labels)
    except KeyError as error:
        raise DataError(f"a line of {people / 'labels.jsonl'} lacks {error}: get the labels again") from error
    return Dataset(pixels, sampler, tuple(train_ids), holdout)


def _training_labels(record: dict[str, Any], third: ThirdTeacher, own: ThirdTeacher) -> Labels:
    labels, name = labels_of(record, third), record["name"]
    return with_own_scores(labels, own[name], third.get(name)) if name in own else labels


def split(records: Sequence[dict[str, Any]]) -> tuple[list[int], list[int]]:
    """Divides the photos into training and holdout ids, indices into `records`.

    One photo in 16 is held out, chosen by a digest of its name. LFW's portraits are too easy to measure on,
    so all of them are trained on.
    """
    digests = [hashlib.sha256(record["name"].encode()).digest()[0] for record in records]
    holdout_ids = [
        i
        for i, digest in enumerate(digests)
        if digest % _HOLDOUT_ONE_IN == 0 and records[i]["source"] != "lfw"
    ]
    held_out = set(holdout_ids)
    return [i for i in range(len(records)) if i not in held_out], holdout_ids
