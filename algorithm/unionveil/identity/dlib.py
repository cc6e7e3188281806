"""dlib's face recognition network (Davis King, public domain), read from its `.dat` and rebuilt as ONNX.

dlib itself is not needed. The file is dlib's serialization of its `anet_type`: a stack of layers, deepest
first, as defined by `dnn_face_recognition_ex.cpp` in dlib's examples.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import ModelError

__all__ = ["rebuilt"]

_Weights: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Layer:
    """One layer: its kind, its numbers and its weights, flattened."""

    kind: str
    sizes: tuple[int, ...] = ()
    weights: _Weights = field(default_factory=lambda: np.zeros(0, np.float32))


class _Reader:
    """Reads values in the order in which dlib's `serialize` writes them (`dlib/serialize.h`)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)

    def take(self, count: int) -> bytes:
        part = self._data[self._at : self._at + count]
        if len(part) != count:
            raise ValueError("the file ends early")
        self._at += count
        return part

    def integer(self) -> int:
        """A byte with sign (bit 7) and length (bits 0 to 3), then that many bytes, lowest first."""
        head = self.take(1)[0]
        value = int.from_bytes(self.take(head & 15), "little")
        return -value if head & 128 else value

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def text(self) -> str:
        return self.take(self.integer()).decode("ascii")

    def number(self) -> float:
        """Mantissa and exponent of two."""
        return self.integer() * 2.0 ** self.integer()

    def numbers(self, count: int) -> tuple[float, ...]:
        return tuple(self.number() for _ in range(count))

    def tensor(self) -> _Weights:
        """A version, four sizes and plain little-endian floats."""
        _, *shape = self.integers(5)
        return np.frombuffer(self.take(4 * int(np.prod(shape))), "<f4").astype(np.float32)


def _layers(data: bytes) -> Iterator[_Layer]:
    """The layers of the file, from the input to the vector.

    Raises:
        ValueError: the file contains a different network, or is damaged.
    """
    read = _Reader(data)
    read.integer()  # version of the network
    if read.text() != "loss_metric_2":
        raise ValueError("it has a different loss")
    read.numbers(2)
    while (value := read.integer()) < 4:  # versions of all layers
        pass
    if read.take(value) != b"input_rgb_image_sized":
        raise ValueError("it has a different input")
    read.numbers(3)  # the mean, which the card states
    yield _Layer("input", read.integers(2))
    is_first = True
    while not read.is_at_end:
        yield _layer(read)
        read.take(3)  # set by training
        for _ in range(3):  # gradients and outputs stored by training
            read.tensor()
        if is_first:
            read.integer()  # number of crops that the input makes of a picture
        is_first = False


def _layer(read: _Reader) -> _Layer:
    """Reads the details of one layer."""
    match kind := read.text():
        case "relu_" | "add_prev_":
            return _Layer(kind)
        case "max_pool_2" | "avg_pool_2":
            return _Layer(kind, read.integers(6))
        case "affine_":
            weights = read.tensor()
            read.integers(11)  # where gamma and beta are: one after the other
            return _Layer(kind, (), weights)
        case "con_4":
            weights = read.tensor()
            sizes = read.integers(7)
            read.integers(10)  # where filters and biases are
            read.numbers(4)
            return _Layer(kind, sizes, weights)
        case "fc_2":
            sizes = read.integers(2)
            weights = read.tensor()
            read.integers(11)
            read.numbers(4)
            return _Layer(kind, sizes, weights)
        case _:
            raise ValueError(f"it has a layer {kind!r}")


def rebuilt(model: bytes) -> bytes:
    """The network as an ONNX graph.

    Args:
        model: the bytes of `dlib_face_recognition_resnet_model_v1.dat`.

    Returns:
        A serialized graph, `image` `(N, 3, 150, 150)` float32 to one output `(N, 128)` float32.

    Raises:
        ModelError: the package onnx is missing, or the file is a different one.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ModelError("embedder 'dlib' needs the package onnx: install the extra `unionveil[dlib]`")
    from onnx import helper

    graph = _Graph()
    try:
        for layer in _layers(model):
            graph.add(layer)
    except (ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"the weights of 'dlib' cannot be read: {error}") from error
    built = helper.make_graph(
        graph.nodes,
        "dlib_face_recognition_resnet_model_v1",
        [helper.make_tensor_value_info("image", 1, ["batch", 3, *graph.input_hw])],
        [helper.make_tensor_value_info(graph.top.name, 1, ["batch", graph.top.channels])],
        graph.weights,
    )
    opsets = [helper.make_opsetid("", 13)]
    return bytes(helper.make_model(built, opset_imports=opsets, ir_version=8).SerializeToString())


@dataclass(frozen=True)
class _Tensor:
    """A node's output: its name, its channels and the side of its square."""

    name: str
    channels: int
    side: int


