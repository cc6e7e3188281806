"""SFace (Zhong et al., arXiv:2205.12010) as published by opencv_zoo, with its graph repaired."""

from __future__ import annotations

import hashlib
import importlib.util
from typing import TYPE_CHECKING

from ..errors import ModelAltered, ModelError
from ..models.store import find

if TYPE_CHECKING:
    from ..models.cards import EmbedderCard

__all__ = ["repaired", "repaired_file"]


def repaired(model: bytes) -> bytes:
    """Makes the published graph usable.

    It lists its dequantized weights among its inputs, so that ONNX Runtime demands them in every call, and
    fixes the batch at 1. Only `data` remains an input, and its first axis becomes free.

    Args:
        model: the serialized graph.

    Raises:
        ModelError: the package onnx is missing.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ModelError("embedder 'sface' needs the package onnx: install the extra `unionveil[identity]`")
    import onnx

    proto = onnx.load_from_string(model)
    graph = proto.graph
    images = [value for value in graph.input if value.name == "data"]
    del graph.input[:]
    graph.input.extend(images)
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return bytes(proto.SerializeToString(deterministic=True))


def repaired_file(card: EmbedderCard) -> bytes:
    """The repaired graph of the published file, checked against the digest on the card.

    Raises:
        ModelMissing: the published file is not on this machine.
        ModelAltered: it is a different file, or this version of onnx writes different bytes.
        ModelError: the package onnx is missing.
    """
    graph = repaired(find(card.model_copy(update={"rebuilt": None})).read_bytes())
    digest = hashlib.sha256(graph).hexdigest()
    if card.rebuilt is None or digest != card.rebuilt.sha256:
        expected = card.rebuilt.sha256 if card.rebuilt else "none"
        raise ModelAltered(card.name, "the repaired graph", digest, expected)
    return graph
