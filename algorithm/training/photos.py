"""The photos of the training set, decoded once into one file that all training processes share."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["DataError", "Pixels", "read_jsonl", "read_photo"]


class DataError(Exception):
    """The photos or their labels are missing or not what they should be; the message says what to do."""


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """All lines of a JSON Lines file.

    Raises:
        DataError: there is no such file, or a line is no JSON object.
    """
    if not path.is_file():
        raise DataError(f"{path} is not there: name the folder of labelled photos with PEOPLE=FOLDER")
    try:
        return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    except ValueError as error:
        raise DataError(f"{path} is not JSON Lines: {error}") from error


def read_photo(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Decodes a photo to `(H, W, 3)` uint8, blue first.

    Raises:
        DataError: it cannot be decoded.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{name} cannot be decoded: the shard is damaged, get it again")
    return np.asarray(image, np.uint8)


@dataclass(frozen=True)
class Pixels:
    """All photos, decoded, mapped from one file.

    Attributes:
        flat: every photo's pixels, one after the other, uint8.
        start: where each photo begins.
        hw: height and width of each photo, `(N, 2)`.
    """

    flat: npt.NDArray[np.uint8]
    start: npt.NDArray[np.int64]
    hw: npt.NDArray[np.int64]

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        """Photo `index`, `(H, W, 3)` uint8, blue first, read-only."""
        height, width = (int(side) for side in self.hw[index])
        begin = int(self.start[index])
        return self.flat[begin : begin + height * width * 3].reshape(height, width, 3)

    @classmethod
    def open(cls, people: Path, lines: list[dict[str, Any]], cache: Path) -> Pixels:
        """Maps the cache; decodes the shards into it if it is not there yet.

        Args:
            people: folder of the shards.
            lines: `labels.jsonl`, whose order the photos have here.
            cache: file to map, some 3 GB.

        Raises:
            DataError: a shard or a photo is missing or damaged.
        """
        hw = np.array([(line["height"], line["width"]) for line in lines], np.int64)
        sizes = hw.prod(axis=1) * 3
        start = np.concatenate([[0], np.cumsum(sizes)])
        if not cache.is_file() or cache.stat().st_size != start[-1]:
            _decode_all(people, lines, hw, start, cache)
        return cls(np.memmap(cache, np.uint8, "r"), start[:-1], hw)


def _decode_all(
    people: Path,
    lines: list[dict[str, Any]],
    hw: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    cache: Path,
) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    half = cache.with_suffix(".part")
    shards: dict[str, zipfile.ZipFile] = {}
    with half.open("wb") as file:
        for index, line in enumerate(lines):
            shard = line["shard"]
            try:
                if shard not in shards:
                    shards[shard] = zipfile.ZipFile(people / shard)
                data = shards[shard].read(line["name"])
            except (OSError, KeyError, zipfile.BadZipFile) as error:
                raise DataError(f"{line['name']} cannot be read from {people / shard}: {error}") from error
            image = read_photo(data, line["name"])
            if image.shape[:2] != tuple(hw[index]):
                raise DataError(f"{line['name']} is {image.shape[:2]}, its label says {tuple(hw[index])}")
            if file.tell() != start[index]:
                raise DataError(f"{cache} came out of step at {line['name']}")
            file.write(image.tobytes())
    for archive in shards.values():
        archive.close()
    half.replace(cache)
