"""Number plates that are drawn: layouts of the EU, Great Britain, the US, Brazil and China.

Colours are RGB here, as Pillow takes them; finished plates are blue first.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

__all__ = ["LAYOUTS", "Drawer", "draw_words"]

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""`(H, W, 3)` uint8, blue first."""

Colour: TypeAlias = tuple[int, int, int]

_HEIGHT_PX = 96
"""Height of a plate as it is drawn."""

_BLACK, _WHITE, _OPAQUE = (24, 24, 26), (238, 238, 234), (255, 255, 255)
_STATES = ("CALIFORNIA", "TEXAS", "New York", "FLORIDA", "OHIO", "Illinois", "Georgia", "VIRGINIA", "UTAH")
_MOTTOS = ("SUNSHINE STATE", "GARDEN STATE", "Birthplace of Aviation", "dmv.ca.gov", "EMPIRE STATE", "")
_CHINA = "京沪粤浙苏鲁川豫"


class Drawer:
    """Draws plates.

    Args:
        fonts: with Latin letters.
        wide: that have Chinese characters, too; may be empty.
        rng: decides everything.
    """

    def __init__(
        self,
        fonts: Sequence[ImageFont.FreeTypeFont],
        wide: Sequence[ImageFont.FreeTypeFont],
        rng: np.random.Generator,
    ) -> None:
        self._fonts, self._wide, self._rng = list(fonts), list(wide), rng

    def __call__(self) -> Pixels:
        """One plate of any layout."""
        return LAYOUTS[int(self._rng.integers(len(LAYOUTS)))](self, self._rng)

    def text(
        self, image: Image.Image, words: str, xyxy: tuple[float, float, float, float], colour: Colour
    ) -> None:
        """Writes words that fill a box, however narrow the letters become."""
        left, top, right, bottom = (round(value) for value in xyxy)
        is_wide = any(ord(letter) > 0x2E7F for letter in words)
        known = self._wide if is_wide and self._wide else self._fonts
        font = known[int(self._rng.integers(len(known)))]
        x0, y0, x1, y1 = font.getbbox(words)
        mask = Image.new("L", (max(1, round(x1 - x0)), max(1, round(y1 - y0))))
        ImageDraw.Draw(mask).text((-x0, -y0), words, fill=255, font=font)
        mask = mask.resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BILINEAR)
        image.paste(colour, (left, top), mask)


def _letters(rng: np.random.Generator, pattern: str) -> str:
    """A random number: A stands for a letter, 0 for a digit."""
    sets = {"A": string.ascii_uppercase, "0": string.digits}
    return "".join(
        sets[mark][int(rng.integers(len(sets[mark])))] if mark in sets else mark for mark in pattern
    )


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _blank(ratio: float, colour: Colour) -> tuple[Image.Image, ImageDraw.ImageDraw, int, int]:
    width, height = round(ratio * _HEIGHT_PX), _HEIGHT_PX
    image = Image.new("RGB", (width, height), colour)
    return image, ImageDraw.Draw(image), width, height


def _near(rng: np.random.Generator, colour: Colour, by: int = 22) -> Colour:
    red, green, blue = (int(np.clip(value + rng.integers(-by, by + 1), 0, 255)) for value in colour)
    return red, green, blue


def _done(image: Image.Image) -> Pixels:
    return np.ascontiguousarray(np.asarray(image, np.uint8)[..., ::-1])


