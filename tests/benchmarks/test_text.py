"""Time and memory of finding text beside faces alone, within one run."""

import sys
from dataclasses import dataclass

import pytest

from benchmark_tools import measure, report
from samples import SCENES
from unionveil.models.cards import CARDS, TEXT_DETECTOR
from unionveil.models.store import state

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif(
        state(CARDS[TEXT_DETECTOR]) == "missing",
        reason="the detector of text is not here: install '.[text]'",
    ),
]

FIND = """
import sys, time
import cv2
import numpy as np
from unionveil import AnonymizeConfig
from unionveil.detect import load_finder
cv2.setNumThreads(1)
find = load_finder(AnonymizeConfig(cover=sys.argv[1]), 1)
photo = cv2.resize(cv2.imread(sys.argv[2])[..., ::-1], tuple(map(int, sys.argv[3:])))
photo = np.ascontiguousarray(photo)
find(photo)
begun = time.process_time()
for _ in range(3):
    find(photo)
print("SECONDS", (time.process_time() - begun) / 3)
"""


@dataclass(frozen=True)
class Found:
    """Time and memory of finding."""

    seconds: float
    peak_bytes: int


def found(cover: str, size_wh: tuple[int, int]) -> Found:
    done = measure(sys.executable, "-c", FIND, cover, SCENES / "market.jpg", *size_wh, cores=1)
    seconds = next(line for line in done.output.splitlines() if line.startswith("SECONDS"))
    return Found(float(seconds.split()[1]), done.peak_bytes)


@pytest.mark.parametrize(("size_wh", "most"), [((1280, 960), 3), ((4000, 3000), 5)])
def test_text_takes_a_few_times_as_long_as_faces(size_wh, most):
    faces, both = found("face", size_wh), found("face,text", size_wh)
    time_ratio, memory_ratio = both.seconds / faces.seconds, both.peak_bytes / faces.peak_bytes
    report(
        f"faces and text beside faces alone, {size_wh[0]} x {size_wh[1]}",
        time=f"{time_ratio:.1f}",
        memory=f"{memory_ratio:.2f}",
    )
    assert time_ratio < most
    assert memory_ratio < 2
