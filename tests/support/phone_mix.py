"""Forty JPEGs like those of phones, made from the bundled scenes: `python tests/support/phone_mix.py FOLDER`.

24 of 12 megapixels, 12 of 2 to 3 and 4 of half a megapixel, quality 90, 4:2:0, with grain; twelve without a
face.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from checked import read_bgr

SCENES = Path(__file__).parents[1] / "data"
NAMES = ("crowd.jpg", "market.jpg", "portrait.jpg", "street.jpg")
SIZES = [(4032, 3024), (4000, 3000), (3024, 4032)] * 8 + [(1920, 1080), (1600, 1200), (2048, 1536)] * 4
SIZES += [(816, 612)] * 4
GRAIN = 5.0


def scene(name: str, faces: bool) -> np.ndarray:
    """A bundled scene, `(H, W, 3)` BGR; without faces, those are filled from their surroundings."""
    image = read_bgr(SCENES / name)
    if faces:
        return image
    boxes = json.loads((SCENES / "scenes.json").read_text())[name]
    mask = np.zeros(image.shape[:2], np.uint8)
    for x0, y0, x1, y1 in boxes:
        grow = 0.4 * max(x1 - x0, y1 - y0)
        corners = [int(x0 - grow), int(y0 - grow), int(x1 + grow), int(y1 + grow)]
        mask[max(0, corners[1]) : corners[3], max(0, corners[0]) : corners[2]] = 1
    small = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.where(mask[..., None] > 0, smooth, image)


def tiled(image: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """Enlarged at most twice and repeated, so that faces keep a plausible size and number."""
    width, height = size_wh
    scale = min(2.0, max(width / image.shape[1], height / image.shape[0]))
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    times = -(-height // image.shape[0]), -(-width // image.shape[1])
    return np.tile(image, (*times, 1))[:height, :width]


def make(folder: Path) -> None:
    """Writes the forty files, always the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, size_wh in enumerate(SIZES):
        rng = np.random.default_rng(number)
        image = tiled(scene(NAMES[number % 4], number not in (2, 22)), size_wh)
        image = np.roll(image, 24 * number, axis=1)
        image = cv2.add(image.astype(np.float32), rng.normal(0, GRAIN, image.shape).astype(np.float32))
        pixels = np.clip(image, 0, 255).astype(np.uint8)
        options = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR]
        cv2.imwrite(
            str(folder / f"{number:02d}.jpg"), pixels, [*options, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
        )


if __name__ == "__main__":
    make(Path(sys.argv[1]))
