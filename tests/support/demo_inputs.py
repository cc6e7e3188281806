"""The inputs of `make demo`."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from PIL import Image
from skimage import data

from paths import REPOSITORY

SCENES = REPOSITORY / "tests" / "data"


def lay_out(inputs: Path) -> None:
    """Seven inputs in the order of their names; the zip contains two pictures."""
    astronaut = Image.fromarray(data.astronaut())
    astronaut.save(inputs / "1-astronaut.jpg", quality=92)
    with zipfile.ZipFile(inputs / "2-two-scenes.zip", "w") as archive:
        archive.write(SCENES / "crowd.jpg", "crowd.jpg")
        archive.write(SCENES / "portrait.jpg", "portrait.jpg")
    shutil.copy(SCENES / "market.jpg", inputs / "3-without-extension")
    (inputs / "4-corrupt.jpg").write_bytes((SCENES / "market.jpg").read_bytes()[:20_000])
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    exif[0x010F] = "a camera that must not be in the output"
    astronaut.rotate(180).save(inputs / "5-upside-down.jpg", quality=92, exif=exif)
    Image.fromarray(data.brick()).save(inputs / "6-no-face.png")
