"""Videos on the command line, end to end: known people, every method, and kinds of covers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from checked import read_rgb
from clips import made
from samples import SCENES
from unionveil.models.cards import EMBEDDERS
from unionveil.models.store import state
from unionveil.video.extra import has_video

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_video(), reason="needs the extra video: pip install 'unionveil[video]'"),
]
knows_people = pytest.mark.skipif(
    state(EMBEDDERS["sface"]) == "missing", reason="the extra `identity` is not installed"
)

CLOSE = ("--match-threshold", "0.82")
"""The bundled faces are averages, and therefore somewhat similar."""

COUNT, SIDE_WH = 30, (128, 160)
ANN, BOB = 0, 7
Pixels = npt.NDArray[Any]


def face(number: int) -> Pixels:
    left = number * SIDE_WH[0]
    return read_rgb(SCENES / "faces.png")[:, left : left + SIDE_WH[0]]


def place(number: int, person: int) -> tuple[slice, slice]:
    """Where a face is in a frame: Ann moves to the right and down, Bob to the left."""
    left, top = (20 + 2 * number, 30 + number) if person == ANN else (330 - 2 * number, 40)
    return slice(top, top + SIDE_WH[1]), slice(left, left + SIDE_WH[0])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a second of video that shows two people, and a photo of one."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / "videos").mkdir()
    ground = np.ascontiguousarray(read_rgb(SCENES / "street.jpg")[:240, :480])
    frames = []
    for number in range(COUNT):
        frame = ground.copy()
        for person in (ANN, BOB):
            frame[place(number, person)] = face(person)
        frames.append(frame)
    (folder / "videos" / "a.mp4").write_bytes(made(frames))
    photo = cv2.resize(face(ANN), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(folder / "ann.png"), np.pad(photo, ((40, 40), (40, 40), (0, 0)), "edge")[..., ::-1])
    return folder


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unionveil", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def bare(folder: Path, person: int) -> list[float]:
    """How much of a face is as in the input, in each frame: the correlation of its inner part."""
    import av

    shares = []
    inner = np.s_[50:120, 30:98]
    with av.open(next(folder.glob("*.mp4"))) as file:
        for number, frame in enumerate(file.decode(video=0)):
            part = frame.to_ndarray(format="rgb24")[place(number, person)][inner].astype(float)
            wanted = face(person)[inner].astype(float)
            both = np.corrcoef(part.reshape(-1), wanted.reshape(-1))[0, 1] if part.std() > 1 else 0.0
            shares.append(float(both))
    return shares


def manifest(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return result


@knows_people
@pytest.mark.parametrize(
    ("option", "visible", "covered"), [("--keep", ANN, BOB), ("--only", BOB, ANN)], ids=["keep", "only"]
)
def test_known_people_stay_visible_or_are_covered(clip, tmp_path, option, visible, covered):
    out = tmp_path / "out"
    done = run("anonymize", clip / "videos", "-o", out, option, clip / "ann.png", *CLOSE, "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert "left visible  1 face" in done.stderr
    assert min(bare(out, visible)) > 0.9
    assert max(bare(out, covered)) < 0.5
    (item,) = manifest(out)["items"]
    assert (item["kept"], len(item["faces"])) == (1, 1)
    assert "ann" not in json.dumps(manifest(out))
    assert run("verify", out).returncode == 0


@pytest.mark.parametrize(
    "options",
    [
        ("--method", method)
        for method in ("fill", "pixelate", "gaussian", "median", "bilateral", "average", "overlay")
    ]
    + [("--cover", "head"), ("--cover", "face,plate"), ("--shape", "ellipse"), ("--every", "4")],
    ids=lambda options: options[1],
)
def test_every_method_covers_both_in_every_frame(clip, tmp_path, options):
    out = tmp_path / "out"
    done = run("anonymize", clip / "videos", "-o", out, *options, "--detail", "fast", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    for person in (ANN, BOB):
        assert max(bare(out, person)) < 0.85
    assert run("verify", out).returncode == 0
