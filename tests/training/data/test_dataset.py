"""Which photos are trained on and which are held out."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from training.data.dataset import split


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
