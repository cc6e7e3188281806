"""Fits the generator of surrogate faces: `weights/surrogate.npz`, in seconds, from labelled photos.

    python -m training.surrogate --people FOLDER --out algorithm/unionveil/weights/surrogate.npz

Faces are cut into the landmark frame, averaged with their mirror images, and described by their principal
components (Turk and Pentland, "Eigenfaces for recognition", 1991). How they change when heads turn is a
regression of their antisymmetric part on the nose's place.
"""

from __future__ import annotations

import argparse
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from unionveil.surrogate.linear import Parts, half_of
from unionveil.surrogate.template import EYES_PX, FEATHER, SIZE_WH, TEMPLATE, chips, radius, to_frame, yaw_of

from .data.files import DataError, read_jsonl
from .data.photos import read_photo

__all__ = ["Chips", "fit", "read_chips"]

FloatArray = npt.NDArray[np.float32]

COMPONENTS = 160
_MASKED_SOURCES = ("mask853", "maskweb")
_LEAST_FACE_PX = 48
_LEAST_EYES_PX = EYES_PX / 2
_MOST_PER_PERSON = 2
_MOST_OFF = 0.35
"""Largest distance of a landmark from the template, in eye distances: profiles and mistakes have more."""

_KEPT = 0.9
"""Share of the faces that the next of three fits keeps; masks, microphones and dark glasses fit worst."""

_JUDGED_BY = 40
_SMOOTH = 16
"""Components that may change the rim; the others fade out there, or hats and hair would show as ghosts."""

_RIDGE = 0.01
"""Share of a product's variance that is taken for noise."""

_EDGE, _BAND = 0.7, 0.1
"""Radius, in ovals, from which the face is stretched to the rim, and width of the band that is stretched."""

_SHARPEN, _SHARPEN_PX = 0.7, 2.0
"""Amount and radius of an unsharp mask: means of faces that are aligned by five points are soft."""


@dataclass(frozen=True)
class Chips:
    """Faces in the landmark frame.

    Attributes:
        pixels: `(N, 144, 112, 3)` uint8.
        yaw: `(N,)` float32, as `yaw_of` measures it.
    """

    pixels: npt.NDArray[np.uint8]
    yaw: FloatArray


def read_chips(people: Path) -> Chips:
    """Cuts the faces of all photos that are large, whole and not masked.

    Args:
        people: folder of `labels.jsonl` and its shards.

    Raises:
        DataError: labels or photos are missing or damaged, or hold too few such faces.
    """
    found = list(_faces(people, read_jsonl(people / "labels.jsonl")))
    if len(found) < 2 * COMPONENTS:
        raise DataError(f"{people} holds {len(found)} faces to fit on: at least {2 * COMPONENTS} are needed")
    return Chips(np.stack([pixels for pixels, _ in found]), np.asarray([yaw for _, yaw in found], np.float32))


def _faces(people: Path, records: Iterable[dict[str, Any]]) -> Iterator[tuple[npt.NDArray[np.uint8], float]]:
    taken: Counter[str] = Counter()
    shards: dict[str, zipfile.ZipFile] = {}
    for record in records:
        who = record["people"]
        faces = [face for face in record["faces"] if _is_clear(face)]
        if record["source"] in _MASKED_SOURCES or not faces or (who and taken[who] >= _MOST_PER_PERSON):
            continue
        taken[who] += 1
        try:
            if record["shard"] not in shards:
                shards[record["shard"]] = zipfile.ZipFile(people / record["shard"])
            photo = read_photo(shards[record["shard"]].read(record["name"]), record["name"])
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(f"{record['shard']} cannot be read: {error}; get the shard again") from error
        landmarks = np.asarray([face["landmarks"] for face in faces], np.float32)
        matrices = to_frame(landmarks)
        good = _fit_the_template(landmarks, matrices) & _are_inside(matrices, photo.shape[1::-1])
        rgb = np.ascontiguousarray(photo[..., ::-1])
        yield from zip(chips(rgb, matrices[good]), yaw_of(landmarks[good]).tolist(), strict=True)


def _is_clear(face: dict[str, Any]) -> bool:
    left, top, right, bottom = face["box"]
    is_sure = face["score_retinaface"] > 0.9 and face["score_yunet"] > 0.8
    is_large = min(right - left, bottom - top) >= _LEAST_FACE_PX
    return bool(is_sure and is_large and face["landmarks"] and not face["ignore"])


