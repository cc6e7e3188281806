"""Initialises the network from ONNX weights that this project exported, of the same or a narrower network."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor, nn

from .model import FaceNet, units

__all__ = ["load_heads", "load_onnx", "read_onnx"]


def read_onnx(path: Path) -> onnx.ModelProto:
    """Reads an ONNX file.

    Raises:
        ValueError: it is not an ONNX file.
    """
    try:
        return onnx.load(path)
    except DecodeError as error:
        raise ValueError(f"{path} is not an ONNX file: {error}") from error


def load_onnx(model: FaceNet, path: Path) -> list[str]:
    """Copies exported weights into a model and folds its batch norm, as in the file.

    A narrower network's channels become the first ones of each layer. No copied channel reads a new one yet,
    so the model starts with the outputs of the file (in the manner of Net2Net, arXiv:1511.05641).

    Args:
        model: changed in place.
        path: the ONNX file.

    Returns:
        Names of the layers that the file lacks; they keep their random weights.

    Raises:
        ValueError: the file is not an ONNX file, or its network is another or a wider one.
    """
    layers = _layers(read_onnx(path).graph)
    for _, unit in units(model):
        unit.fold()
    convolutions = _convolutions(model)
    known = layers.keys() & convolutions.keys()
    if not known:
        raise ValueError(f"{path} has no layer of this network: name an ONNX file that this project exported")
    for name in known:
        weight, bias = layers[name]
        shape, target = tuple(weight.shape), tuple(convolutions[name].weight.shape)
        if shape[2:] != target[2:] or shape[0] > target[0] or shape[1] > target[1]:
            raise ValueError(f"{path} does not fit: its layer {name} is {shape}, here {target}")
        after_context = name.startswith("heads.") and not name.startswith("heads.0.")
        _grow(convolutions[name], weight, bias, after_context=after_context)
    return sorted(convolutions.keys() - layers.keys())


def load_heads(model: FaceNet, path: Path) -> None:
    """Copies the heads alone of exported weights into a model whose levels are as wide.

    Args:
        model: changed in place.
        path: the ONNX file.

    Raises:
        ValueError: the file is not an ONNX file, or its heads have other shapes.
    """
    layers = _layers(read_onnx(path).graph)
    for name, head in _heads(model).items():
        if name not in layers:
            raise ValueError(f"{path} has no layer {name}: name an ONNX file that this project exported")
        weight, bias = layers[name]
        if weight.shape != head.weight.shape:
            shapes = tuple(weight.shape), tuple(head.weight.shape)
            raise ValueError(f"{path} does not fit: its layer {name} is {shapes[0]}, here {shapes[1]}")
        head.load_state_dict({"weight": weight, "bias": bias})


def _layers(graph: onnx.GraphProto) -> dict[str, tuple[Tensor, Tensor]]:
    """Weight and bias of the graph's convolutions, by the name of the module they belong to."""
    arrays = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer
    }
    return {
        node.input[1].removesuffix(".weight").removesuffix(".conv"): (
            arrays[node.input[1]],
            arrays[node.input[2]],
        )
        for node in graph.node
        if node.op_type == "Conv" and len(node.input) == 3 and arrays.keys() >= set(node.input[1:])
    }


def _convolutions(model: FaceNet) -> dict[str, nn.Conv2d]:
    return {name: unit.conv for name, unit in units(model)} | _heads(model)


def _heads(model: FaceNet) -> dict[str, nn.Conv2d]:
    parts = model.heads.named_modules(prefix="heads")
    return {name: part for name, part in parts if isinstance(part, nn.Conv2d)}


@torch.no_grad()
def _grow(conv: nn.Conv2d, weight: Tensor, bias: Tensor, *, after_context: bool) -> None:
    """Copies a narrower convolution into the first channels of a wider one, with zeros for new inputs."""
    if conv.bias is None:
        raise ValueError("the convolution has no bias: fold its batch norm first")
    outputs, inputs = weight.shape[:2]
    columns = torch.arange(inputs)
    if after_context:
        # A context module concatenates three parts, a half and two quarters of the channels; each has grown.
        half, quarter, more = inputs // 2, inputs // 4, (conv.weight.shape[1] - inputs) // 4
        columns[half:] += 2 * more
        columns[half + quarter :] += more
    conv.weight[:outputs] = 0.0
    conv.weight[:outputs, columns] = weight
    conv.bias[:outputs] = bias
