import os
from pathlib import Path

import pytest

from unionveil import InputError
from unionveil.cli.path_list import paths_of

NAMES = [Path("a b.jpg"), Path("grüße/c.jpg")]


@pytest.mark.parametrize(
    "data",
    [
        "a b.jpg\ngrüße/c.jpg\n".encode(),
        "\r\na b.jpg\r\n\r\ngrüße/c.jpg".encode(),
        "a b.jpg\0grüße/c.jpg\0".encode(),
        "\ufeffa b.jpg\ngrüße/c.jpg\n".encode(),
        "a b.jpg\r\ngrüße/c.jpg\r\n".encode("utf-16"),
    ],
)
def test_lists_as_programs_write_them(data):
    assert list(paths_of(data)) == NAMES


def test_names_may_contain_everything_that_a_system_allows():
    assert list(paths_of(b"a\nb.jpg\0")) == [Path("a\nb.jpg")]
    assert list(paths_of("a\u2028b\x0bc.jpg\n".encode())) == [Path("a\u2028b\x0bc.jpg")]
    assert list(paths_of(b"caf\xe9.jpg\n")) == [Path(os.fsdecode(b"caf\xe9.jpg"))]
    assert list(paths_of(b"")) == []


def test_half_a_list_in_utf_16_is_a_clear_error():
    with pytest.raises(InputError, match="not valid UTF-16"):
        paths_of(b"\xff\xfea")
