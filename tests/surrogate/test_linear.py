"""Our own generator: codes to faces and back."""

import numpy as np
import pytest

from unionveil.config import KSame
from unionveil.errors import ModelError
from unionveil.surrogate.generators import generator_file, load_generator, synthetic_codes
from unionveil.surrogate.linear import load_linear

FILE = generator_file(KSame())


@pytest.fixture(scope="module")
def generator():
    return load_generator(KSame(), 1)


def codes(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 160)).astype(np.float32)


def test_the_file_is_small():
    assert FILE.stat().st_size < 6e6


def test_faces_are_symmetric_unless_turned(generator):
    straight, turned = generator.faces(codes(1).repeat(2, axis=0), np.asarray([0, 0.15], np.float32))
    assert np.array_equal(straight, straight[:, ::-1])
    other = generator.faces(codes(1), np.asarray([-0.15], np.float32))[0]
    assert np.array_equal(turned, other[:, ::-1])
    assert np.abs(turned.astype(int) - straight).mean() > 1


def test_beyond_its_rim_a_face_continues_in_the_same_colours(generator):
    """It is drawn narrower than it was fitted, so that its corners are seen."""
    face = generator.faces(codes(1) * 0.5, np.zeros(1, np.float32))[0]
    corner, rim = face[0, 0].astype(int), face[generator.parts.mask].astype(int)
    assert not generator.parts.mask[0, 0]
    assert np.abs(rim - corner).sum(axis=1).min() == 0
    assert corner.min() > 0


def test_turning_has_an_end(generator):
    far, farther = generator.faces(codes(1).repeat(2, axis=0), np.asarray([0.3, 3], np.float32))
    assert np.array_equal(far, farther)


def test_a_code_does_not_depend_on_the_rim(generator):
    faces = generator.faces(codes(4) * 0.5, np.zeros(4, np.float32))
    hat = faces.copy()
    hat[:, :12] = (255, 0, 0)
    assert np.abs(generator.encode(faces) - generator.encode(hat)).mean() < 0.1


def test_codes_are_bounded(generator):
    chips = np.random.default_rng(1).integers(0, 255, (3, 144, 112, 3), np.uint8)
    assert np.abs(generator.encode(chips)).max() <= 2.5


def test_a_damaged_file_is_an_error(tmp_path):
    path = tmp_path / "surrogate.npz"
    path.write_bytes(FILE.read_bytes()[:5000])
    with pytest.raises(ModelError, match="is not a surrogate generator"):
        load_linear(path)


def test_one_seed_is_one_person():
    means = codes(2)
    seeds = [b"a", b"b"]
    first = synthetic_codes(means, seeds, 160)
    assert np.array_equal(first, synthetic_codes(means, seeds, 160))
    assert np.array_equal(first[1], synthetic_codes(means[1:], seeds[1:], 160)[0])
    assert (first - means).std() > 0.5


def test_a_generator_without_means_gets_standard_normal_codes():
    drawn = synthetic_codes(None, [b"%d" % n for n in range(200)], 50)
    assert drawn.std() == pytest.approx(1, abs=0.05)
