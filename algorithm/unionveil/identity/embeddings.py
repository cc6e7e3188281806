"""What an embedder returns: one vector per face, and whether the face could be judged at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..detections import BoolArray, Detections, FloatArray, RgbImage
from ..models.cards import EmbedderCard

__all__ = ["Embedder", "Embeddings"]


@dataclass(frozen=True)
class Embeddings:
    """One vector per face, in the order of the `Detections` from which they were made.

    Attributes:
        vectors: `(N, D)` float32, rows of length 1; zeros where the face cannot be judged. The product of
            two rows is their cosine similarity.
        usable: `(N,)` bool; False if the face is too small, has no landmarks or produced no vector.
    """

    vectors: FloatArray
    usable: BoolArray

    def __post_init__(self) -> None:
        n = len(self.usable)
        if self.vectors.ndim != 2 or len(self.vectors) != n or self.vectors.dtype != np.float32:
            raise ValueError(
                f"Embeddings.vectors must be float32 ({n}, D), got {self.vectors.dtype} {self.vectors.shape}"
            )
        if self.usable.shape != (n,) or self.usable.dtype != np.bool_:
            raise ValueError(
                f"Embeddings.usable must be bool ({n},), got {self.usable.dtype} {self.usable.shape}"
            )

    def __len__(self) -> int:
        return len(self.usable)

    @classmethod
    def of(cls, vectors: FloatArray, usable: BoolArray) -> Embeddings:
        """Scales rows to length 1; a row that is not finite, or all zeros, becomes unusable.

        Args:
            vectors: `(N, D)`, of any length.
            usable: `(N,)`, faces that were passed to the network.
        """
        length = np.linalg.norm(vectors.astype(np.float64), axis=1)
        good = usable & np.isfinite(length) & (length > 0)
        unit = np.where(good[:, None], vectors, 0) / np.where(good, length, 1)[:, None]
        return cls(unit.astype(np.float32), good)


class Embedder(Protocol):
    """A loaded model."""

    @property
    def card(self) -> EmbedderCard:
        """The weights that it uses, with their template and thresholds."""
        ...

    def __call__(self, image: RgbImage, faces: Detections) -> Embeddings:
        """Embeds all faces of one picture in one batch.

        Args:
            image: `(H, W, 3)` uint8, RGB, upright.
            faces: in pixels of `image`.

        Returns:
            One row per face, in the order of `faces`.

        Raises:
            ModelError: the model failed.
        """
        ...
