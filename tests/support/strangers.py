"""Portraits of people who do not exist, drawn by our own generator: photos that any test can generate."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from unionveil.config import KSame
from unionveil.surrogate.generators import generator_file
from unionveil.surrogate.linear import load_linear
from unionveil.surrogate.template import EYES_PX, TEMPLATE, lay, to_frame

_SIDE, _EYES = 240, 44.0


def portraits(people: int, photos: int = 1) -> list[npt.NDArray[np.uint8]]:
    """`(240, 240, 3)` pictures, BGR: `photos` of each person, in different light and places."""
    generator = load_linear(generator_file(KSame()))
    rng = np.random.default_rng(11)
    result = []
    for code in rng.standard_normal((people, generator.dimensions)).astype(np.float32):
        for _ in range(photos):
            face = generator.faces(code[None], rng.normal(0, 0.05, 1).astype(np.float32))[0]
            result.append(_placed(face, rng))
    return result


def _placed(face: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A face before a blurred background."""
    noise = rng.integers(60, 200, (3, 3, 3), np.uint8)
    image = cv2.resize(noise, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    points = (TEMPLATE - TEMPLATE.mean(axis=0)) / EYES_PX * _EYES + _SIDE / 2 + rng.normal(0, 8, 2)
    laid = lay(face, np.eye(2, 3), to_frame(points[None].astype(np.float32))[0], (_SIDE, _SIDE))
    assert laid is not None
    under = image[laid.rows, laid.columns]
    under += (laid.rgb - under) * laid.alpha
    shown: npt.NDArray[np.uint8] = np.clip(image * rng.uniform(0.85, 1.15), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(shown[..., ::-1])
