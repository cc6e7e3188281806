"""A graph in torch must compute what ONNX Runtime computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from unionveil.models.onnx_session import OnnxSession

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from training.teachers.graph import TorchGraph, layers_of  # noqa: E402


def make_graph(*more: onnx.NodeProto) -> onnx.ModelProto:
    """One node of every supported kind with random weights, and `more`."""
    rng = np.random.default_rng(0)
    shapes = {
        "first": (8, 3, 3, 3), "first_b": (8,), "alone": (8, 1, 3, 3), "up": (8, 8, 2, 2),
        "scale": (8,), "shift": (8,), "mean": (8,), "variance": (8,),
    }  # fmt: skip
    weights = {name: rng.uniform(0.1, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    weights["alone"] -= 0.3
    sizes = np.array([1, 1, 2, 2], np.float32)
    even: dict[str, Any] = {"pads": [1, 1, 1, 1], "dilations": [1, 1], "kernel_shape": [3, 3]}
    nodes = [
        helper.make_node("Conv", ["image", "first", "first_b"], ["a"], strides=[2, 2], group=1, **even),
        helper.make_node("Conv", ["a", "alone"], ["b"], strides=[1, 1], group=8, **even),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0]),
        helper.make_node("ConvTranspose", ["d", "up"], ["e"], strides=[2, 2], pads=[0, 0, 0, 0]),
        helper.make_node("BatchNormalization", ["e", *list(shapes)[4:]], ["f"], epsilon=1e-3),
        helper.make_node("Constant", [], ["sizes"], value=numpy_helper.from_array(sizes)),
        helper.make_node(
            "Resize", ["d", "", "sizes"], ["g"], mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        ),
        helper.make_node("Add", ["f", "g"], ["h"]),
        helper.make_node("LeakyRelu", ["h"], ["i"], alpha=0.1),
        helper.make_node("Concat", ["i", "g"], ["j"], axis=1),
        helper.make_node("Sigmoid", ["j"], ["score"]),
        *more,
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [onnx.ValueInfoProto(name=name) for name in ("c", "score", *(node.output[0] for node in more))],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


IMAGE = np.random.default_rng(1).uniform(-1, 1, (2, 3, 32, 48)).astype(np.float32)


def test_every_operation_computes_what_onnx_runtime_computes() -> None:
    model = make_graph()
    expected = OnnxSession(model.SerializeToString(), threads=1).run(IMAGE, ["c", "score"])
    got = TorchGraph(model, ["c", "score"], torch.float32)(torch.from_numpy(IMAGE))
    for ours, theirs in zip(got, expected, strict=True):
        assert theirs.std() > 0.01
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)


def test_layers_are_named_by_their_weights() -> None:
    layers = layers_of(make_graph())
    assert [layers[name].input[0] for name in ("up", "alone")] == ["d", "a"]
    assert [layers[name].output[0] for name in ("up", "alone")] == ["e", "b"]
    assert "unknown" not in layers


def test_unsupported_operation_is_an_error_only_where_it_is_needed() -> None:
    model = make_graph(helper.make_node("Erf", ["h"], ["k"]))
    TorchGraph(model, ["score"], torch.float32)
    with pytest.raises(ValueError, match="cannot compute Erf"):
        TorchGraph(model, ["k"], torch.float32)


def test_uneven_pads_are_an_error() -> None:
    uneven = helper.make_node(
        "Conv", ["image", "first"], ["l"], strides=[2, 2], group=1, pads=[0, 0, 1, 1], dilations=[1, 1]
    )
    with pytest.raises(ValueError, match="uneven pads"):
        TorchGraph(make_graph(uneven), ["l"], torch.float32)
