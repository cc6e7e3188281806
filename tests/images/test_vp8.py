"""The partitions of lossy WebPs."""

import base64
from dataclasses import replace

import numpy as np
import pytest

import samples
from containers import chunk, chunks, riff, untouched
from unionveil.images import Encoding, decode, vp8

LIMIT = 1e6
ONE = chunks(samples.save(samples.RGB, "WEBP", quality=80))[0][1]
TWO = base64.b64decode(
    "EAoAnQEqIAAwAABHCIWFiIWEiEICDJA/gD+gLSBfwH8AYpfSDc3iX4Kfsr/SfkJpH8B+0v7QZSz//2ydBX5gf4j/W/+P/bvf"
    "/sf/0/xvcBIA/svZWLadCsbYbwAA/vrskPqkCf//cQoFmEMLonxnoYPmD/0avwUd64J2FoL14ksA3//ejpXZKncJgiUC/c9i"
    "bxVIKnUWYxbD0f1zMn95SmhKt2pwh69KpaWdbvBa9g3K2Pi02gtP//dgbbeiImuyaORzqe8ub6NdSfDg/RK6Eyf1zatn98Gb"
    "j/TIV14Q0IMObqc+nLuMO3PDLbXwd//zxGRMYRE/+oS56FPKTW3RpOETjjomCDRjjgA="
)
"""32 x 48 pixels with two partitions of coefficients, made by libvpx."""


@pytest.mark.parametrize(("data", "count"), [(ONE, 2), (TWO, 3)])
def test_taken_apart_and_put_together_they_are_the_same(data, count):
    frame = vp8.read(data)
    assert len(frame.partitions) == count
    assert vp8.write(frame) == data


@pytest.mark.parametrize("data", [ONE, TWO], ids=["one", "two"])
def test_bytes_after_the_end_of_a_partition_are_cut_off(data):
    frame = vp8.read(data)
    longer = replace(frame, partitions=tuple(each + samples.SECRET * 3 for each in frame.partitions))
    picture = decode(riff(chunk(b"VP8 ", vp8.write(longer))), LIMIT)
    assert np.array_equal(
        picture.frames[0].pixels, decode(riff(chunk(b"VP8 ", data)), LIMIT).frames[0].pixels
    )
    written = untouched(picture)
    assert written.encoding is Encoding.KEPT
    assert samples.SECRET not in written.data
    assert np.array_equal(decode(written.data, LIMIT).frames[0].pixels, picture.frames[0].pixels)


def test_the_shortest_prefix_is_found():
    frame = vp8.KeyFrame(0, (8, 8), (bytes(40), bytes(100)))
    needed = [7, 33]
    tried = []

    def same(other):
        tried.append(other)
        return all(len(each) >= least for each, least in zip(other.partitions, needed, strict=True))

    assert [len(each) for each in vp8.shortest(frame, same).partitions] == needed
    assert len(tried) < 60


def test_bytes_that_a_decoder_reads_and_does_not_show_become_zeros():
    frame = vp8.KeyFrame(0, (8, 8), (b"modes" * 4, b"coefficients" * 4))

    def same(other):
        first, second = other.partitions
        return len(first) >= 20 and len(second) >= 40 and second.startswith(b"coefficientsco")

    first, second = vp8.shortest(frame, same).partitions
    assert first == bytes(20)
    assert second == b"coefficientsco" + bytes(26)


def test_bytes_that_can_only_be_cleared_together_are():
    """A decoder that reads ahead may reveal one cleared byte, but not two."""
    frame = vp8.KeyFrame(0, (8, 8), (b"modes", b"coefficients" + b"secret"))

    def same(other):
        second = other.partitions[1]
        return (
            len(second) == 18
            and second.startswith(b"coefficients")
            and second[17:] in (b"t", b"\0")
            and (second[17:] == b"t" or second[16:17] == b"\0")
        )

    assert vp8.shortest(frame, same).partitions[1] == b"coefficients" + bytes(6)


def test_a_whole_picture_needs_eight_tries():
    frame = vp8.KeyFrame(0, (8, 8), (b"a" * 1000, b"b" * 1000))
    tried = []

    def same(other):
        tried.append(other)
        return other == frame

    assert vp8.shortest(frame, same) == frame
    assert len(tried) == 8


@pytest.mark.parametrize(
    "data",
    [b"", ONE[:9], b"\x01" + ONE[1:], ONE[:3] + b"xyz" + ONE[6:], ONE[:60], b"\xff" * 3 + ONE[3:]],
    ids=["empty", "short", "no-key-frame", "no-start-code", "cut", "long-partition"],
)
def test_values_that_do_not_fit_are_errors(data):
    with pytest.raises(ValueError, match="lossy WebP"):
        vp8.read(data)


def test_the_request_to_enlarge_is_dropped():
    asking = ONE[:7] + bytes([ONE[7] | 0x80]) + ONE[8:]
    assert vp8.write(vp8.read(asking)) == ONE
