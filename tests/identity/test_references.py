"""Known people as vectors."""

import pickle

import numpy as np
import pytest

from unionveil import References
from unionveil.identity.references import strangest


def unit(*numbers):
    vector = np.asarray(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def test_similarity_is_the_cosine_and_photos_that_disagree_lower_it():
    known = References.of([[unit(1, 0, 0), unit(0, 1, 0)], [unit(0, 0, 1)]], "sha")
    faces = np.stack([unit(1, 1, 0), unit(0, 0, 1), np.zeros(3, np.float32)])
    np.testing.assert_allclose(known.similarity(faces), [[0.5**0.25, 0], [0, 1], [0, 0]], atol=1e-6)


def test_references_survive_pickling():
    known = References.of([[unit(1, 2)]], "sha", "digest")
    other = pickle.loads(pickle.dumps(known))  # noqa: S301
    assert np.array_equal(other.vectors, known.vectors) and other.digest == "digest" and other.people == 1


def test_the_digest_of_vectors_knows_people_and_weights():
    pair = [unit(1, 0), unit(0, 1)]
    one, two = References.of([pair], "sha"), References.of([pair[:1], pair[1:]], "sha")
    assert len({one.digest, two.digest, References.of([pair], "other").digest}) == 3
    assert one.digest == References.of([pair], "sha").digest


@pytest.mark.parametrize(
    ("vectors", "person", "words"),
    [
        (np.zeros((0, 3), np.float32), np.zeros(0, np.int32), "at least one"),
        (np.eye(2, dtype=np.float32), np.zeros(1, np.int32), "one person for each"),
        (np.eye(2, dtype=np.float32), np.asarray([0, 2], np.int32), "without gaps"),
        (np.eye(2, dtype=np.float32) * 2, np.asarray([0, 1], np.int32), "length 1"),
    ],
)
def test_references_that_do_not_fit_are_refused(vectors, person, words):
    with pytest.raises(ValueError, match=words):
        References(vectors, person, "sha", "digest")


def test_the_strangest_photo_is_the_one_far_from_all():
    index, closest = strangest(np.stack([unit(1, 0.1, 0), unit(0, 0, 1), unit(1, 0, 0)]))
    assert index == 1 and closest == pytest.approx(0, abs=1e-6)
