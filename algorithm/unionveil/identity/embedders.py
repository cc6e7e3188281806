"""Embedders: a card and its graph, on ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..boxes import shorter_sides
from ..detections import BoolArray, Detections, FloatArray, RgbImage
from ..errors import ModelError
from ..models.cards import EmbedderCard, embedder_card
from ..models.inference import PROCESSOR
from ..models.session import open_session
from ..models.store import find
from .align import aligned, similarity
from .dlib import rebuilt
from .embeddings import Embeddings
from .sface import repaired

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["OnnxEmbedder", "load_embedder"]

_MOST_AT_ONCE = 32
"""Faces per call of the network, which bounds its memory; enough for all but crowds."""


def load_embedder(name: str | EmbedderCard, threads: int) -> OnnxEmbedder:
    """Loads an embedder.

    Args:
        name: one of `models.cards.EMBEDDERS`, `onnx:FILE.onnx` with a card beside it, or the card itself.
        threads: threads for one call, at least 1.

    Raises:
        ConfigError: the embedder does not exist, or a user's card is missing or invalid.
        ModelError: its weights are missing, altered or cannot be loaded.
    """
    card = embedder_card(name) if isinstance(name, str) else name
    return OnnxEmbedder(card, _graph(card), threads)


def _graph(card: EmbedderCard) -> Path | bytes:
    path = find(card)
    if card.rebuilt and path.name == card.rebuilt.file:
        return path
    match card.kind:
        case "sface":
            return repaired(path.read_bytes())
        case "dlib":
            return rebuilt(path.read_bytes())
        case "onnx":
            return path


class OnnxEmbedder:
    """A network that reads aligned crops and returns one vector for each.

    Args:
        card: crop, template and normalisation.
        graph: path of the ONNX file, or the serialized graph, with a free first axis.
        threads: threads for one call, at least 1.

    Raises:
        ModelError: the graph cannot be loaded, or does not fit the card.
    """

    def __init__(self, card: EmbedderCard, graph: Path | bytes, threads: int) -> None:
        self.card = card
        self._session = open_session(graph, threads, PROCESSOR)
        self._template = np.asarray(card.template, np.float64)
        self._output = card.output or self._session.output_names[0]
        self._check_shape()

    def _check_shape(self) -> None:
        side = self.card.size_px
        batch, *shape = self._session.input_shape
        fits = len(shape) == 3 and all(
            given == wanted or not isinstance(given, int)
            for given, wanted in zip(shape, (3, side, side), strict=True)
        )
        if not fits or (isinstance(batch, int) and batch != 1):
            raise ModelError(
                f"{self.card.file} reads {tuple(self._session.input_shape)}; its card says faces of 3 "
                f"channels and {side} px: correct the card, or export the graph with a free first axis"
            )
        self._at_once = 1 if batch == 1 else _MOST_AT_ONCE

    def __call__(self, image: RgbImage, faces: Detections) -> Embeddings:
        """As `Embedder.__call__`."""
        matrices = similarity(faces.landmarks, self._template)
        usable = self._usable(faces) & np.isfinite(matrices).all(axis=(1, 2))
        rows = self.embed_crops(aligned(image, matrices[usable], self.card.size_px))
        vectors = np.zeros((len(faces), self.card.dimensions), np.float32)
        vectors[usable] = rows
        return Embeddings.of(vectors, usable)

    def _usable(self, faces: Detections) -> BoolArray:
        is_large = shorter_sides(faces.xyxy) >= self.card.least_face_px
        return is_large & np.isfinite(faces.landmarks).all(axis=(1, 2))

    def embed_crops(self, crops: RgbImage) -> FloatArray:
        """`(N, S, S, 3)` uint8 RGB crops, aligned to the template, to `(N, D)`, not scaled to length 1."""
        given = crops if self.card.channels == "rgb" else crops[..., ::-1]
        blob = given.astype(np.float32) - np.asarray(self.card.mean, np.float32)
        blob *= np.float32(self.card.scale)
        blob = np.ascontiguousarray(blob.transpose(0, 3, 1, 2))
        rows = np.zeros((len(blob), self.card.dimensions), np.float32)
        for start in range(0, len(blob), self._at_once):
            batch = blob[start : start + self._at_once]
            (output,) = self._session.run(batch, (self._output,))
            if output.size != len(batch) * self.card.dimensions:
                raise ModelError(
                    f"{self.card.file} returns {output.shape} for {len(batch)} faces; its card says vectors "
                    f"of {self.card.dimensions} numbers: correct the card"
                )
            rows[start : start + len(batch)] = output.reshape(len(batch), -1)
        return rows
