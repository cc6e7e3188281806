"""Processor time for phone-like photos beside deface, and beside the least that any tool must do."""

from __future__ import annotations

import os
import shutil
import time
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from benchmark_tools import measure, report, unionveil
from checked import kept
from phone_mix import SIZES
from unionveil import AnonymizeConfig, Anonymized, load
from unionveil.content import FileContent
from unionveil.detect.blob import to_blob
from unionveil.detect.plan import plan_sizes, reduction
from unionveil.images.coefficients import Coding, TurboJpeg
from unionveil.images.coefficients import load as load_turbojpeg
from unionveil.images.jpeg_blocks import Grid, edits
from unionveil.images.jpeg_markers import parse
from unionveil.images.picture import Colour
from unionveil.models.cards import CARDS
from unionveil.models.inference import choose
from unionveil.models.session import open_session
from unionveil.models.store import find
from unionveil.redact import load_redactor

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

ENGINE = os.environ.get("UNIONVEIL_ENGINE", "auto")

CONFIG = AnonymizeConfig.from_parameters({"mirror": "no", "engine": ENGINE})


@pytest.mark.parametrize(
    ("title", "least", "most_px", "rounds"),
    [
        ("the mix", 8.5, 1e9, 1),
        ("1 to 4 megapixels", 5, 4e6, 1),
        # Starting takes as long as four of these photos, which a folder of ordinary size hides.
        ("1 to 4 megapixels, ten times", 5.5, 4e6, 10),
    ],
)
def test_photos_for_each_processor_second_beside_deface(deface, mix, tmp_path, title, least, most_px, rounds):
    some = [number for number, (w, h) in enumerate(SIZES) if most_px == 1e9 or 1e6 <= w * h <= most_px]
    for folder in ("ours", "theirs"):
        (tmp_path / folder).mkdir()
        for number, turn in product(some, range(rounds)):
            shutil.copy(mix / f"{number:02d}.jpg", tmp_path / folder / f"{number:02d}-{turn}.jpg")
    theirs = measure(
        deface / "deface", "--backend", "onnxrt", *sorted((tmp_path / "theirs").iterdir()), cores=1
    )
    options = ["--mirror", "no", "--jobs", "1", "--engine", ENGINE]
    ours = unionveil(tmp_path / "ours", "-o", tmp_path / "out", *options, cores=1)
    assert len(list((tmp_path / "out").glob("*.jpg"))) == len(some) * rounds
    assert len(list((tmp_path / "theirs").glob("*_anonymized.jpg"))) == len(some) * rounds
    ratio = theirs.cpu_seconds / ours.cpu_seconds
    report(
        f"CPU seconds for {len(some) * rounds} photos ({title}), engine {ENGINE}",
        unionveil=f"{ours.cpu_seconds:.1f}",
        deface=f"{theirs.cpu_seconds:.1f}",
        ratio=f"{ratio:.1f}",
        peaks=f"{ours.peak_bytes >> 20} and {theirs.peak_bytes >> 20} MiB",
    )
    assert ratio >= least


class Least:
    """What no tool can leave out: a reduced decode, the network on its largest look, and flat covers."""

    def __init__(self, codec: TurboJpeg) -> None:
        self._codec = codec
        self._card = CARDS["retinaface"]
        self._session = open_session(find(self._card), 1, choose(CONFIG.engine))
        self._redact = load_redactor(CONFIG)

    def __call__(self, path: Path, done: Anonymized, frame) -> bytes:
        jpeg = parse(path.read_bytes())
        scale = reduction(jpeg.size_wh, "standard")
        pixels = self._codec.decode(jpeg.data, jpeg.size_wh, Colour.RGB, scale)
        width, height = plan_sizes(jpeg.size_wh, "standard")[0]
        blob = to_blob(
            np.asarray(pixels[:height, :width], np.uint8),
            channels="bgr",
            multiple_px=self._session.multiple_px,
            mean=self._card.mean_bgr,
        )
        self._session.run(blob, self._card.outputs)
        grid = Grid.of(jpeg)
        coding = Coding(
            1, jpeg.progressive, jpeg.standard_tables, tuple(part.table for part in grid.components)
        )
        return self._codec.rewrite(
            jpeg.data, list(edits(frame, self._redact(frame, done.faces[0]), grid)), coding, None
        )


def test_beside_the_least_that_must_be_done(mix):
    codec = load_turbojpeg()
    if codec is None:
        pytest.skip("no libturbojpeg is installed here")
    anonymizer = load(CONFIG, threads=1)
    least = Least(codec)
    seconds = {"unionveil": 0.0, "least": 0.0}
    # Photos whose reduced copy is at least as large as the largest look, so that nothing is resized.
    paths = [mix / f"{n:02d}.jpg" for n, (w, h) in enumerate(SIZES) if w * h > 1e7][:12]
    for path in (paths[0], *paths):
        if path is paths[0]:
            seconds = dict.fromkeys(seconds, 0.0)  # its first round loads and warms up everything
        start = time.process_time()
        done = anonymizer(path)
        assert isinstance(done, Anonymized)
        middle = time.process_time()
        frame = kept(anonymizer.inspect(FileContent(path))).picture.frames[0]
        before = time.process_time()
        assert least(path, done, frame)
        seconds["unionveil"] += middle - start
        seconds["least"] += time.process_time() - before
    ratio = seconds["unionveil"] / seconds["least"]
    report(
        f"CPU seconds for {len(paths)} photos of 12 megapixels at `standard`, engine {ENGINE}",
        **{name: f"{value:.1f}" for name, value in seconds.items()},
        ratio=f"{ratio:.2f}",
    )
    assert ratio <= 0.9
