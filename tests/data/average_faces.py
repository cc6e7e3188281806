"""Makes faces of people who do not exist: averages of many aligned portraits, light to dark.

    PYTHONPATH=tests/support python tests/data/average_faces.py PORTRAITS LABELS.jsonl OUT.png

PORTRAITS is a folder or a zip of photos, LABELS has one JSON object per line with `name`, `people` and
`faces` (`box` and five `landmarks` as x, y). Every average is made of at least 24 different people, so
nothing of any single one remains; only the averages are kept in this repository.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np

from checked import float32, opencv_pixels

SIZE_WH = (128, 160)
FACES = 12
PEOPLE_EACH = 24

# Positions of the five landmarks in an average, as shares of its width and height.
TEMPLATE = float32([[0.31, 0.44], [0.69, 0.44], [0.50, 0.60], [0.35, 0.75], [0.65, 0.75]]) * SIZE_WH


def main(portraits: Path, labels: Path, out: Path) -> None:
    aligned = [face for face in (align(*each) for each in read(portraits, labels)) if face is not None]
    # By skin: the mean of cheeks and nose, so that averages differ from light to dark.
    aligned.sort(key=lambda face: float(face[75:110, 40:88].mean()))
    groups = np.array_split(np.arange(len(aligned)), FACES)
    sheet = []
    for number, group in enumerate(groups):
        if len(group) < PEOPLE_EACH:
            raise SystemExit(f"face {number}: only {len(group)} people, {PEOPLE_EACH} are needed")
        mean = np.mean([aligned[i].astype(np.float32) for i in group], axis=0)
        # An average is soft; unsharp masking restores its outlines.
        sharp = mean + 1.5 * (mean - cv2.GaussianBlur(mean, (0, 0), 2.5))
        sheet.append(np.clip(sharp, 0, 255).astype(np.uint8))
        print(f"face {number}: {len(group)} people")
    cv2.imwrite(str(out), np.hstack(sheet))


def read(portraits: Path, labels: Path):
    """One portrait for each person: pixels and landmarks."""
    seen = set()
    archive = zipfile.ZipFile(portraits) if portraits.is_file() else None
    for line in labels.read_text().splitlines():
        entry = json.loads(line)
        person = entry.get("people")
        person = person[0] if isinstance(person, list) and person else person
        if not person or person in seen:
            continue
        faces = [face for face in entry["faces"] if face["landmarks"]]
        if not faces:
            continue
        try:
            data = archive.read(entry["name"]) if archive else (portraits / entry["name"]).read_bytes()
        except (KeyError, FileNotFoundError):
            continue
        seen.add(person)
        largest = max(faces, key=lambda face: face["box"][3] - face["box"][1])
        yield opencv_pixels(data, cv2.IMREAD_COLOR), float32(largest["landmarks"])


def align(image, landmarks):
    """A frontal face moved onto the template; None for a face turned away."""
    eyes = landmarks[1, 0] - landmarks[0, 0]
    if abs(landmarks[2, 0] - (landmarks[0, 0] + landmarks[1, 0]) / 2) > 0.12 * eyes:
        return None
    points = np.hstack([landmarks, np.ones((5, 1), np.float32)])
    matrix = np.linalg.lstsq(points, TEMPLATE, rcond=None)[0].T
    return cv2.warpAffine(image, matrix, SIZE_WH, borderMode=cv2.BORDER_REPLICATE)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
