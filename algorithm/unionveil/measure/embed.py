"""The attackers' recognizer, for crops of any size."""

from __future__ import annotations

import cv2
import numpy as np

from ..engines.resources import usable_cores
from ..identity.embedders import load_embedder
from ..identity.embeddings import Embeddings
from .attackers import Crops, EmbedCrops

__all__ = ["attacker_of"]


def attacker_of(name: str) -> EmbedCrops:
    """The recognizer, which turns aligned crops into vectors.

    Args:
        name: of the embedder; the crops must be aligned to its template.

    Raises:
        ModelError: its weights are missing, altered or cannot be loaded.
    """
    embedder = load_embedder(name, usable_cores())
    side = embedder.card.size_px

    def embed(crops: Crops) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        large = np.zeros((len(crops), side, side, 3), np.uint8)
        for target, crop in zip(large, crops, strict=True):
            cv2.resize(crop, (side, side), dst=target, interpolation=cv2.INTER_LINEAR)
        return Embeddings.of(embedder.embed_crops(large), np.ones(len(crops), bool)).vectors

    return embed
