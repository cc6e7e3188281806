"""Requirements on every embedder, and on a user's card."""

import hashlib
import json

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from checked import float32, present, read_rgb
from samples import SCENES
from unionveil import ConfigError, Detections, ModelAltered, ModelError, ModelMissing
from unionveil.detect import load_detector
from unionveil.identity.embedders import load_embedder
from unionveil.identity.embeddings import Embeddings
from unionveil.identity.sface import repaired
from unionveil.models.cards import EMBEDDERS, Weights
from unionveil.models.store import find, state


@pytest.fixture(scope="module")
def street():
    """A bundled scene of people, and its detections."""
    image = read_rgb(SCENES / "portrait.jpg")
    return image, load_detector("retinaface", 1)(image, 0.6)


@pytest.fixture(scope="module", params=EMBEDDERS)
def embedder(request):
    card = EMBEDDERS[request.param]
    if state(card) == "missing":
        pytest.skip(f"the extra `{card.extra}` is not installed")
    return load_embedder(card, 1)


def test_every_face_has_a_row_of_length_one(embedder, street):
    image, faces = street
    found = embedder(image, faces)
    assert found.vectors.shape == (len(faces), embedder.card.dimensions)
    assert found.usable.all() and len(faces)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)


def test_no_face_gives_no_row(embedder, street):
    assert embedder(street[0], Detections.empty()).vectors.shape == (0, embedder.card.dimensions)


def test_a_face_that_cannot_be_judged_has_zeros(embedder, street):
    image, faces = street
    one = faces[:1]
    blind = Detections.of(one.xyxy, one.score)
    small = one.transform(scale_xy=(0.01, 0.01))
    found = embedder(image, Detections.concat([one, blind, small]))
    assert found.usable.tolist() == [True, False, False]
    assert not found.vectors[1:].any()


def test_a_batch_gives_the_same_vectors_as_single_faces(embedder, street):
    image, faces = street
    turned = np.ascontiguousarray(image[:, ::-1])
    mirrored = faces.landmarks[:, [1, 0, 2, 4, 3]] * [-1, 1] + [image.shape[1] - 1, 0]
    views = [(image, faces[:1]), (turned, Detections.of(faces.xyxy[:1], faces.score[:1], mirrored[:1]))]
    single = embedder(*views[0]).vectors
    many = embedder(image, Detections.concat([faces[:1]] * 40)).vectors
    np.testing.assert_allclose(many, np.repeat(single, 40, axis=0), atol=1e-5)
    assert 0.3 < float(single[0] @ embedder(*views[1]).vectors[0]) < 0.9999  # alike, and not the same crop


def test_a_face_that_is_turned_and_enlarged_stays_the_same(embedder, street):
    image, faces = street
    one = faces[:1]
    plain = embedder(image, one).vectors[0]
    centre = (image.shape[1] / 2, image.shape[0] / 2)
    matrix = cv2.getRotationMatrix2D(centre, 35, 1.0)
    turned = cv2.warpAffine(image, matrix, image.shape[1::-1])
    moved = one.landmarks @ matrix[:, :2].T + matrix[:, 2]
    other = embedder(turned, Detections.of(one.xyxy, one.score, moved)).vectors[0]
    assert float(plain @ other) > 0.95
    large = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    other = embedder(large, one.transform(scale_xy=(3, 3), offset_xy=(1, 1))).vectors[0]
    assert float(plain @ other) > 0.97


def test_rows_are_scaled_and_zeros_are_unusable():
    rows = np.asarray([[3, 4], [0, 0], [np.nan, 1], [5, 0]], np.float32)
    found = Embeddings.of(rows, np.asarray([True, True, True, False]))
    assert found.usable.tolist() == [True, False, False, False]
    expected = float32([[0.6, 0.8], [0, 0], [0, 0], [0, 0]])
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)


