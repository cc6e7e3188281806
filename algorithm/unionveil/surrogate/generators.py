"""The generators behind one protocol, and the code from which each group's face is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..config import KSame
from ..detections import FloatArray, RgbImage
from ..models.cards import WEIGHTS
from .linear import load_linear
from .onnx import load_onnx

__all__ = ["CodeArray", "Generator", "generator_file", "load_generator", "synthetic_codes"]

CodeArray = npt.NDArray[np.float16]

_LIGHT = 4
"""The first components are mostly light and colour of the whole face; strong noise in them looks painted."""

_LIGHT_NOISE, _NOISE = 0.35, 0.7
"""Standard deviations of the noise of a synthetic face, in units of those of people's codes."""


class Generator(Protocol):
    """Draws faces from codes."""

    @property
    def to_face(self) -> npt.NDArray[np.float64]:
        """`(2, 3)` from the landmark frame to pixels of its faces."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a code."""
        ...

    def faces(self, codes: FloatArray, yaw: FloatArray) -> RgbImage:
        """Draws faces.

        Args:
            codes: `(N, C)`.
            yaw: `(N,)` how far the heads are turned to a side, as measured by `template.yaw_of`.

        Returns:
            `(N, h, w, 3)` uint8.

        Raises:
            ModelError: the model failed.
        """
        ...


def generator_file(redaction: KSame) -> Path:
    """The file that contains a redaction's generator."""
    is_ours = redaction.surrogate in ("mean", "synthetic")
    return WEIGHTS / "surrogate.npz" if is_ours else Path(redaction.surrogate)


def load_generator(redaction: KSame, threads: int) -> Generator:
    """Loads the generator that a redaction names.

    Raises:
        ModelError: its file is missing, damaged or cannot be run.
        ConfigError: the card of a user's generator is missing or invalid.
    """
    path = generator_file(redaction)
    return load_linear(path) if redaction.surrogate in ("mean", "synthetic") else load_onnx(path, threads)


def synthetic_codes(means: FloatArray | None, seeds: list[bytes], dimensions: int) -> CodeArray:
    """A code of one non-existent person for each group.

    Args:
        means: `(G, C)` mean codes of our own generator, around which the people are drawn; with None they are
            drawn from the whole standard normal distribution, as other generators expect.
        seeds: one for each group; the same seed gives the same person.
        dimensions: C.
    """
    spread = np.ones(dimensions, np.float32)
    if means is not None:
        spread = np.where(np.arange(dimensions) < _LIGHT, _LIGHT_NOISE, _NOISE).astype(np.float32)
    codes = np.zeros((len(seeds), dimensions), np.float16)
    for number, noise in enumerate(_noise(seeds, dimensions)):
        codes[number] = noise * spread + (0 if means is None else means[number])
    return codes


def _noise(seeds: list[bytes], dimensions: int) -> Iterator[FloatArray]:
    for seed in seeds:
        number = int.from_bytes(hashlib.sha256(seed).digest(), "big")
        yield np.random.default_rng(number).standard_normal(dimensions, np.float32)
