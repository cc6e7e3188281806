"""The rebuilt network gives the same results as dlib's own; damaged files are refused."""

import numpy as np
import pytest

from checked import float32, read_rgb
from samples import SCENES
from unionveil import ModelError
from unionveil.identity.dlib import rebuilt
from unionveil.models.cards import EMBEDDERS
from unionveil.models.onnx_session import OnnxSession
from unionveil.models.store import find, state

FROM_DLIB = [-0.046654, 0.073552, 0.043013, 0.019828, -0.056593, -0.050003, 0.00603, -0.104498, 0.144004]
"""First numbers that dlib 20.0.1 itself returns for the first 150 pixels of `faces.png`."""


@pytest.fixture(scope="module")
def weights():
    card = EMBEDDERS["dlib"]
    if state(card) == "missing":
        pytest.skip("the extra `dlib` is not installed")
    return find(card).read_bytes()


def test_the_rebuilt_network_gives_dlibs_own_vector(weights):
    crop = read_rgb(SCENES / "faces.png")[:150, :150]
    card = EMBEDDERS["dlib"]
    blob = (crop.astype(np.float32) - float32(card.mean)) * np.float32(card.scale)
    session = OnnxSession(rebuilt(weights), 1)
    (vector,) = session.run(np.ascontiguousarray(blob.transpose(2, 0, 1)[None]), session.output_names)
    assert vector.shape == (1, 128)
    np.testing.assert_allclose(vector[0, : len(FROM_DLIB)], FROM_DLIB, atol=2e-6)
    assert np.linalg.norm(vector) == pytest.approx(1.419014, abs=1e-5)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:400],
        lambda data: b"\x01\x01" + data,
        lambda data: data.replace(b"con_4", b"con_3", 1),
        lambda data: data.replace(b"relu_", b"add_prev_", 1),
        lambda data: data.replace(b"loss_metric_2", b"loss_metric_3", 1),
        lambda data: b"",
    ],
)
def test_damaged_weights_are_refused(weights, damage):
    with pytest.raises(ModelError, match="cannot be read"):
        rebuilt(damage(weights))
