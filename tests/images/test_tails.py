"""Ends of coded data, with decoders that return requested pixels."""

from dataclasses import replace

import numpy as np
import pytest

import samples
from containers import heic, only_item, save
from unionveil import ImageTooLarge, UnreadableImage
from unionveil.images import av1, hevc, isobmff
from unionveil.images.coded import NotAccounted
from unionveil.images.rebuild import Rebuilt, check_sizes
from unionveil.images.tails import check_tails, end_exactly

HEVC = only_item(heic(samples.scene(), quality=80))
AV1 = only_item(save(samples.RGB, "AVIF", quality=80))


def decoder(reads):
    """A decoder whose pixels are the coded bytes up to some offset, without the lengths before them."""

    def decode(file):
        data = only_item(file).data.ljust(reads, b"\x00")
        return np.frombuffer(data[40:reads], np.uint8)

    return decode


@pytest.mark.parametrize("item", [HEVC, AV1], ids=["hevc", "av1"])
def test_whole_data_are_accepted(item):
    check_tails([item], decoder(len(item.data)))


@pytest.mark.parametrize("item", [HEVC, AV1], ids=["hevc", "av1"])
def test_data_that_end_too_early_are_refused(item):
    with pytest.raises(UnreadableImage, match="too early"):
        check_tails([item], decoder(len(item.data) + 3))


@pytest.mark.parametrize("item", [HEVC, AV1], ids=["hevc", "av1"])
def test_data_that_go_on_are_refused(item):
    with pytest.raises(UnreadableImage, match="other data follow"):
        check_tails([item], decoder(len(item.data) - 40))


def test_a_decoder_that_fails_has_read_the_changed_end():
    def decode(file):
        if hevc.read_end(only_item(file).data, 4, 4) == wrong:
            raise ValueError("damaged")
        return np.zeros(1)

    wrong = bytes(byte ^ 0xFF for byte in hevc.read_end(HEVC.data, 4, 4))
    check_tails([HEVC], decode)


def test_equal_items_are_checked_once():
    files = []

    def decode(file):
        files.append(file)
        return decoder(len(HEVC.data))(file)

    check_tails([HEVC] * 9, decode)
    assert len(files) == 3


def test_items_that_cannot_be_parsed_are_not_accounted_for():
    with pytest.raises(NotAccounted):
        check_tails([replace(HEVC, data=b"\x00\x00\x00\x09")], decoder(4))


@pytest.mark.parametrize(("strict", "expected"), [(True, True), (False, None)])
def test_a_strict_decoder_shows_where_data_end(strict, expected):
    def decodes(file):
        return not strict or only_item(file).data == AV1.data

    assert end_exactly([AV1], decodes) is expected


def test_a_strict_decoder_that_refuses_shows_that_there_is_more():
    longer = replace(AV1, data=av1.replace_end(AV1.data, 0, b"more"))
    assert end_exactly([longer], lambda file: only_item(file).data == AV1.data) is False


def test_parts_that_are_far_larger_than_their_picture_are_refused():
    item = isobmff.Item(b"hvc1", (isobmff.Property(b"ispe", bytes(4) + b"\x00\x00\x03\xe8" * 2),), b"")
    check_sizes(Rebuilt(b"", items=(item,) * 4), 1e6)
    with pytest.raises(ImageTooLarge):
        check_sizes(Rebuilt(b"", items=(item,) * 5), 1e6)
