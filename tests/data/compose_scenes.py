"""Composes the bundled scenes: painted streets with people whose faces are averages (see average_faces.py).

    PYTHONPATH=tests/support python tests/data/compose_scenes.py [OUT_FOLDER]

Writes the JPEGs and `scenes.json` with the box of every face, in pixels. The same script gives the same
scenes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from checked import read_bgr

HERE = Path(__file__).parent
FACE_WH = (128, 160)
# The face proper inside an average, forehead to chin, as shares of its width and height.
FACE_XYXY = np.array([0.12, 0.16, 0.88, 0.95])


def main(out: Path) -> None:
    sheet = read_bgr(HERE / "faces.png")
    faces = np.split(sheet, sheet.shape[1] // FACE_WH[0], axis=1)
    boxes = {}
    for name, size_wh, rows in (
        # Each row of people: their number, height of a face in px, vertical position of the chins.
        ("crowd.jpg", (2400, 1600), [(46, 22, 0.36), (36, 30, 0.44), (26, 42, 0.54), (18, 60, 0.68)]),
        ("market.jpg", (1600, 1067), [(7, 58, 0.46), (4, 130, 0.58)]),
        ("portrait.jpg", (800, 1000), [(1, 420, 0.62)]),
        ("street.jpg", (1024, 683), []),
    ):
        # The name seeds the scene, so that one can change without the others.
        rng = np.random.default_rng(list(name.encode()))
        scene = street(rng, size_wh)
        boxes[name] = [box for row in rows for box in people(rng, scene, faces, *row)]
        noisy = scene + rng.normal(0, 3, scene.shape)
        cv2.imwrite(str(out / name), np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])
    (out / "scenes.json").write_text(json.dumps(boxes, indent=1) + "\n")


def street(rng: np.random.Generator, size_wh: tuple[int, int]) -> np.ndarray:
    """Sky, houses with windows, and a pavement."""
    width, height = size_wh
    rows = np.linspace(0, 1, height)[:, None, None]
    scene = (np.array([230, 190, 150]) * (1 - rows) + np.array([240, 235, 225]) * rows) * np.ones(
        (1, width, 1)
    )
    horizon = int(height * 0.55)
    x = 0
    while x < width:
        wide, tall = int(rng.uniform(0.12, 0.25) * width), int(rng.uniform(0.2, 0.5) * height)
        colour = rng.uniform(90, 190, 3)
        scene[horizon - tall : horizon, x : x + wide] = colour
        step = max(24, wide // 5)
        for top in range(horizon - tall + step // 2, horizon - step, step):
            for left in range(x + step // 3, min(x + wide, width) - step, step):
                scene[top : top + step // 2, left : left + step // 2] = colour * rng.uniform(0.3, 0.6)
        x += wide
    scene[horizon:] = np.array([120, 125, 130]) + 30 * np.linspace(0, 1, height - horizon)[:, None, None]
    return scene


def people(rng, scene, faces, count, face_px, chin_share):
    """A row of people from left to right; yields the box of each face."""
    height, width = scene.shape[:2]
    for place in range(count):
        size = face_px * rng.uniform(0.9, 1.1)
        x = (place + 0.5 + rng.uniform(-0.2, 0.2)) * width / count
        y = chin_share * height + rng.uniform(-0.3, 0.3) * size
        yield person(rng, scene, faces[rng.integers(len(faces))], x, y, size)


def person(rng, scene, face, x, chin, size):
    """Shoulders, neck, hair and a face whose height from forehead to chin is `size`."""
    scale = size / ((FACE_XYXY[3] - FACE_XYXY[1]) * FACE_WH[1])
    wide, tall = round(FACE_WH[0] * scale), round(FACE_WH[1] * scale)
    left, top = round(x - wide / 2), round(chin - FACE_XYXY[3] * tall)
    skin = face[70:100, 45:83].reshape(-1, 3).mean(axis=0)
    clothes = rng.uniform(30, 200, 3)
    centre = (round(x), round(chin))
    body = (round(x), round(chin + 1.9 * size))
    cv2.ellipse(scene, body, (round(1.15 * size), round(1.7 * size)), 0, 180, 360, clothes.tolist(), -1)
    cv2.rectangle(
        scene,
        (round(x - 1.15 * size), body[1]),
        (round(x + 1.15 * size), scene.shape[0]),
        clothes.tolist(),
        -1,
    )
    cv2.ellipse(scene, centre, (round(0.28 * size), round(0.4 * size)), 0, 0, 360, (skin * 0.8).tolist(), -1)
    hair = (rng.uniform(15, 90) * np.array([0.6, 0.8, 1.0])).tolist()
    head = (round(x), round(chin - 0.55 * size))
    cv2.ellipse(scene, head, (round(0.52 * size), round(0.66 * size)), 0, 0, 360, hair, -1)
    paste(scene, cv2.resize(face, (wide, tall), interpolation=cv2.INTER_AREA), left, top)
    x0, y0, x1, y1 = FACE_XYXY * [wide, tall, wide, tall] + [left, top, left, top]
    return [round(float(v), 1) for v in (x0, y0, x1, y1)]


def paste(scene, face, left, top):
    """Pastes a face into the scene through a soft oval."""
    tall, wide = face.shape[:2]
    oval = np.zeros((tall, wide), np.float32)
    cv2.ellipse(
        oval, (wide // 2, round(tall * 0.56)), (round(wide * 0.38), round(tall * 0.40)), 0, 0, 360, 1, -1
    )
    oval = cv2.GaussianBlur(oval, (0, 0), max(0.5, wide * 0.03))[..., None]
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(scene.shape[1], left + wide), min(scene.shape[0], top + tall)
    if x0 < x1 and y0 < y1:
        part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
        scene[y0:y1, x0:x1] = scene[y0:y1, x0:x1] * (1 - oval[part]) + face[part] * oval[part]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
