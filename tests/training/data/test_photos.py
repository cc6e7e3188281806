"""Photos are decoded from the shards exactly once, or an error says what is missing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data.files import DataError, read_jsonl
from training.data.photos import Pixels


def test_missing_photos_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="PEOPLE=FOLDER"):
        read_jsonl(tmp_path / "labels.jsonl")
    record = {"shard": "train-00.zip", "name": "a.jpg", "width": 8, "height": 8}
    with pytest.raises(DataError, match=r"a\.jpg cannot be read"):
        Pixels.open(tmp_path, [record], tmp_path / "pixels.u8")
    assert not (tmp_path / "pixels.u8").exists()


@pytest.mark.parametrize("text", ["no JSON", "[1, 2]", "3"])
def test_file_that_is_not_json_lines_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.jsonl").write_text(text + "\n")
    with pytest.raises(DataError, match="is not JSON Lines"):
        read_jsonl(tmp_path / "labels.jsonl")


def test_empty_and_incomplete_labels_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names no photo"):
        Pixels.open(tmp_path, [], tmp_path / "pixels.u8")
    for size in ({"width": 8}, {"width": 8, "height": "high"}, {"width": 8, "height": None}):
        with pytest.raises(DataError, match="no valid height and width"):
            Pixels.open(tmp_path, [{"name": "a.jpg", **size}], tmp_path / "pixels.u8")


def test_photos_equal_those_in_the_shards(tmp_path: Path) -> None:
    records = []
    images = [np.full((8 + 8 * i, 16, 3), 40 * i, np.uint8) for i in range(3)]
    with zipfile.ZipFile(tmp_path / "train-00.zip", "w") as shard:
        for i, image in enumerate(images):
            shard.writestr(f"{i}.png", cv2.imencode(".png", image)[1].tobytes())
            records.append({"shard": "train-00.zip", "name": f"{i}.png", "width": 16, "height": 8 + 8 * i})
    pixels = Pixels.open(tmp_path, records, tmp_path / "cache" / "pixels.u8")
    for i, image in enumerate(images):
        np.testing.assert_array_equal(pixels[i], image)
    records[1]["height"] = 9
    with pytest.raises(DataError, match="its label says"):
        Pixels.open(tmp_path, records, tmp_path / "again.u8")
    assert not (tmp_path / "again.u8").exists()
