"""A user's own generator and its card."""

import json

import numpy as np
import pytest

from unionveil.config import KSame
from unionveil.errors import ConfigError, ModelError
from unionveil.surrogate.generators import load_generator
from unionveil.surrogate.template import TEMPLATE

onnx = pytest.importorskip("onnx")

SIDE = 144
CARD = {"dimensions": 3, "size_px": SIDE, "template": TEMPLATE.tolist()}


def save(path, side: int = SIDE) -> str:
    """A generator whose code is the colour of its face, from -1 to 1."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Unsqueeze", ["code", "axes"], ["high"]),
        helper.make_node("Expand", ["high", "shape"], ["face"]),
    ]
    graph = helper.make_graph(
        nodes,
        "generator",
        [helper.make_tensor_value_info("code", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, None)],
        [
            helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3]),
            helper.make_tensor("shape", TensorProto.INT64, [4], [1, 3, side, side]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return str(path)


def test_a_code_gives_a_face(tmp_path):
    path = save(tmp_path / "faces.onnx")
    (tmp_path / "faces.json").write_text(json.dumps(CARD))
    generator = load_generator(KSame(surrogate=path), 1)
    faces = generator.faces(np.asarray([[-1, 0, 1], [2, 2, 2]], np.float32), np.zeros(2, np.float32))
    assert faces.shape == (2, SIDE, SIDE, 3)
    assert faces[0, 5, 5].tolist() == [0, 128, 255]
    assert faces[1, 5, 5].tolist() == [255, 255, 255]
    assert np.allclose(generator.to_face, np.eye(2, 3), atol=1e-9)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (None, "needs a card"),
        ("[", "needs a card"),
        ({"dimensions": 3}, "template: Field required"),
        ({**CARD, "colour": 1}, "colour: Extra inputs"),
    ],
)
def test_a_wrong_card_is_named(tmp_path, card, message):
    path = save(tmp_path / "faces.onnx")
    if card is not None:
        (tmp_path / "faces.json").write_text(card if isinstance(card, str) else json.dumps(card))
    with pytest.raises(ConfigError, match=message):
        load_generator(KSame(surrogate=path), 1)


def test_a_face_of_another_size_is_refused(tmp_path):
    path = save(tmp_path / "faces.onnx", side=64)
    (tmp_path / "faces.json").write_text(json.dumps(CARD))
    with pytest.raises(ModelError, match="its card says"):
        load_generator(KSame(surrogate=path), 1).faces(np.zeros((1, 3), np.float32), np.zeros(1, np.float32))


def test_a_missing_generator_is_named(tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        load_generator(KSame(surrogate=str(tmp_path / "faces.onnx")), 1)
