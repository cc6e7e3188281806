"""Videos beside deface 1.5.0 in one run, and the loss of encoding outside of covers; see `docs/video.md`.

Clips lie in the folder `UNIONVEIL_CLIPS`: see CONTRIBUTING.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from benchmark_tools import report
from clips import stamps
from unionveil.boxes import cover_pixels
from unionveil.config import AnonymizeConfig
from unionveil.detect import FaceFinder
from unionveil.detections import Detections
from unionveil.formats import VideoFormat
from unionveil.pipeline import load
from unionveil.redact import regions_of
from unionveil.video.act import FAINT, Videos
from unionveil.video.extra import has_video
from unionveil.video.log import Log
from unionveil.video.plan import Plan
from unionveil.video.reader import reading
from unionveil.video.state import State
from unionveil.video.survey import survey
from unionveil.video.tracks import Found

CLIPS = os.environ.get("UNIONVEIL_CLIPS")

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not has_video(), reason="needs the extra video: pip install 'unionveil[video]'"),
    pytest.mark.skipif(not CLIPS, reason="needs UNIONVEIL_CLIPS, a folder of clips"),
]

IN_VIEW = {"carphone_pristine": ((0, 119),), "bikes": ((30, 43), (103, 136))}
"""First and last frame of each close-up of a face, as seen by eye; our boxes are on it in all of them."""

BLACK_LEVEL, BLACK_SHARE = 36, 0.6
"""A face is covered if at least this share of its box is black; deface draws an ellipse in it."""

NEAR_PX = 8
"""Pixels so near to a cover are left out of PSNR: a block may belong to both."""

LEAST_DB = 38
OPTIONS: tuple[tuple[str, ...], ...] = ((), ("--mirror", "no"), ("--every", "3"), ("--detail", "fast"))
Luma = npt.NDArray[np.uint8]


def lumas(source: Any) -> Iterator[Luma]:
    import av

    with av.open(source) as file:
        for frame in file.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="gray"), np.uint8)


def planned(data: bytes, config: AnonymizeConfig) -> tuple[Videos, Plan]:
    finder = FaceFinder(config, 1)
    videos = Videos(config, load(config, threads=1, finder=finder.faint(FAINT)), finder.sure)
    return videos, videos._planned(io.BytesIO(data), VideoFormat.MP4, State(None), lambda _: None)


@pytest.mark.parametrize("codec", ["h264", "av1", "vp9"])
@pytest.mark.parametrize("name", ["carphone_pristine", "bikes"])
def test_pixels_outside_of_covers_stay_close(name, codec):
    data = (Path(CLIPS or "") / f"{name}.mp4").read_bytes()
    config = AnonymizeConfig(codec=codec, every=3)
    videos, plan = planned(data, config)
    file = io.BytesIO()
    videos._written(io.BytesIO(data), plan, VideoFormat.MP4, file, lambda _: None)
    loss = []
    pairs = zip(lumas(io.BytesIO(data)), lumas(io.BytesIO(file.getvalue())), plan.faces(), strict=True)
    for before, after, faces in pairs:
        near: Any = np.zeros(before.shape, np.uint8)
        for rows, columns, _ in regions_of(faces, before.shape[::-1], config):
            near[rows, columns] = 1
        near = cv2.dilate(near, np.ones((2 * NEAR_PX + 1, 2 * NEAR_PX + 1), np.uint8))
        error = np.square(before.astype(np.float64) - after)[near == 0].mean()
        loss.append(10 * np.log10(255**2 / max(error, 1e-9)))
    report(f"PSNR of {name}, {codec}", mean=f"{np.mean(loss):.1f} dB", worst_frame=f"{min(loss):.1f} dB")
    assert min(loss) > LEAST_DB
    assert stamps(file.getvalue()) == stamps(data)


@pytest.mark.parametrize("name", ["carphone_pristine", "bikes"])
def test_beside_deface(name, tmp_path, deface):
    clip = Path(CLIPS or "") / f"{name}.mp4"
    (tmp_path / "in").mkdir()
    shutil.copy(clip, tmp_path / "in")
    _, plan = planned(clip.read_bytes(), AnonymizeConfig())

    def measured(program: str, command: list[object], output: Path) -> int:
        seconds = cpu_seconds(*command, state=tmp_path / "state")
        covered, bare = judged(name, plan, output)
        report(
            f"{name}, {program}",
            frames_per_cpu_second=f"{len(plan.pts) / seconds:.1f}",
            true_faces_covered=f"{covered} of {covered + bare}",
            bare_although_there_before_and_after=bare,
        )
        return bare

    theirs = tmp_path / "deface.mp4"
    measured("deface", [deface / "deface", clip, "-o", theirs, "--replacewith", "solid"], theirs)
    for number, options in enumerate(OPTIONS):
        out = tmp_path / str(number)
        ours = [sys.executable, "-m", "unionveil", "anonymize", tmp_path / "in", "-o", out, "-q"]
        command = [*ours, "--jobs", "1", "--names", "keep", *options]
        bare = measured(" ".join(["unionveil", *options]), command, out / clip.name)
        assert options or not bare


@pytest.mark.parametrize("name", ["carphone_pristine", "bikes"])
def test_shares_of_processor_time(name):
    data = (Path(CLIPS or "") / f"{name}.mp4").read_bytes()
    videos, plan = planned(data, AnonymizeConfig())
    nothing = Found(Detections.empty(), np.ones(0, bool))

    def frames() -> None:
        with reading(io.BytesIO(data), 1e9) as reader:
            for _ in reader.frames():
                pass

    def flow() -> None:
        with reading(io.BytesIO(data), 1e9) as reader:
            for _ in survey(
                reader.frames(), reader.shape, lambda _: nothing, Log(None), sure=videos.sure, every=1
            ):
                pass

    def cover() -> None:
        videos._written(io.BytesIO(data), plan, VideoFormat.MP4, io.BytesIO(), lambda _: None)

    decoding, first, whole, second = (
        timed(act) for act in (frames, flow, lambda: planned(data, AnonymizeConfig()), cover)
    )
    parts = {
        "decoding three times": 3 * decoding,
        "flow": first - decoding,
        "detection": whole - first,
        "covering, encoding, checking": second - 2 * decoding,
    }
    report(f"shares of {name}", **{part: f"{each / (whole + second):.0%}" for part, each in parts.items()})


def timed(act: Callable[[], object]) -> float:
    start = time.process_time()
    act()
    return time.process_time() - start


def cpu_seconds(*command: object, state: Path) -> float:
    """Processor time of a command on one core, with everything that it starts."""
    code = (
        "import os, subprocess, sys\n"
        "os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])\n"
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)\n"
        "t = os.times()\n"
        "print(t.children_user + t.children_system)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, command)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "XDG_STATE_HOME": str(state)},
    )
    return float(done.stdout)


def judged(name: str, plan: Plan, output: Path) -> tuple[int, int]:
    """The frames of close-ups in which an output covers the face, and those in which it leaves it bare."""
    frames = list(lumas(output))
    covered = bare = 0
    for row in true_boxes(name, plan):
        frame = frames[row["frame"]]
        ((x0, y0, x1, y1),) = cover_pixels(row["xyxy"][None], frame.shape[::-1]).tolist()
        part = frame[y0:y1, x0:x1]
        is_covered = bool((part < BLACK_LEVEL).mean() >= BLACK_SHARE)
        covered, bare = covered + is_covered, bare + (not is_covered)
    return covered, bare


def true_boxes(name: str, plan: Plan) -> Iterator[Any]:
    """The row of the face in every frame of a close-up."""
    for first, last in IN_VIEW[name]:
        here = plan.rows[(plan.rows["frame"] >= first) & (plan.rows["frame"] <= last)]
        chain = np.bincount(here["track"], here["score"]).argmax()
        own = here[here["track"] == chain]
        for frame in range(first, last + 1):
            yield max(own[own["frame"] == frame], key=lambda row: float(row["score"]))
