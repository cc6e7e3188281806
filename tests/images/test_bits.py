import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionveil.images.bits import BitReader, BitWriter


@given(st.lists(st.tuples(st.sampled_from("use"), st.integers(0, 255)), max_size=30))
def test_fields_come_back(fields):
    writer = BitWriter()
    for kind, value in fields:
        match kind:
            case "u":
                writer.u(value, 8)
            case "e":
                writer.ue(value)
            case _:
                writer.se(value - 127)
    reader = BitReader(writer.finish())
    for kind, value in fields:
        match kind:
            case "u":
                assert reader.u(8) == value
            case "e":
                assert reader.ue() == value
            case _:
                assert reader.se(128) == value - 127
    reader.trailing()
    assert reader.left == 0


def test_codes_are_those_of_the_standard():
    """Table 9-2 of ITU-T H.265."""
    for value, code in enumerate(["1", "010", "011", "00100", "00101"]):
        bits = (code + "1").ljust(8, "0")
        assert BitReader(bytes([int(bits, 2)])).ue() == value
    assert BitReader(bytes([0b01000000])).se() == 1
    assert BitReader(bytes([0b01100000])).se() == -1


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"\x00", lambda reader: reader.u(9)),
        (b"\x00" * 9, lambda reader: reader.ue()),
        (b"\x08", lambda reader: reader.ue(6)),
        (b"\x40", lambda reader: reader.zeros(2)),
        (b"\x00", lambda reader: reader.trailing()),
        (b"\xc0", lambda reader: reader.trailing()),
        (b"\x80\x00", lambda reader: reader.trailing()),
    ],
    ids=["short", "long-code", "large", "reserved", "no-end", "end-inside", "behind-end"],
)
def test_values_that_do_not_fit_are_errors(data, read):
    with pytest.raises(ValueError, match="coded"):
        read(BitReader(data))
