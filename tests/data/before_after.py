"""Makes `before-after.jpg`, the first picture in the README.

    python tests/data/before_after.py

On the left a scene of ours and NASA's portrait of Eileen Collins, on the right the outputs of `unionveil`.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageOps
from skimage import data

from unionveil import AnonymizeConfig, Anonymized, load

HERE = Path(__file__).parent
SIZE_WH = (480, 320)
GAP_PX = 8


def main() -> None:
    anonymizer = load(AnonymizeConfig())
    pictures = [(HERE / "market.jpg").read_bytes(), astronaut()]
    width, height = SIZE_WH
    sheet = Image.new("RGB", (2 * width + GAP_PX, len(pictures) * (height + GAP_PX) - GAP_PX), "white")
    for row, before in enumerate(pictures):
        outcome = anonymizer(before)
        if not isinstance(outcome, Anonymized):
            raise SystemExit(f"picture {row + 1} was rejected: {outcome.detail}")
        for column, content in enumerate((before, outcome.data)):
            with Image.open(io.BytesIO(content)) as image:
                small = ImageOps.fit(image.convert("RGB"), SIZE_WH, centering=(0.5, 0.2))
            sheet.paste(small, (column * (width + GAP_PX), row * (height + GAP_PX)))
    sheet.save(HERE / "before-after.jpg", quality=85, optimize=True)


def astronaut() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
