"""Figures of `docs/video.md`: hidden detections, and a pan over faces whose boxes are known.

Clips lie in the folder `UNIONVEIL_CLIPS`: see CONTRIBUTING.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from checked import read_bgr
from clips import made
from samples import SCENES
from unionveil.boxes import cover_pixels, expand
from unionveil.config import AnonymizeConfig
from unionveil.detect import FaceFinder
from unionveil.detections import Detections, FloatArray, Kind
from unionveil.pipeline import load
from unionveil.video.act import FAINT, Videos
from unionveil.video.extra import has_video
from unionveil.video.log import Log
from unionveil.video.plan import Plan
from unionveil.video.reader import reading
from unionveil.video.survey import survey
from unionveil.video.tracks import Found

CLIPS = os.environ.get("UNIONVEIL_CLIPS")

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif(not has_video(), reason="needs the extra video: pip install 'unionveil[video]'"),
]

COVERED = 0.95
FACE_XYXY = np.array([0.12, 0.16, 0.88, 0.95]) * [128, 160, 128, 160]
"""Forehead to chin in each face of `faces.png`; see tests/data/compose_scenes.py."""


def videos() -> Videos:
    config = AnonymizeConfig()
    finder = FaceFinder(config, 1)
    return Videos(config, load(config, finder=finder.faint(FAINT)), finder.sure)


def looks(data: bytes, finder: Videos) -> list[Found]:
    with reading(io.BytesIO(data), 1e9) as reader:
        return [finder._look(frame, reader.shape.colours) for frame in reader.frames()]


def planned(
    data: bytes, found: Sequence[Found], sure: Mapping[Kind, float], hidden: Callable[[int], bool]
) -> Plan:
    numbers = iter(range(len(found)))

    def look(_: object) -> Found:
        number = next(numbers)
        return Found(Detections.empty(), np.ones(0, bool)) if hidden(number) else found[number]

    with reading(io.BytesIO(data), 1e9) as reader:
        steps = survey(reader.frames(), reader.shape, look, Log(None), sure=sure, every=1)
        return _result(steps)


def _result(steps: Generator[float, None, Plan]) -> Plan:
    done: list[Plan] = []

    def kept() -> Generator[float, None, None]:
        done.append((yield from steps))

    for _ in kept():
        pass
    return done[0]


def shares(boxes: FloatArray, covers: Detections, size_wh: tuple[int, int]) -> list[float]:
    """The covered share of each box, as far as it lies in the frame."""
    mask = np.zeros(size_wh[::-1], bool)
    for x0, y0, x1, y1 in cover_pixels(expand(covers.xyxy, 0.15), size_wh).tolist():
        mask[y0:y1, x0:x1] = True
    parts = (mask[y0:y1, x0:x1] for x0, y0, x1, y1 in cover_pixels(boxes, size_wh).tolist())
    return [float(part.mean()) for part in parts if part.size]


@pytest.mark.skipif(not CLIPS, reason="needs UNIONVEIL_CLIPS, a folder of clips")
@pytest.mark.parametrize("name", ["carphone_pristine", "bikes"])
def test_hidden_detections_are_covered(name):
    data = (Path(CLIPS or "") / f"{name}.mp4").read_bytes()
    finder = videos()
    with reading(io.BytesIO(data), 1e9) as reader:
        size_wh = reader.shape.size_wh
    found = looks(data, finder)

    def hidden(number: int) -> bool:
        return number % 3 == 2 or 60 <= number < 70

    whole, plan = (planned(data, found, finder.sure, which) for which in (lambda _: False, hidden))
    covers = list(plan.faces())
    good: dict[str, list[bool]] = {"all": [], "sure": [], "score .9": []}
    for number in filter(hidden, range(len(found))):
        rows = whole.rows[(whole.rows["frame"] == number) & (whole.rows["score"] > 0)]
        for row in rows:
            is_good = all(share >= COVERED for share in shares(row["xyxy"][None], covers[number], size_wh))
            for kind, least in (("all", 0), ("sure", finder.sure[Kind.FACE]), ("score .9", 0.9)):
                good[kind] += [is_good] if row["score"] >= least else []
    per_frame = [len(faces) for faces in covers]
    for kind, each in good.items():
        print(f"{name}, {kind}: {sum(each)} of {len(each)} hidden boxes covered")
    print(f"{name}: {np.mean(per_frame):.1f} boxes per frame, {max(per_frame)} at most")
    assert all(good["score .9"])
    assert np.mean(good["all"]) >= 0.9


def test_every_face_of_a_pan_is_covered():
    width, count = 384, 600
    sheet = read_bgr(SCENES / "faces.png")[:, :, ::-1]
    lefts = [round(number * (sheet.shape[1] - width) / (count - 1)) for number in range(count)]
    data = made([np.ascontiguousarray(sheet[:, left : left + width]) for left in lefts])
    finder = videos()
    plan = planned(data, looks(data, finder), finder.sure, lambda _: False)
    good = []
    for left, faces in zip(lefts, plan.faces(), strict=True):
        boxes = (FACE_XYXY + np.arange(12)[:, None] * [128, 0, 128, 0] - [left, 0, left, 0]).astype(
            np.float32
        )
        good += [share >= COVERED for share in shares(boxes, faces, (width, 160))]
    print(f"pan: {sum(good)} of {len(good)} true boxes covered")
    assert all(good)