def _european(drawer: Drawer, rng: np.random.Generator) -> Pixels:
    """520 x 110 mm with a blue band, or 340 x 200 mm in two lines."""
    back = _near(rng, _WHITE if rng.random() < 0.85 else (236, 196, 40))
    has_lines = rng.random() < 0.12
    image, pen, width, height = _blank(1.7 if has_lines else rng.uniform(4.3, 4.8), back)
    band = height * (0.22 if has_lines else 0.4) if rng.random() < 0.65 else 0
    if band:
        pen.rectangle((0, 0, band, height), fill=_near(rng, (20, 50, 160)))
        drawer.text(
            image,
            _pick(rng, ("D", "F", "PL", "I", "E", "NL", "CZ", "HU")),
            (band * 0.25, height * 0.6, band * 0.8, height * 0.88),
            _WHITE,
        )
    ink = _near(rng, _BLACK if rng.random() < 0.9 else (150, 20, 30), 12)
    pattern = _pick(
        rng, ("AA-AA 000", "A AA 00", "00-AA-AA", "AA 000 AA", "AAA 0000", "0000 AAA", "0A0 0000", "AA 00000")
    )
    words = _letters(rng, pattern)
    left, right = band + 0.06 * width, 0.95 * width
    if has_lines:
        middle = len(words) // 2
        drawer.text(image, words[:middle].strip(), (left, 0.1 * height, right, 0.46 * height), ink)
        drawer.text(image, words[middle:].strip(), (left, 0.54 * height, right, 0.9 * height), ink)
    else:
        drawer.text(image, words, (left, 0.17 * height, right, 0.85 * height), ink)
    pen.rectangle((0, 0, width - 1, height - 1), outline=_near(rng, _BLACK), width=int(rng.integers(1, 4)))
    return _done(image)


def _british(drawer: Drawer, rng: np.random.Generator) -> Pixels:
    """520 x 111 mm, white in front and yellow behind."""
    image, _, width, height = _blank(4.68, _near(rng, (240, 200, 30) if rng.random() < 0.5 else _WHITE))
    drawer.text(
        image, _letters(rng, "AA00 AAA"), (0.05 * width, 0.14 * height, 0.95 * width, 0.86 * height), _BLACK
    )
    return _done(image)


def _american(drawer: Drawer, rng: np.random.Generator) -> Pixels:
    """12 x 6 inches, the state above, often a motto below, four holes."""
    back = _near(rng, _WHITE if rng.random() < 0.6 else tuple(int(v) for v in rng.integers(90, 256, 3)), 15)  # type: ignore[arg-type]
    image, pen, width, height = _blank(2.0, back)
    if rng.random() < 0.4:
        top = _near(rng, (90, 140, 210), 60)
        pen.rectangle((0, 0, width, height * rng.uniform(0.2, 0.5)), fill=top)
    ink = _near(rng, ((20, 30, 90), _BLACK, (150, 30, 30), (20, 80, 40))[int(rng.integers(4))], 20)
    if sum(back) < 380:
        ink = _near(rng, _WHITE)
    drawer.text(
        image,
        _pick(rng, _STATES),
        (0.24 * width, 0.06 * height, 0.76 * width, 0.22 * height),
        _near(rng, ink, 40),
    )
    words = _letters(
        rng, _pick(rng, ("AAA 0000", "0AAA000", "AAA-000", "000 AAA", "AA0 0A", "000-AAA", "A00-00A"))
    )
    drawer.text(image, words, (0.07 * width, 0.28 * height, 0.93 * width, 0.76 * height), ink)
    motto = _pick(rng, _MOTTOS)
    if motto:
        drawer.text(
            image, motto, (0.2 * width, 0.82 * height, 0.8 * width, 0.94 * height), _near(rng, ink, 40)
        )
    for x in (0.14, 0.86):
        for y in (0.1, 0.9):
            pen.ellipse((x * width - 3, y * height - 3, x * width + 3, y * height + 3), fill=(70, 70, 70))
    if rng.random() < 0.35:
        pen.rectangle(
            (0, 0, width - 1, height - 1), outline=_near(rng, (60, 60, 60), 50), width=int(rng.integers(2, 8))
        )
    return _done(image)


def _brazilian(drawer: Drawer, rng: np.random.Generator) -> Pixels:
    """400 x 130 mm: grey or red with the town above, or Mercosul's blue band."""
    if rng.random() < 0.25:
        image, pen, width, height = _blank(3.08, _near(rng, _WHITE))
        pen.rectangle((0, 0, width, 0.24 * height), fill=_near(rng, (20, 50, 160)))
        drawer.text(image, "BRASIL", (0.38 * width, 0.06 * height, 0.62 * width, 0.19 * height), _WHITE)
        drawer.text(
            image, _letters(rng, "AAA0A00"), (0.07 * width, 0.34 * height, 0.93 * width, 0.9 * height), _BLACK
        )
        return _done(image)
    is_red = rng.random() < 0.15
    image, pen, width, height = _blank(3.08, _near(rng, (170, 30, 40) if is_red else (176, 178, 180), 30))
    ink = _WHITE if is_red else _BLACK
    town = _pick(rng, ("SP-SAO PAULO", "PR-CURITIBA", "RJ-RIO DE JANEIRO", "MG-BELO HORIZONTE", "SC-ITAJAI"))
    drawer.text(image, town, (0.25 * width, 0.07 * height, 0.75 * width, 0.21 * height), ink)
    drawer.text(
        image, _letters(rng, "AAA-0000"), (0.06 * width, 0.3 * height, 0.94 * width, 0.92 * height), ink
    )
    pen.rectangle((0, 0, width - 1, height - 1), outline=_near(rng, ink, 40), width=2)
    return _done(image)