class _Graph:
    """Nodes of the ONNX graph, one layer after another.

    A residual block is `conv affine relu conv affine` plus the block's input: unchanged, or halved by a pool
    where the first convolution halves too.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.top = _Tensor("image", 3, 0)
        self.input_hw = (0, 0)
        self._shortcut = self.top
        self._conv: _Layer | None = None
        self._is_summed = False

    def add(self, layer: _Layer) -> None:
        """Adds a layer on top.

        Raises:
            ValueError: it does not fit there.
        """
        match layer.kind:
            case "input":
                self.input_hw = layer.sizes[0], layer.sizes[1]
                self.top = replace(self.top, side=layer.sizes[0])
            case "con_4":
                self._conv = layer
            case "affine_" if self._conv:
                self.top = self._convolution(self._conv, layer.weights)
            case "relu_":
                self.top = self._node("Relu", [self.top.name], self.top)
                self._shortcut = self.top if self._is_summed else self._shortcut
                self._is_summed = False
            case "max_pool_2":
                self.top = self._shortcut = self._pool("MaxPool", self.top, layer.sizes)
            case "avg_pool_2" if layer.sizes[0] == 0:  # of the whole plane
                mean = self._node("GlobalAveragePool", [self.top.name], replace(self.top, side=1))
                self.top = self._node("Flatten", [mean.name], mean)
            case "avg_pool_2":
                self._shortcut = self._pool("AveragePool", self._shortcut, layer.sizes)
            case "add_prev_":
                self.top = self._sum(self.top, self._shortcut)
                self._is_summed = True
            case "fc_2":
                matrix = self._weight(layer.weights.reshape(self.top.channels, layer.sizes[0]))
                self.top = self._node("MatMul", [self.top.name, matrix], _Tensor("", layer.sizes[0], 1))
            case _:
                raise ValueError(f"it has a layer {layer.kind!r} where none is expected")

    def _convolution(self, layer: _Layer, affine: _Weights) -> _Tensor:
        """Combines a convolution and the affine layer after it into one: gamma * (w * x + b) + beta."""
        count, rows, columns, stride_y, stride_x, pad_y, pad_x = layer.sizes
        gamma, beta = affine[:count].astype(np.float64), affine[count:]
        filters = layer.weights[:-count].reshape(count, self.top.channels, rows, columns)
        bias = gamma * layer.weights[-count:] + beta
        inputs = [
            self.top.name,
            self._weight((gamma[:, None, None, None] * filters).astype(np.float32)),
            self._weight(bias.astype(np.float32)),
        ]
        shape = _Tensor("", count, (self.top.side + 2 * pad_y - rows) // stride_y + 1)
        return self._node("Conv", inputs, shape, strides=[stride_y, stride_x], pads=[pad_y, pad_x] * 2)

    def _pool(self, kind: str, below: _Tensor, sizes: tuple[int, ...]) -> _Tensor:
        rows, columns, stride_y, stride_x, pad_y, pad_x = sizes
        shape = replace(below, side=(below.side + 2 * pad_y - rows) // stride_y + 1)
        return self._node(
            kind,
            [below.name],
            shape,
            kernel_shape=[rows, columns],
            strides=[stride_y, stride_x],
            pads=[pad_y, pad_x] * 2,
        )

    def _sum(self, a: _Tensor, b: _Tensor) -> _Tensor:
        """Adds tensors of different sizes as dlib does: as if the smaller one were padded with zeros."""
        shape = _Tensor("", max(a.channels, b.channels), max(a.side, b.side))
        return self._node("Add", [self._padded(a, shape).name, self._padded(b, shape).name], shape)

    def _padded(self, below: _Tensor, shape: _Tensor) -> _Tensor:
        channels, side = shape.channels - below.channels, shape.side - below.side
        if not channels and not side:
            return below
        pads = self._weight(np.asarray([0, 0, 0, 0, 0, channels, side, side], np.int64))
        return self._node("Pad", [below.name, pads], shape)

    def _node(self, kind: str, inputs: list[str], shape: _Tensor, **attributes: Any) -> _Tensor:
        from onnx import helper

        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return replace(shape, name=name)

    def _weight(self, array: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name
