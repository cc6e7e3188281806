"""Every format is in every table of formats."""

from collections.abc import Collection

import pytest

import samples
from unionveil.formats import ImageFormat, sniff
from unionveil.images.readers import reader_of
from unionveil.runs.names import SUFFIXES
from unionveil.serve.media import MEDIA_TYPES

TABLES: dict[str, Collection[ImageFormat]] = {
    "readers": [kind for kind in ImageFormat if callable(reader_of(kind))],
    "suffixes": SUFFIXES,
    "media types": MEDIA_TYPES,
}


@pytest.mark.parametrize("name", TABLES)
def test_every_format_is_in_the_table(name):
    assert set(TABLES[name]) == set(ImageFormat)


def test_every_format_has_samples():
    assert {sniff(data) for data in samples.all_samples().values()} == set(ImageFormat)
