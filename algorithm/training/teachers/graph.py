"""Runs a published detector's ONNX graph in torch, which can compute it in bfloat16.

Only the operations that the teachers use are implemented; tests compare their results with ONNX Runtime's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor
from torch.nn import functional

__all__ = ["TorchGraph", "layers_of"]


class TorchGraph:
    """Computes some values of a graph that has one image input; its weights are constants.

    Args:
        model: the graph.
        outputs: names of the values to compute.
        dtype: dtype of the computation.
        device: where it is computed; None is the processor.

    Raises:
        ValueError: the graph has an operation that is not implemented here.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        outputs: Sequence[str],
        dtype: torch.dtype,
        device: torch.device | None = None,
    ) -> None:
        needed = _needed(model.graph.node, outputs)
        nodes = [node for node in needed if node.op_type != "Constant"]
        used = {name for node in nodes for name in node.input}
        constants = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in used}
        constants |= {node.output[0]: node.attribute[0].t for node in needed if node.op_type == "Constant"}
        self._input = model.graph.input[0].name
        self._outputs, self._dtype = list(outputs), dtype
        self._steps = [(_operation(node), list(node.input), node.output[0]) for node in nodes]
        scales = {name for node in nodes if node.op_type == "Resize" for name in node.input}
        self._weights = {
            name: _weight(tensor, dtype, None if name in scales else device)
            for name, tensor in constants.items()
        }

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Computes the values of images `(N, 3, H, W)`, as float32."""
        values = {self._input: images.to(self._dtype, memory_format=torch.channels_last), **self._weights}
        for operation, inputs, output in self._steps:
            values[output] = operation(*(values[name] for name in inputs if name))
        return [values[name].float() for name in self._outputs]


def layers_of(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """The graph's nodes by the names of their weights."""
    return {name: node for node in model.graph.node for name in node.input[1:]}


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that the outputs depend on, in order."""
    names, kept = set(outputs), []
    for node in reversed(nodes):
        if names & set(node.output):
            names |= set(node.input)
            kept.append(node)
    return kept[::-1]


def _weight(tensor: onnx.TensorProto, dtype: torch.dtype, device: torch.device | None) -> Tensor:
    weight = torch.from_numpy(numpy_helper.to_array(tensor).copy()).to(device, dtype)
    return weight.contiguous(memory_format=torch.channels_last) if weight.ndim == 4 else weight


def _operation(node: onnx.NodeProto) -> Callable[..., Tensor]:
    """The function that computes one node from its inputs, weights included."""
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    match node.op_type:
        case "Add":
            return torch.add
        case "Relu":
            return torch.relu
        case "LeakyRelu":
            return lambda x: functional.leaky_relu(x, attributes["alpha"])
        case "Sigmoid":
            return torch.sigmoid
        case "Concat":
            return lambda *parts: torch.cat(parts, attributes["axis"])
        case "Conv":
            return _convolution(attributes)
        case "ConvTranspose" if not any(attributes["pads"]):
            return lambda x, weight, bias=None: functional.conv_transpose2d(
                x, weight, bias, stride=attributes["strides"]
            )
        case "BatchNormalization":
            return lambda x, scale, shift, mean, variance: functional.batch_norm(
                x, mean, variance, scale, shift, eps=attributes["epsilon"]
            )
        case "MaxPool" if not any(attributes["pads"]):
            return lambda x: functional.max_pool2d(x, attributes["kernel_shape"], attributes["strides"])
        case "Resize" if attributes["mode"] == b"nearest":
            return lambda x, *scales: functional.interpolate(x, scale_factor=scales[-1][2:].tolist())
        case _:
            raise ValueError(f"cannot compute {node.op_type} with these attributes in torch")


def _convolution(attributes: dict[str, Any]) -> Callable[..., Tensor]:
    top, left, *end = attributes["pads"]
    if [top, left] != end or set(attributes["dilations"]) != {1}:
        raise ValueError("cannot compute Conv with uneven pads or with dilations in torch")
    stride, groups = attributes["strides"], attributes["group"]
    return lambda x, weight, bias=None: functional.conv2d(
        x, weight, bias, stride=stride, padding=(top, left), groups=groups
    )
