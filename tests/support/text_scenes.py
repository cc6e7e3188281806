"""Photos that show text: badges, screens, signs and letters, drawn with nobody's data in them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

__all__ = ["SCENES_WITH_TEXT", "lined"]

Rgb = npt.NDArray[np.uint8]
Ink = tuple[int, int, int] | str

_WH = (1200, 900)


def _room(seed: int) -> Rgb:
    """Soft light on a wall and a table, a little noise: no text, no face."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(60, 200, (3, 4, 3)).astype(np.float32)
    room = cv2.resize(small, _WH, interpolation=cv2.INTER_CUBIC) + rng.normal(0, 3, (_WH[1], _WH[0], 3))
    return np.clip(room, 0, 255).astype(np.uint8)


def lined(
    lines: list[tuple[str, int]], size_wh: tuple[int, int], ink: Ink = "#202020", paper: Ink = "#f4f2ea"
) -> Rgb:
    """A card with lines of text, each with its height in pixels; RGB."""
    image = Image.new("RGB", size_wh, paper)
    pen, y = ImageDraw.Draw(image), size_wh[1] // 16
    for words, height_px in lines:
        pen.text((size_wh[0] // 14, y), words, fill=ink, font=ImageFont.load_default(height_px))
        y += round(1.5 * height_px)
    return np.array(image)


def _laid(room: Rgb, card: Rgb, corners: list[tuple[float, float]]) -> Rgb:
    """A card in a room, its corners clockwise from the upper left."""
    height, width = card.shape[:2]
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, np.array(corners, np.float32))
    laid = cv2.warpPerspective(card, matrix, _WH, flags=cv2.INTER_AREA)
    inside = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, _WH) > 127
    return np.where(inside[..., None], laid, room).astype(np.uint8)


def badge() -> Rgb:
    """A name badge that hangs at a slant."""
    card = lined([("KONFERENZ 2024", 34), ("Anna Kowalska", 72), ("Data Engineering", 44)], (640, 400))
    return _laid(_room(1), card, [(420, 310), (790, 350), (765, 580), (395, 540)])


def screen() -> Rgb:
    """A dark screen with a mail, seen from the side."""
    mail = [
        ("From: anna.kowalska@example.org", 40),
        ("To: Board of the cooperative", 40),
        ("Subject: Salary 2024, 54300 EUR", 40),
        ("Dear all, my new address is", 36),
        ("Lindenweg 17, 20095 Hamburg", 36),
        ("Phone +49 40 5550 1234", 36),
    ]
    card = lined(mail, (900, 560), ink="#d8e6ff", paper="#10141c")
    return _laid(_room(2), card, [(210, 190), (930, 260), (950, 660), (190, 700)])


def sign() -> Rgb:
    """A street sign and a house number, turned."""
    street = lined([("Lindenweg", 90)], (620, 170), ink="#ffffff", paper="#1c3c94")
    number = lined([("17 b", 80)], (260, 150), ink="#101010", paper="#ffffff")
    room = _laid(_room(3), street, [(200, 260), (640, 150), (670, 270), (230, 385)])
    return _laid(room, number, [(760, 480), (960, 520), (940, 640), (740, 600)])


def letter() -> Rgb:
    """A letter with small print on a table."""
    words = "Sehr geehrte Frau Kowalska, Ihr Konto 4711 0815 weist einen Betrag von 2450 Euro auf."
    parts = words.split()
    lines = [(" ".join(parts[at : at + 5]), 30) for at in range(0, len(parts), 5)] * 4
    card = lined(lines, (760, 1000))
    return _laid(_room(4), card, [(330, 40), (880, 70), (860, 860), (300, 830)])


SCENES_WITH_TEXT: dict[str, Callable[[], Rgb]] = {
    "badge": badge,
    "screen": screen,
    "sign": sign,
    "letter": letter,
}
