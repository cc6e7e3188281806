from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from unionveil_ocean.jobs.logs import log_text


def frames(*parts: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack(">BxxxL", stream, len(data)) + data for stream, data in parts)


def test_a_log_loses_its_frame_headers_and_terminal_commands():
    data = frames((1, b"first\nsec"), (2, b"ond\n\x1b[2Jwarning\r\n"))
    assert log_text(data) == "first\nsecond\n[2Jwarning\n"
    assert log_text(b"no frames\n") == "no frames\n"
    assert log_text(data[:-4]) == "first\nsecond\n[2Jwarni"
    assert log_text(b"") == ""


@given(st.lists(st.tuples(st.integers(0, 2), st.text("abc\nä", min_size=1).map(str.encode)), max_size=5))
def test_framed_text_comes_back(parts):
    assert log_text(frames(*parts)) == b"".join(data for _, data in parts).decode()


@given(st.binary(max_size=60))
def test_no_log_is_too_odd(data):
    assert all(char in "\n\t" or char.isprintable() or char.isspace() for char in log_text(data))
