"""A published detector's ONNX graph in torch, which can compute it in bfloat16.

Only the operations that the teaching detectors are made of; tests hold their outcome against ONNX Runtime's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor
from torch.nn import functional

__all__ = ["Graph", "layers_of"]


class Graph:
    """Computes some values of a graph with one image input; nothing in it is learned.

    Args:
        model: the graph.
        wanted: names of the values.
        dtype: that it computes in.

    Raises:
        ValueError: the graph has an operation that is not known here.
    """

    def __init__(self, model: onnx.ModelProto, wanted: Sequence[str], dtype: torch.dtype) -> None:
        nodes = _needed(model.graph.node, wanted)
        used = {name for node in nodes for name in node.input}
        tensors = [tensor for tensor in model.graph.initializer if tensor.name in used]
        self._image = model.graph.input[0].name
        self._wanted, self._dtype = list(wanted), dtype
        self._steps = [(_step(node), list(node.input), node.output[0]) for node in nodes]
        self._weights = {tensor.name: _weight(tensor, dtype) for tensor in tensors}

    def __call__(self, image: Tensor) -> list[Tensor]:
        """`(N, 3, H, W)` to the values, float32."""
        picture = image.to(self._dtype, memory_format=torch.channels_last)
        values = {self._image: picture, **self._weights}
        for step, inputs, output in self._steps:
            values[output] = step(*(values[name] for name in inputs if name))
        return [values[name].float() for name in self._wanted]


def layers_of(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """The graph's layers by the names of their weights."""
    return {name: node for node in model.graph.node for name in node.input[1:]}


def _needed(nodes: Sequence[onnx.NodeProto], wanted: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes without which the values cannot be computed, in order."""
    names, kept = set(wanted), []
    for node in reversed(nodes):
        if names & set(node.output):
            names |= set(node.input)
            kept.append(node)
    return kept[::-1]


def _weight(tensor: onnx.TensorProto, dtype: torch.dtype) -> Tensor:
    weight = torch.from_numpy(numpy_helper.to_array(tensor).copy()).to(dtype)
    return weight.contiguous(memory_format=torch.channels_last) if weight.ndim == 4 else weight


def _step(node: onnx.NodeProto) -> Callable[..., Tensor]:
    """What one node computes of its inputs, weights among them."""
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type in _PLAIN:
        return _PLAIN[node.op_type]
    if node.op_type == "Conv":
        return _convolution(given)
    if node.op_type == "ConvTranspose" and not any(given["pads"]):
        return lambda x, *weights: functional.conv_transpose2d(x, *weights, stride=given["strides"])
    if node.op_type == "BatchNormalization":
        return lambda x, scale, shift, mean, variance: functional.batch_norm(
            x, mean, variance, scale, shift, eps=given["epsilon"]
        )
    if node.op_type == "MaxPool" and not any(given["pads"]):
        return lambda x: functional.max_pool2d(x, given["kernel_shape"], given["strides"])
    if node.op_type == "Resize" and given["mode"] == b"nearest":
        return lambda x, *scales: functional.interpolate(x, scale_factor=scales[-1][2:].tolist())
    raise ValueError(f"cannot compute {node.op_type} of this kind in torch")


_PLAIN: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
}


def _convolution(given: dict[str, Any]) -> Callable[..., Tensor]:
    top, left, *end = given["pads"]
    if [top, left] != end or set(given["dilations"]) != {1}:
        raise ValueError("cannot compute Conv with uneven pads or with dilations in torch")
    stride, groups = given["strides"], given["group"]
    return lambda x, *weights: functional.conv2d(
        x, *weights, stride=stride, padding=(top, left), groups=groups
    )
