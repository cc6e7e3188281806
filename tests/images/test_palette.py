import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checked import present
from unionveil.images.palette import (
    colours_of,
    indices_of,
    pack,
    packed_rows,
    sub_byte_depth,
    unpack,
    unpack_rows,
)


def noise(colours: int, channels: int, seed: int = 0) -> np.ndarray:
    """`(61, 83, C)` with exactly that many colours."""
    rng = np.random.default_rng(seed)
    table = unpack(rng.permutation(1 << 8 * min(channels, 2))[:colours].astype(np.uint32), channels)
    index = rng.integers(0, colours, (61, 83))
    index.flat[:colours] = np.arange(colours)
    return table[index]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("colours", [1, 2, 17, 256])
def test_indices_give_the_same_colours_back(channels, colours):
    pixels = noise(colours, channels)
    table = present(colours_of([pixels]))
    assert len(table) == colours
    assert (np.diff(table.astype(np.int64)) > 0).all()
    assert np.array_equal(unpack(table, channels)[indices_of(pixels, table)], pixels)


def test_more_colours_than_asked_for_are_not_a_palette():
    assert colours_of([noise(257, 3)]) is None
    assert colours_of([noise(200, 3, 1), noise(200, 3, 2)]) is None
    assert colours_of([noise(4, 3)], most=3) is None


def test_a_colour_outside_of_the_table_is_an_error():
    with pytest.raises(ValueError, match="not in the table"):
        indices_of(noise(9, 3), present(colours_of([noise(9, 3)]))[1:])


def test_transparent_colours_come_first():
    table = present(colours_of([np.array([[[255, 255, 255, 0], [0, 0, 0, 255], [9, 9, 9, 128]]], np.uint8)]))
    assert unpack(table, 4)[:, 3].tolist() == [0, 128, 255]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2, 4, 8]), st.integers(1, 40), st.integers(1, 5), st.integers(0, 99))
def test_samples_of_few_bits_come_back(depth, width, height, seed):
    values = np.random.default_rng(seed).integers(0, 1 << depth, (height, width), dtype=np.uint8)
    rows = packed_rows(values, depth)
    assert rows.shape == (height, -(-width * depth // 8))
    assert np.array_equal(unpack_rows(rows, depth, width), values)


def test_the_padding_of_rows_is_zero():
    assert packed_rows(np.full((2, 3), 3, np.uint8), 2).tolist() == [[0b11111100]] * 2


@pytest.mark.parametrize(
    ("values", "least", "depth"),
    [([0, 255], 1, 1), ([0, 255], 4, 4), ([0, 85], 1, 2), ([0, 17], 1, 4), ([0, 1], 1, 8), ([0, 255], 8, 8)],
)
def test_the_least_depth_that_holds_all_greys(values, least, depth):
    assert sub_byte_depth(np.array([values], np.uint8), least) == depth


def test_packing_is_turned_round():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 4), dtype=np.uint8)
    assert np.array_equal(unpack(pack(pixels), 4), pixels)
