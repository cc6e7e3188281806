"""The central directory of a zip archive."""

from __future__ import annotations

import io
import struct

import pytest

from unionveil.files.zips import directory_bytes


def zip64(in_end: int, in_record: int) -> io.BytesIO:
    """The ends of an archive whose directory is said to have two lengths."""
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 0, 0, in_record, 0)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 0, 1)
    return io.BytesIO(record + locator + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0, 0, in_end, 0, 0))


@pytest.mark.parametrize(
    ("in_end", "in_record", "length"), [(0xFFFFFFFF, 46, 46), (46, 1 << 40, 1 << 40), (1 << 20, 46, 1 << 20)]
)
def test_the_length_of_a_large_archives_directory_is_the_larger_that_it_claims(in_end, in_record, length):
    file = zip64(in_end, in_record)
    assert directory_bytes(file) == length
    assert file.tell() == 0
