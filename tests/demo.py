"""`make demo`: the main job on bundled pictures, in the layout of an Ocean node.

    python tests/demo.py [FOLDER]

Builds FOLDER/data/inputs, runs the compute job on FOLDER/data as a node would, prints the result of every
input and writes FOLDER/before-after.jpg.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps
from rich.console import Console
from rich.table import Table

from demo_inputs import lay_out
from paths import REPOSITORY
from unionveil.runs.schema import Manifest, RedactedRecord


def main(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    inputs = folder / "data" / "inputs"
    inputs.mkdir(parents=True)
    lay_out(inputs)
    job = [sys.executable, str(REPOSITORY / "algorithm" / "main.py"), "--data-dir", str(folder / "data")]
    code = subprocess.run(job, check=False).returncode
    if code != 1:
        raise SystemExit(f"the demo's job should end with 1, one input being corrupt; it ended with {code}")
    outputs = folder / "data" / "outputs"
    manifest = Manifest.model_validate_json((outputs / "manifest.json").read_bytes())
    show(manifest)
    contact_sheet(inputs, outputs, manifest).save(folder / "before-after.jpg", quality=88)
    print(f"outputs and manifest: {outputs}\nbefore and after:     {folder / 'before-after.jpg'}")


def show(manifest: Manifest) -> None:
    table = Table("input", "output", "size", "faces", "result")
    for item in manifest.items:
        if isinstance(item, RedactedRecord):
            width, height = item.size_wh
            table.add_row(
                str(item.input), item.output, f"{width}x{height}", str(len(item.faces)), item.format
            )
        else:
            table.add_row(str(item.input), "-", "-", "-", f"rejected: {item.detail}")
    Console().print(table)


def contact_sheet(inputs: Path, outputs: Path, manifest: Manifest) -> Image.Image:
    """Every input beside its output."""
    rows = []
    for before, item in zip(originals(inputs), manifest.items, strict=True):
        if isinstance(item, RedactedRecord) and before is not None:
            with Image.open(outputs / item.output) as after:
                rows.append((before, after.convert("RGB")))
    wide, tall = 480, 320
    sheet = Image.new("RGB", (2 * wide + 30, len(rows) * (tall + 10) + 40), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((10, 12), "before", "black", font_size=18)
    draw.text((wide + 20, 12), "after", "black", font_size=18)
    for row, pair in enumerate(rows):
        for column, image in enumerate(pair):
            small = ImageOps.contain(image, (wide, tall))
            sheet.paste(small, (10 + column * (wide + 10), 40 + row * (tall + 10)))
    return sheet


def originals(inputs: Path) -> list[Image.Image | None]:
    """The inputs' pictures in the job's order, upright; None for the corrupt one."""
    pictures: list[Image.Image | None] = []
    for path in sorted(inputs.iterdir()):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                pictures += [upright(archive.read(name)) for name in archive.namelist()]
        else:
            pictures.append(upright(path.read_bytes()))
    return pictures


def upright(content: bytes) -> Image.Image | None:
    try:
        with Image.open(io.BytesIO(content)) as image:
            return Image.fromarray(np.asarray(ImageOps.exif_transpose(image).convert("RGB")))
    except OSError:
        return None


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo-output"))
