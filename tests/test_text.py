import pytest

from unionveil.text import escaped, printable


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain, grüße 日本 🙂", "plain, grüße 日本 🙂"),
        ("\x1b[31m\n\t\x9b", "\\x1b[31m\\n\\t\\x9b"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("caf\udce9", "caf\\udce9"),
    ],
)
def test_nothing_unprintable_is_left(text, safe):
    assert escaped(text) == safe
    assert escaped(text).isprintable()
    assert printable(text).isprintable()
