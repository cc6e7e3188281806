import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionveil.text import counted, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Straßenfotos, 写真 (2024)", "Straßenfotos, 写真 (2024)"),
        ("\x1b[2J\x1b[1;1Hcosts 0", "\\x1b[2J\\x1b[1;1Hcosts 0"),
        ("name\ncosts  0\r\t", "name\\ncosts  0\\r\\t"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b\u200bc\x85\x9b", "a\\u2028b\\u200bc\\x85\\x9b"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_are_escaped(text, shown):
    assert printable(text, quoted=False) == shown
    assert printable(text).strip("'\"") == shown


@given(st.text(), st.booleans())
def test_the_result_is_one_line_for_every_terminal(text, quoted):
    shown = printable(text, quoted=quoted, most=None)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    shown.encode()


def test_a_long_text_is_cut_unless_it_has_to_be_copied():
    assert printable("x" * 200) == repr("x" * 100)
    assert printable("x" * 200, quoted=False, most=None) == "x" * 200


def test_numbers_stand_with_their_nouns():
    assert [counted(number, "photo") for number in (0, 1, 2)] == ["0 photos", "1 photo", "2 photos"]
    assert [counted(number, "box", "boxes") for number in (1, 2)] == ["1 box", "2 boxes"]
