"""Photos of cars with number plates, drawn with nobody's data in them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

__all__ = ["PLATES", "car_with_plate"]

Rgb = npt.NDArray[np.uint8]

PLATES = {"eu": ("RK 857 AI", (520, 110)), "us": ("7SZH410", (305, 152)), "br": ("NZU-2673", (400, 130))}
"""Number, and width and height in millimetres, by region."""


def car_with_plate(
    region: str, width_px: int = 120, *, blank: bool = False
) -> tuple[Rgb, tuple[int, int, int, int]]:
    """The rear of a car on a grey road, and the box of its plate; with `blank`, the same without a plate."""
    number, (width_mm, height_mm) = PLATES[region]
    scale = width_px / width_mm
    photo = Image.new("RGB", (900, 700), "#8a8d90")
    pen = ImageDraw.Draw(photo)

    def box(x: float, y: float, width: float, height: float) -> tuple[int, int, int, int]:
        """A rectangle around a point that is given in millimetres from the plate's centre."""
        sides = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return tuple(round(middle + side * scale) for middle, side in zip((450, 400) * 2, sides, strict=True))  # type: ignore[return-value]

    pen.rectangle((0, 0, 900, 200), fill="#b9cbdc")
    pen.rectangle(box(0, 330, 1500, 200), fill="#26272a")
    pen.rectangle(box(0, -450, 1250, 500), fill="#7c1f22")
    pen.rectangle(box(0, -450, 1130, 400), fill="#20262c")
    pen.rectangle(box(0, 0, 1700, 520), fill="#8c2326")
    pen.rectangle(box(0, 200, 1700, 180), fill="#303236")
    for side in (-1, 1):
        pen.rectangle(box(side * 720, -60, 200, 220), fill="#c02a20")
    if not blank:
        place = box(0, 0, width_mm, height_mm)
        pen.rectangle(place, fill="#f2f2ee", outline="#111111")
        font = ImageFont.load_default(
            round(0.85 * height_mm * scale if region != "us" else 0.5 * height_mm * scale)
        )
        pen.text((450, 400), number, fill="#151515", font=font, anchor="mm")
    noise = np.random.default_rng(0).normal(0, 3, (700, 900, 3))
    return np.clip(np.array(photo) + noise, 0, 255).astype(np.uint8), box(0, 0, width_mm, height_mm)
