"""Amounts are exact, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionveil_ocean.money import MOST_UNITS, money, units_of


@given(st.integers(1, MOST_UNITS), st.integers(0, 30))
def test_every_amount_is_read_as_it_is_written(units, decimals):
    assert units_of(money(units, "", decimals).strip(), decimals) == units


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("12345678901.123456789012345678", 12345678901123456789012345678),
        ("99999999999999999999999999999.000000000000000001", 10**47 - 10**18 + 1),
        ("1e58", 10**76),
        ("1.50", 15 * 10**17),
    ],
)
def test_amounts_are_not_rounded(text, units):
    assert units_of(text) == units


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1e70", "larger than any amount"),
        ("1e999999", "larger than any amount"),
        ("1e5000", "larger than any amount"),
        ("1.2e59", "larger than any amount"),
        ("1e-19", "more than 18 decimals"),
        ("1e-999999", "more than 18 decimals"),
        ("1e-999999999999999", "more than 18 decimals"),
        ("1.0000000000000000000000000000000000001", "more than 18 decimals"),
        ("1" * 5000, "at most 100 characters"),
        ("0", "larger than 0"),
        ("-1", "larger than 0"),
        ("nan", "larger than 0"),
        ("inf", "larger than 0"),
        ("one", "is not a number"),
        ("1e99999999999999999999999", "is not a number"),
    ],
)
def test_other_texts_are_refused(text, words):
    with pytest.raises(ValueError, match=words):
        units_of(text)
