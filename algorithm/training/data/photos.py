"""The photos of the training set, decoded once into one file that all training processes map."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from .files import DataError

__all__ = ["Image", "Pixels", "read_photo"]

Image: TypeAlias = npt.NDArray[np.uint8]
"""`(H, W, 3)` uint8, blue first."""


def read_photo(data: bytes, name: str) -> Image:
    """Decodes a photo to `(H, W, 3)` uint8, blue first.

    Raises:
        DataError: the bytes cannot be decoded.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{name} cannot be decoded: the file is damaged, get it again")
    return np.asarray(image, np.uint8)


@dataclass(frozen=True)
class Pixels:
    """All decoded photos, memory-mapped from one file.

    Attributes:
        flat: every photo's pixels one after the other, uint8.
        start: `(N,)` offset of each photo in `flat`.
        hw: `(N, 2)` height and width of each photo.
    """

    flat: npt.NDArray[np.uint8]
    start: npt.NDArray[np.int64]
    hw: npt.NDArray[np.int64]

    def __getitem__(self, index: int) -> Image:
        """Photo `index`, `(H, W, 3)` uint8, blue first, read-only."""
        height, width = (int(side) for side in self.hw[index])
        begin = int(self.start[index])
        return self.flat[begin : begin + height * width * 3].reshape(height, width, 3)

    @classmethod
    def open(cls, people: Path, records: Sequence[dict[str, Any]], cache: Path) -> Pixels:
        """Maps the cache file; decodes the shards into it first if it does not exist yet.

        Args:
            people: folder of the shards.
            records: lines of `labels.jsonl`, in whose order the photos are stored.
            cache: file to map, about 3 GB for the whole set.

        Raises:
            DataError: a shard or a photo is missing or damaged.
        """
        hw = _sizes(people, records)
        start = np.concatenate([[0], np.cumsum(hw.prod(axis=1) * 3)])
        if not cache.is_file() or cache.stat().st_size != start[-1]:
            _decode_all(people, records, cache)
        return cls(np.memmap(cache, np.uint8, "r"), start[:-1], hw)


def _sizes(people: Path, records: Sequence[dict[str, Any]]) -> npt.NDArray[np.int64]:
    if not records:
        raise DataError(f"{people / 'labels.jsonl'} names no photo: get the labels again")
    try:
        return np.array([(record["height"], record["width"]) for record in records], np.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"a line of {people / 'labels.jsonl'} has no valid height and width ({error!r}): "
            "get the labels again"
        ) from error


def _decode_all(people: Path, records: Sequence[dict[str, Any]], cache: Path) -> None:
    """Writes all photos to the cache, whole or not at all."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    partial = cache.with_suffix(".part")
    shards: dict[str, zipfile.ZipFile] = {}
    try:
        with partial.open("wb") as file:
            for record in records:
                file.write(_decode(people, record, shards).tobytes())
    finally:
        for archive in shards.values():
            archive.close()
    partial.replace(cache)


def _decode(people: Path, record: dict[str, Any], shards: dict[str, zipfile.ZipFile]) -> Image:
    """Decodes one photo of a shard, and checks its size; keeps the shard open in `shards`."""
    try:
        name, shard = record["name"], record["shard"]
        if shard not in shards:
            shards[shard] = zipfile.ZipFile(people / shard)
        data = shards[shard].read(name)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{record.get('name')} cannot be read from its shard in {people}: {error}") from error
    image = read_photo(data, name)
    if image.shape[:2] != (record["height"], record["width"]):
        raise DataError(
            f"{name} is {image.shape[:2]}, its label says {(record['height'], record['width'])}: "
            "photos and labels are of different versions"
        )
    return image