def _chinese(drawer: Drawer, rng: np.random.Generator) -> Pixels:
    """440 x 140 mm, white on blue, or black on green."""
    is_green = rng.random() < 0.3
    image, pen, width, height = _blank(3.14, _near(rng, (110, 200, 140) if is_green else (20, 60, 160), 25))
    ink = _BLACK if is_green else _WHITE
    drawer.text(image, _pick(rng, _CHINA), (0.05 * width, 0.17 * height, 0.16 * width, 0.85 * height), ink)
    drawer.text(
        image,
        _letters(rng, "A·00A00" if not is_green else "AA00000"),
        (0.18 * width, 0.17 * height, 0.95 * width, 0.85 * height),
        ink,
    )
    pen.rectangle((3, 3, width - 4, height - 4), outline=ink, width=2)
    return _done(image)


LAYOUTS: tuple[Callable[[Drawer, np.random.Generator], Pixels], ...] = (
    _european,
    _european,
    _british,
    _american,
    _american,
    _american,
    _brazilian,
    _brazilian,
    _chinese,
)
"""Layouts, in the shares in which they are drawn."""


def draw_words(drawer: Drawer, rng: np.random.Generator) -> Pixels:
    """Words that are not a plate, in one to four lines: a sign, a label, a telephone number, a date.

    Letters without a ground have a fourth channel, their opacity.
    """
    back: Colour = tuple(int(v) for v in rng.integers(0, 256, 3))  # type: ignore[assignment]
    ink: Colour = tuple(int(v) for v in rng.integers(0, 256, 3))  # type: ignore[assignment]
    if rng.random() < 0.6:
        back, ink = ((_WHITE, _BLACK), (_BLACK, _WHITE), ((20, 110, 60), _WHITE), ((30, 60, 160), _WHITE))[
            int(rng.integers(4))
        ]
    count = int(rng.choice([1, 1, 1, 2, 3, 4]))
    lines = [_line_of_words(rng) for _ in range(count)]
    longest = max(len(line) for line in lines)
    image, _, width, height = _blank(0.5 * longest / count * rng.uniform(0.7, 1.3) + 0.3, back)
    mask = Image.new("RGB", image.size)
    for number, words in enumerate(lines):
        reach = 0.94 * width * len(words) / longest
        upper = height * (0.1 + 0.85 * number / count)
        box = (0.03 * width, upper, 0.03 * width + reach, upper + 0.65 * height / count)
        drawer.text(image, words, box, ink)
        drawer.text(mask, words, box, _OPAQUE)
    if rng.random() < 0.6:
        return _done(image)
    letters = np.full((height, width, 3), ink[::-1], np.uint8)
    return np.dstack([letters, np.asarray(mask, np.uint8)[..., 0]])


def _line_of_words(rng: np.random.Generator) -> str:
    """Small letters, a telephone number, or capitals in more groups than a plate has."""
    kind = rng.random()
    if kind < 0.1:
        return _letters(rng, "A" * int(rng.integers(1, 4)))
    if kind < 0.6:
        letters = string.ascii_lowercase + string.ascii_letters + "     .-:/"
        return "".join(_pick(rng, letters) for _ in range(int(rng.integers(4, 22)))).strip() or "Exit"
    if kind < 0.75:
        numbers = ("000-000-0000", "(000) 000 0000", "+00 000 000000", "00:00:00 00/00/0000")
        return _letters(rng, _pick(rng, numbers))
    return " ".join(_letters(rng, "A" * int(rng.integers(2, 9))) for _ in range(int(rng.integers(1, 4))))