def _fit_the_template(landmarks: FloatArray, matrices: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    here = np.einsum("nij,npj->npi", matrices[:, :, :2], landmarks) + matrices[:, None, :, 2]
    off = np.abs(here - TEMPLATE).max(axis=(1, 2)) / EYES_PX
    enlarged = np.hypot(matrices[:, 0, 0], matrices[:, 0, 1])
    return np.asarray((off < _MOST_OFF) & (enlarged < EYES_PX / _LEAST_EYES_PX), np.bool_)


def _are_inside(matrices: npt.NDArray[np.float64], size_wh: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Whether most of each chip is inside its photo."""
    width, height = SIZE_WH
    corners = np.asarray([[8, 8], [width - 8, 8], [8, height - 8], [width - 8, height - 8]])
    back = np.linalg.inv(matrices[:, :, :2])
    points = np.einsum("nij,npj->npi", back, corners - matrices[:, None, :, 2])
    inside = (points >= -3) & (points <= np.asarray(size_wh) + 3)
    return np.asarray(inside.all(axis=(1, 2)), np.bool_)


def fit(faces: Chips) -> Parts:
    """Fits the generator.

    Args:
        faces: at least 320 chips.
    """
    mask = radius() <= FEATHER + 0.03
    weight = np.clip((1 - radius()) / 0.35, 0, 1) * 0.95 + 0.05
    weights = half_of(weight[..., None], mask)
    flipped = faces.pixels[:, :, ::-1].astype(np.float32)
    even = half_of((faces.pixels + flipped) / 2, mask).reshape(len(flipped), -1)
    wide = np.repeat(weights[:, 0], 3)
    kept = _clean(even, wide)
    mean = even[kept].mean(axis=0)
    off = even[kept] - mean
    codes, _ = _components(off * wide)
    turn = _turn(half_of((faces.pixels - flipped) / 2, mask)[kept], faces.yaw[kept])
    basis = (codes.T @ off / len(kept)).reshape(COMPONENTS, -1, 3)
    basis = _drawn(basis, mask, 1) * _fades(mask)
    scale = np.abs(basis).max(axis=(1, 2)) / 127
    small = np.rint(basis / scale[:, None, None]).astype(np.int8).reshape(COMPONENTS, -1)
    encoder = _encoder((off * wide**2) @ (small * scale[:, None]).T, codes)
    mean = _drawn(mean.reshape(1, -1, 3), mask, 1)[0]
    return Parts(mask, mean, small, scale, _drawn(turn[None], mask, -1)[0], encoder, weights[:, 0])


def _turn(odd: FloatArray, yaw: FloatArray) -> FloatArray:
    """Change per eye distance of yaw, `(P, 3)`, by least squares."""
    turn: FloatArray = np.einsum("n,npc->pc", yaw, odd) / (yaw @ yaw)
    return turn


def _encoder(products: FloatArray, codes: FloatArray) -> FloatArray:
    """`(160, 160)` from products of chips and components to codes, by ridge regression."""
    size = np.sqrt((products**2).mean(axis=0))
    scaled = products / size
    gram = scaled.T @ scaled + _RIDGE * len(codes) * np.eye(len(size))
    encoder: FloatArray = (np.linalg.solve(gram, scaled.T @ codes) / size[:, None]).astype(np.float32)
    return encoder


def _drawn(half: FloatArray, mask: npt.NDArray[np.bool_], sign: int) -> FloatArray:
    """Left halves as they are drawn: the edge of the face stretched to the rim, and details sharpened.

    What lies around a face, hair and background, averages to a grey halo.

    Args:
        half: `(N, P, 3)`.
        mask: `(144, 112)`.
        sign: 1 for symmetric pictures, -1 for antisymmetric ones.
    """
    width, height = SIZE_WH
    columns = width // 2
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    distance = np.maximum(radius(), 1e-3)
    beyond = np.maximum(distance - _EDGE, 0)
    factor = np.minimum(distance, _EDGE + _BAND * (1 - np.exp(-beyond / _BAND))) / distance
    to_x = ((x - (width - 1) / 2) * factor + (width - 1) / 2).astype(np.float32)
    to_y = ((y - (height - 1) / 2) * factor + (height - 1) / 2).astype(np.float32)
    result = np.empty_like(half)
    for number, values in enumerate(half):
        whole = np.zeros((height, width, 3), np.float32)
        whole[:, :columns][mask[:, :columns]] = values
        whole[:, columns:] = sign * whole[:, :columns][:, ::-1]
        stretched = cv2.remap(whole, to_x, to_y, cv2.INTER_LINEAR)
        sharp = stretched + _SHARPEN * (stretched - cv2.GaussianBlur(stretched, (0, 0), _SHARPEN_PX))
        result[number] = half_of(sharp, mask)
    return result


def _clean(even: FloatArray, weight: FloatArray) -> npt.NDArray[np.intp]:
    """Indices of faces that a few components describe well."""
    kept = np.arange(len(even))
    for _ in range(2):
        part = (even[kept] - even[kept].mean(axis=0)) * weight
        codes, energy = _components(part)
        explained = (codes[:, :_JUDGED_BY] ** 2 * energy[:_JUDGED_BY]).sum(axis=1)
        residual = (part**2).sum(axis=1) - explained
        kept = kept[np.sort(np.argsort(residual, kind="stable")[: int(len(kept) * _KEPT)])]
    return kept


def _components(rows: FloatArray) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Codes of rows, `(N, 160)`, each of variance 1, and each component's energy per row."""
    values, vectors = np.linalg.eigh(rows @ rows.T)
    codes = vectors[:, ::-1][:, :COMPONENTS]
    codes = codes * np.sign(codes[np.abs(codes).argmax(axis=0), np.arange(COMPONENTS)])
    return codes * np.sqrt(len(rows)), values[::-1][:COMPONENTS] / len(rows)


def _fades(mask: npt.NDArray[np.bool_]) -> FloatArray:
    """`(160, P, 1)` factors: the first components reach to the rim, the others fade out before it."""
    share = np.clip((1.05 - radius()) / 0.35, 0, 1)
    fade = half_of((share * share * (3 - 2 * share))[..., None], mask)
    result = np.ones((COMPONENTS, len(fade), 1), np.float32)
    result[_SMOOTH:] = fade
    return result


def main() -> None:
    """Reads the arguments and writes the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path, required=True, help="folder of labelled photos")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    options = parser.parse_args()
    try:
        faces = read_chips(options.people)
    except DataError as error:
        raise SystemExit(f"training.surrogate: {error}") from error
    fit(faces).save(options.out)
    print(f"{len(faces.pixels)} faces, {options.out.stat().st_size / 1e6:.1f} MB in {options.out}")


if __name__ == "__main__":
    main()
