"""Compares the outputs of two commits byte by byte, to show that a refactoring changes nothing.

    make compare-releases OLD=COMMIT [NEW=COMMIT]

Both anonymize the demo's inputs, the bundled scenes, every sample of the tests and 200 generated files of all
formats. It prints every output and every manifest field that differs, and exits with 1 if any does. OLD and
NEW are commits; NEW defaults to the working tree. Fields that only the new manifest has are listed, not
counted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import samples
from checked import read_rgb
from demo_inputs import lay_out

REPOSITORY = Path(__file__).parent.parent

GENERATED = 200

SETTINGS = (
    (),
    ("--method", "pixelate", "--shape", "ellipse", "--names", "keep"),
    ("--method", "gaussian", "--detail", "fast"),
    ("--method", "overlay", "--picture", "smile", "--margin", "0.3"),
)


def main(old: str, new: str | None) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        inputs = folder / "inputs"
        make_inputs(inputs)
        trees = [checked_out(old, folder / "old"), checked_out(new, folder / "new") if new else REPOSITORY]
        differences = files = 0
        for number, settings in enumerate(SETTINGS):
            outputs = [
                anonymized(tree, inputs, folder / f"{number}-{side}", settings)
                for side, tree in zip(("old", "new"), trees, strict=True)
            ]
            files += len(outputs[0])
            differences += compare(outputs[0], outputs[1], settings)
        for tree in trees:
            if tree != REPOSITORY:
                subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=REPOSITORY, check=True)
    print(f"{files} files compared, {differences} differ")
    return int(differences > 0)


def make_inputs(folder: Path) -> None:
    demo = folder / "demo"
    demo.mkdir(parents=True)
    lay_out(demo)
    shutil.copytree(
        samples.SCENES, folder / "scenes", ignore=shutil.ignore_patterns("*.py", "*.md", "*.json")
    )
    (folder / "samples").mkdir()
    for name, data in samples.all_samples().items():
        (folder / "samples" / name).write_bytes(data)
    (folder / "generated").mkdir()
    for number in range(GENERATED):
        name, data = generated(number)
        (folder / "generated" / f"{number:03d}-{name}").write_bytes(data)


def generated(number: int) -> tuple[str, bytes]:
    """A part of a scene, with or without faces, in one of the formats and qualities."""
    rng = np.random.default_rng(number)
    name = ("market.jpg", "portrait.jpg", "crowd.jpg", "street.jpg")[number % 4]
    scene = read_rgb(samples.SCENES / name)
    height, width = scene.shape[:2]
    w, h = int(rng.integers(120, min(500, width))), int(rng.integers(120, min(400, height)))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    image = Image.fromarray(np.ascontiguousarray(scene[y : y + h, x : x + w]))
    quality = int(rng.integers(60, 98))
    match number % 8:
        case 0:
            subsampling = ("4:4:4", "4:2:2", "4:2:0")[number // 8 % 3]
            exif = samples.exif(number // 8 % 8 + 1)
            return "jpeg", samples.save(image, "JPEG", quality=quality, subsampling=subsampling, exif=exif)
        case 1:
            return "png", samples.save(image.quantize(64) if number // 8 % 2 else image, "PNG")
        case 2:
            return "webp", samples.save(image, "WEBP", quality=quality, lossless=bool(number // 8 % 2))
        case 3:
            return "tiff", samples.save(image, "TIFF", compression=("tiff_lzw", "raw")[number // 8 % 2])
        case 4:
            return "bmp", samples.save(image, "BMP")
        case 5:
            return "gif", samples.save(image, "GIF")
        case 6:
            return "avif", samples.save(image, "AVIF", quality=quality)
        case _:
            grey = image.convert("L")
            return "jpeg-grey", samples.save(grey, "JPEG", quality=quality, progressive=True)


def checked_out(commit: str, folder: Path) -> Path:
    subprocess.run(
        ["git", "worktree", "add", "--quiet", "--detach", folder, commit], cwd=REPOSITORY, check=True
    )
    return folder


def anonymized(tree: Path, inputs: Path, output: Path, settings: tuple[str, ...]) -> dict[str, bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree / "algorithm"),
        "XDG_STATE_HOME": str(output) + "-state",
    }
    command = [sys.executable, "-m", "unionveil", "anonymize", str(inputs), "-o", str(output), *settings]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{tree}: {done.stderr}")
    paths = sorted(path for path in output.rglob("*") if path.is_file())
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in paths}


def compare(old: dict[str, bytes], new: dict[str, bytes], settings: tuple[str, ...]) -> int:
    differing = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if "manifest.json" in differing:
        before, after = (json.loads(side["manifest.json"]) for side in (old, new))
        differing.remove("manifest.json")
        differing += [f"manifest.json{place}" for place in fields_that_differ(before, after, "")]
    for name in differing:
        print(" ".join(settings) or "defaults", name, sep=": ")
    return len(differing)


def fields_that_differ(old: Any, new: Any, place: str) -> list[str]:
    if place == ".schema_version":
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in old.keys() | new.keys():
            if key in old:
                found += fields_that_differ(old[key], new.get(key), f"{place}.{key}")
        return found
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            found
            for number, pair in enumerate(zip(old, new, strict=True))
            for found in fields_that_differ(*pair, f"{place}[{number}]")
        ]
    return [] if old == new else [f"{place}: {old} -> {new}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
