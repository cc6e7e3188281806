"""Attackers succeed where a person shows through, and reach chance where nothing does."""

import cv2
import numpy as np
import pytest

from unionveil.measure.attackers import Faces, State, attacks, fill_attacks

pytest.importorskip("sklearn", reason="the extra `audit` is not installed")

PEOPLE, PHOTOS, SIDE = 6, 8, 48


def people(seed=0):
    """`(N, S, S, 3)` faces: a pattern per person, under light of its own."""
    rng = np.random.default_rng(seed)
    patterns = rng.integers(60, 200, (PEOPLE, 6, 6, 3)).astype(np.uint8)
    large = [cv2.resize(pattern, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for pattern in patterns]
    noise = rng.normal(0, 6, (PEOPLE * PHOTOS, SIDE, SIDE, 3)) + rng.normal(0, 10, (PEOPLE * PHOTOS, 1, 1, 1))
    return np.clip(np.repeat(large, PHOTOS, axis=0) + noise, 0, 255).astype(np.uint8)


def embed(crops):
    """A recognizer that reads a face at 6 pixels."""
    small = np.asarray([cv2.resize(crop, (6, 6), interpolation=cv2.INTER_AREA) for crop in crops], np.float32)
    rows = small.reshape(len(crops), -1) - small.mean(axis=(1, 2, 3), keepdims=True).reshape(-1, 1)
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def state(crops):
    return State(crops, crops, embed(crops), embed(crops))


def faces(after):
    before = people()
    person = np.repeat(np.arange(PEOPLE), PHOTOS)
    is_known = np.tile(np.arange(PHOTOS) < 5, PEOPLE)
    return Faces(person, is_known, state(before), state(after), state(np.zeros_like(before)))


def rank_1(found):
    return {(attack.name, attack.view): attack.rank_1 for attack in found}


def test_everybody_is_named_without_covers():
    found = rank_1(attacks(faces(people()), embed))
    assert len(found) == 9
    assert min(found.values()) > 0.9


def test_nobody_is_identified_behind_one_colour():
    measured = faces(np.zeros_like(people()))
    for found in (attacks(measured, embed), fill_attacks(measured)):
        assert max(rank_1(found).values()) == pytest.approx(1 / PEOPLE, abs=1e-6)


def test_trained_attackers_see_through_what_fools_an_untrained_one():
    """Negatives: a clean gallery points the other way; an attacker who trains on them is not fooled."""
    found = {
        attack.name: attack for attack in attacks(faces(255 - people()), embed) if attack.view == "aligned"
    }
    assert found["clean gallery"].rank_1 < 0.3
    for name in ("gallery redacted likewise", "shrunk LDA on pixels", "linear de-anonymizer"):
        assert found[name].rank_1 > 0.9, name
    assert found["linear de-anonymizer"].is_trained and not found["clean gallery"].is_trained


def test_the_covered_region_shows_no_background():
    """Hair is visible only in the aligned crop, so it does not help an attacker with the region."""
    measured = faces(people())
    bare = State(
        measured.after.aligned,
        np.zeros_like(people()),
        measured.after.aligned_vectors,
        embed(np.zeros_like(people())),
    )
    found = rank_1(
        attacks(Faces(measured.person, measured.is_known, measured.before, bare, measured.filled), embed)
    )
    assert found["shrunk LDA on pixels", "aligned"] > 0.9
    assert found["shrunk LDA on pixels", "region"] == pytest.approx(1 / PEOPLE)


def test_the_standard_error_is_binomial():
    attack = next(iter(attacks(faces(people()), embed)))
    expected = np.sqrt(attack.rank_1 * (1 - attack.rank_1) / (PEOPLE * 3))
    assert attack.standard_error == pytest.approx(expected)
