"""Which photos are trained on and which are held out, and whose boxes change their labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from training.data.dataset import read_dataset, split


def records(count: int, source: str = "made") -> list[dict[str, Any]]:
    return [{"name": f"{source}-{i}.jpg", "source": source} for i in range(count)]


def test_one_photo_in_sixteen_is_held_out_whatever_the_order() -> None:
    photos = records(3200)
    train_ids, holdout_ids = split(photos)
    assert sorted(train_ids + holdout_ids) == list(range(3200))
    assert 150 < len(holdout_ids) < 250
    names = {photos[i]["name"] for i in holdout_ids}
    again = photos[::-1]
    assert {again[i]["name"] for i in split(again)[1]} == names


def test_portraits_are_all_trained_on() -> None:
    assert split(records(200, "lfw"))[1] == []


def test_own_boxes_change_the_labels_of_training_photos_alone(people: Path, tmp_path: Path) -> None:
    names = [json.loads(line)["name"] for line in (people / "labels.jsonl").read_text().splitlines()]
    missed = [json.dumps({"name": name, "boxes": [], "scores": []}) + "\n" for name in names]
    boxes = tmp_path / "boxes.jsonl"
    boxes.write_text("".join(missed))
    plain = read_dataset(people, tmp_path / "pixels.u8", boxes)
    own = read_dataset(people, tmp_path / "pixels.u8", boxes, boxes)
    rng = np.random.default_rng(0)
    assert not any(plain.sampler(rng)[1].hard.any() for _ in range(20))
    assert all(own.sampler(rng)[1].hard.all() for _ in range(20))
    assert own.holdout.keys() == plain.holdout.keys()
    assert not any(labels.hard.any() for labels in own.holdout.values())