def test_embeddings_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="usable"):
        Embeddings(np.zeros((2, 4), np.float32), np.zeros(2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="vectors"):
        Embeddings(np.zeros((2, 4)), np.zeros(2, bool))  # type: ignore[arg-type]


CARD = {
    "dimensions": 3,
    "size_px": 8,
    "template": [[2, 3], [6, 3], [4, 4], [3, 6], [5, 6]],
    "channels": "bgr",
    "mean": [0, 0, 0],
    "scale": 1,
    "least_face_px": 4,
}


def write_user_model(path, card, batch="n"):
    """A graph that returns the mean of each channel, with a card beside it."""
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["x"], ["y"])],
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3, 1, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    if card is not None:
        path.with_suffix(".json").write_text(card if isinstance(card, str) else json.dumps(card))
    return f"onnx:{path}"


def test_a_users_file_reads_channels_in_the_order_of_its_card(tmp_path):
    image = np.full((40, 40, 3), (10, 20, 200), np.uint8)
    face = Detections.of([[10, 10, 30, 30]], [1], (np.asarray(CARD["template"]) * 2 + 10)[None])
    vectors = load_embedder(write_user_model(tmp_path / "own.onnx", CARD), 1)(image, face).vectors
    expected = np.asarray([200, 20, 10]) / np.linalg.norm([200, 20, 10])
    np.testing.assert_allclose(vectors, [expected], atol=1e-4)


def test_a_users_file_may_take_one_face_at_a_time(tmp_path):
    image = np.full((40, 40, 3), 9, np.uint8)
    face = Detections.of([[10, 10, 30, 30]], [1], (np.asarray(CARD["template"]) * 2 + 10)[None])
    embedder = load_embedder(write_user_model(tmp_path / "own.onnx", CARD, batch=1), 1)
    assert embedder(image, Detections.concat([face] * 5)).usable.all()


@pytest.mark.parametrize(
    ("card", "error", "words"),
    [
        (None, ConfigError, "needs a card"),
        ("{", ConfigError, "needs a card"),
        ("[]", ConfigError, "JSON object"),
        ({**CARD, "sha256": "0"}, ConfigError, "another file"),
        ({**CARD, "channels": "hsv"}, ConfigError, "channels"),
        ({**CARD, "size": 3}, ConfigError, "size"),
        ({**CARD, "size_px": 9}, ModelError, "correct the card"),
        ({**CARD, "dimensions": 4}, ModelError, "correct the card"),
        ({**CARD, "output": "z"}, ModelError, "z"),
    ],
)
def test_a_users_card_that_does_not_fit_is_one_sentence(tmp_path, card, error, words):
    name = write_user_model(tmp_path / "own.onnx", card)
    with pytest.raises(error, match=words):
        face = Detections.of([[10, 10, 30, 30]], [1], (np.asarray(CARD["template"]) * 2 + 10)[None])
        load_embedder(name, 1)(np.zeros((40, 40, 3), np.uint8), face)


def test_the_repaired_graph_is_the_pinned_one():
    card = EMBEDDERS["sface"]
    if state(card) == "missing":
        pytest.skip(f"the extra `{card.extra}` is not installed")
    path, rebuilt = find(card), present(card.rebuilt)
    graph = path.read_bytes() if path.name == rebuilt.file else repaired(path.read_bytes())
    assert hashlib.sha256(graph).hexdigest() == rebuilt.sha256


def test_the_repaired_graph_is_preferred_to_the_published_one(tmp_path, monkeypatch):
    (tmp_path / "sface.onnx").write_bytes(b"repaired")
    (tmp_path / EMBEDDERS["sface"].file).write_bytes(b"published")
    monkeypatch.setenv("UNIONVEIL_MODEL_DIR", str(tmp_path))
    rebuilt = Weights(file="sface.onnx", sha256=hashlib.sha256(b"repaired").hexdigest())
    card = EMBEDDERS["sface"].model_copy(update={"rebuilt": rebuilt})
    assert find(card).name == "sface.onnx"
    (tmp_path / "sface.onnx").write_bytes(b"altered")
    with pytest.raises(ModelAltered):
        find(card)


def test_unknown_and_missing_embedders_are_named(tmp_path):
    with pytest.raises(ConfigError, match="known: "):
        load_embedder("arcface", 1)
    with pytest.raises(ModelError, match="does not exist"):
        load_embedder(f"onnx:{tmp_path / 'none.onnx'}", 1)
    with pytest.raises(ModelMissing, match=r"unionveil\[identity\]"):
        load_embedder(EMBEDDERS["sface"].model_copy(update={"package": "no_such_package"}), 1)
