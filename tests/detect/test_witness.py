import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unionveil.detect.witness import least_score, together


def test_each_look_is_one_witness_and_four_count_as_two():
    score = np.float32([0.5, 0.4, 0.2, 0.3, 0.6])
    look, place = np.array([0, 1, 0, 1, 1]), np.array([0, 0, 0, 1, 3])
    # The first and the third score are of one look, so only the better counts: 1 - .5 * .6.
    assert np.allclose(together(score, look, 2, place, 4), [0.7, 0.3, 0, 0.6])
    # Of four looks: 1 - (.5 * .6) ** .5, and never less than what one look is sure of.
    assert np.allclose(together(score, look, 4, place, 4), [0.5, 0.3, 0, 0.6])
    every = np.float32([0.5, 0.5, 0.5, 0.5])
    assert np.allclose(together(every, np.arange(4), 4, np.zeros(4, int), 1), [0.75])
    assert together(every[:0], look[:0], 2, place[:0], 0).shape == (0,)


scores = st.floats(0, 1, width=32)


@given(hnp.arrays(np.float32, st.integers(1, 9), elements=scores), st.integers(1, 4), st.data())
def test_no_witness_takes_score_away(score, looks, data):
    look = data.draw(hnp.arrays(np.intp, len(score), elements=st.integers(0, looks - 1)))
    place = data.draw(hnp.arrays(np.intp, len(score), elements=st.integers(0, 2)))
    told = together(score, look, looks, place, 3)
    assert (told[place] >= score).all()
    assert (told <= 1).all()
    assert told.dtype == np.float32
    surer = together(np.maximum(score, np.float32(0.5)), look, looks, place, 3)
    assert (surer[place] >= told[place]).all()


@given(st.floats(0.01, 0.99), st.integers(1, 4))
def test_below_the_least_score_all_looks_together_stay_below_the_threshold(threshold, looks):
    least = least_score(threshold, looks)
    assert 0 < least <= threshold
    nothing = np.zeros(looks, np.intp)
    for share, reached in ((1.001, True), (0.999, False)):
        told = together(np.full(looks, least * share, np.float32), np.arange(looks), looks, nothing, 1)
        assert (told[0] >= threshold) == reached


@pytest.mark.parametrize("looks", [1, 2, 3, 4])
def test_one_look_alone_counts_as_it_is(looks):
    told = together(np.float32([0.4]), np.array([0]), looks, np.array([0]), 1)
    assert told[0] == pytest.approx(0.4, abs=1e-6)
    assert told[0] >= np.float32(0.4)
