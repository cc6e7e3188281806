"""SFace (Zhong et al., arXiv:2205.12010) as published by opencv_zoo, its graph repaired."""

from __future__ import annotations

import importlib.util

from ..errors import ModelError

__all__ = ["repaired"]


def repaired(model: bytes) -> bytes:
    """Makes the published graph usable.

    It lists its dequantized weights among its inputs, so that ONNX Runtime demands them at every call, and
    fixes the batch at 1. Only `data` stays an input, and its first axis becomes free.

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
