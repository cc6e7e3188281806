from hypothesis import given, settings
from hypothesis import strategies as st

from unionveil.compact import NameSet, NameTable

NAMES = st.text(st.characters(), max_size=4)


@given(st.lists(st.tuples(NAMES, st.integers(-(2**40), 2**40))), st.lists(NAMES))
@settings(max_examples=200)
def test_a_table_is_a_dictionary(entries, others):
    table, expected = NameTable(), {}
    for name, value in entries:
        table[name] = expected[name] = value
    assert len(table) == len(expected)
    for name in [*expected, *others]:
        assert table.get(name) == expected.get(name)
        assert (name in table) == (name in expected)


def test_a_table_grows():
    names = NameSet()
    table = NameTable()
    for number in range(5000):
        names.update(f"{number}.jpg", f"{number}.jpg")
        table[f"{number}.jpg"] = number
    assert len(names) == 5000
    assert all(table.get(f"{number}.jpg") == number for number in range(5000))
    assert all(f"{number}.jpg" in names for number in range(5000))
    assert not any(f"{number}.png" in names for number in range(5000))
