"""The generator of surrogate faces, fitted on faces that an earlier one drew."""

import numpy as np
import pytest

from training.data.files import DataError
from training.surrogate import Chips, fit, read_chips
from unionveil.config import KSame
from unionveil.surrogate.generators import generator_file
from unionveil.surrogate.linear import LinearGenerator, load_linear


@pytest.mark.slow
def test_faces_of_few_components_are_learned() -> None:
    rng = np.random.default_rng(1)
    earlier = load_linear(generator_file(KSame()))
    codes = np.zeros((400, earlier.dimensions), np.float32)
    codes[:, :12] = rng.standard_normal((400, 12))
    yaw = rng.normal(0, 0.1, 400).astype(np.float32)
    parts = fit(Chips(earlier.faces(codes, yaw), yaw))
    fitted = LinearGenerator(parts, parts.components * parts.scale[:, None])
    straight = np.zeros(50, np.float32)
    faces = earlier.faces(codes[:50], straight)
    found = fitted.encode(faces)
    assert found.std(axis=0)[:8].mean() == pytest.approx(1, abs=0.3)
    drawn = fitted.faces(found, straight)
    inside = (slice(None), slice(50, 95), slice(35, 77))
    error = np.abs(drawn[inside].astype(int) - faces[inside]).mean()
    assert error < 0.5 * np.abs(faces[inside] - faces[inside].mean(axis=0)).mean()


def test_a_folder_without_labels_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match="is missing"):
        read_chips(tmp_path)
