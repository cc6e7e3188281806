"""JPEG coefficients of a thousand photos, read by another program, and the cost of writing them."""

import json
import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmark_tools import cpu_seconds, report
from paths import shared_folder
from phone_mix import make
from unionveil.images import Encoding, Patch, decode
from unionveil.images.coefficients import load

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

MOST_PHOTOS = 1000

COMPARE = """
import json, sys
import jpeglib, numpy as np
for line in open(sys.argv[1]):
    before, after, (top, bottom, left, right) = json.loads(line)
    before, after = jpeglib.read_dct(before), jpeglib.read_dct(after)
    pairs = [(getattr(before, name), getattr(after, name)) for name in ("Y", "Cb", "Cr", "K")]
    planes = [pair for pair in pairs if pair[0] is not None]
    units = [max(f[i] for f in before.samp_factor) for i in (0, 1)]
    outside = touched = blocks = 0
    for (a, b), (down, across) in zip(planes, before.samp_factor):
        changed = (np.asarray(a) != np.asarray(b)).any(axis=(2, 3))
        y = np.arange(changed.shape[0]) // down
        x = np.arange(changed.shape[1]) // across
        inside = ((y >= top // (8 * units[0])) & (y <= (bottom - 1) // (8 * units[0])))[:, None]
        inside = inside & ((x >= left // (8 * units[1])) & (x <= (right - 1) // (8 * units[1])))
        outside += int((changed & ~inside).sum())
        touched += int((changed & inside).sum())
        blocks += int((~inside).sum())
    print("BLOCKS", json.dumps([outside, touched, blocks]))
"""


def photos(shared: Path) -> list[tuple[str, bytes]]:
    """Up to a thousand JPEGs from all sources."""
    found = [
        (path.name, path.read_bytes()) for path in sorted((shared / "people/validation").glob("*/*.jpg"))
    ]
    for archive in sorted((shared / "people").glob("*.zip")):
        with zipfile.ZipFile(archive) as file:
            names = [name for name in file.namelist() if name.endswith(".jpg")]
            found += [(name, file.read(name)) for name in names[::4]]
    return found[:MOST_PHOTOS]


def covered(data: bytes, rng: np.random.Generator, filled: bool) -> tuple[bytes, list[int]] | None:
    """A photo with one random box covered, and the box grown by a pixel; None if pixels were encoded."""
    picture = decode(data, 1e9)
    (frame,) = picture.frames
    height, width, channels = frame.pixels.shape
    h, w = (int(rng.integers(8, max(9, side // 3))) for side in (height, width))
    y, x = int(rng.integers(0, height - h)), int(rng.integers(0, width - w))
    rows, columns = slice(y, y + h), slice(x, x + w)
    if filled:
        patch = Patch(rows, columns, np.zeros((1, 1, channels), np.uint8))
    else:
        down, across = np.mgrid[:h, :w]
        mask = ((down + 0.5) / h - 0.5) ** 2 + ((across + 0.5) / w - 0.5) ** 2 <= 0.25
        patch = Patch(rows, columns, frame.pixels[rows, columns][::-1, ::-1].copy(), mask)
    written = picture.write([[patch]])
    if written.encoding is not Encoding.COEFFICIENTS:
        return None
    return written.data, [max(0, y - 1), min(height, y + h + 1), max(0, x - 1), min(width, x + w + 1)]


@pytest.mark.skipif(load() is None, reason="no libturbojpeg here; on Debian: apt-get install libturbojpeg0")
def test_no_block_changes_outside_of_a_cover(jpeglib, tmp_path):
    shared = shared_folder()
    if shared is None:
        pytest.skip("no shared photos here: set UNIONVEIL_SHARED to their folder")
    rng = np.random.default_rng(0)
    pairs, sizes, refused = [], [], 0
    for number, (_, data) in enumerate(photos(shared)):
        done = covered(data, rng, filled=number % 2 == 0)
        if done is None:
            refused += 1
            continue
        before, after = tmp_path / f"{number}-a.jpg", tmp_path / f"{number}-b.jpg"
        before.write_bytes(data)
        after.write_bytes(done[0])
        pairs.append(json.dumps([str(before), str(after), done[1]]))
        sizes.append((len(data), len(decode(data, 1e9).write([()]).data)))
    (tmp_path / "pairs.jsonl").write_text("\n".join(pairs))
    command = [jpeglib, "-c", COMPARE, tmp_path / "pairs.jsonl"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    counts = np.array([json.loads(line[7:]) for line in output.splitlines() if line.startswith("BLOCKS")])
    outside, touched, blocks = counts.sum(axis=0)
    growth = [after / before for before, after in sizes]
    report(
        "JPEG coefficients",
        photos=len(counts),
        re_encoded=refused,
        blocks_outside=blocks,
        changed=outside,
        changed_inside=touched,
        size_median=f"{np.median(growth):.3f}",
        size_most=f"{max(growth):.3f}",
    )
    assert len(counts) == len(pairs)
    assert touched > 0
    assert outside == 0


def test_processor_time_beside_another_checkout(tmp_path):
    """`UNIONVEIL_BASELINE` names the other checkout; its packages are those of this environment."""
    make(tmp_path / "photos")
    here = cpu_seconds(Path(__file__).parents[2], tmp_path / "photos", tmp_path / "here")
    baseline = os.environ.get("UNIONVEIL_BASELINE")
    if baseline is None:
        report("CPU seconds for forty phone-like photos", here=f"{here:.1f}")
        pytest.skip("no other checkout to compare with: name one with UNIONVEIL_BASELINE")
    there = cpu_seconds(Path(baseline), tmp_path / "photos", tmp_path / "there")
    report(
        "CPU seconds for forty phone-like photos",
        here=f"{here:.1f}",
        baseline=f"{there:.1f}",
        ratio=f"{here / there:.3f}",
    )
    assert here <= 1.1 * there
