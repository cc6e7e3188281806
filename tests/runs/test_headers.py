"""Sizes are read from headers alone, and a hostile header costs nothing."""

import io

import numpy as np
import pytest

import samples
from checked import present
from unionveil import AnonymizeConfig, Rejected
from unionveil.content import BytesContent
from unionveil.engines.pool import PoolEngine
from unionveil.formats import ImageFormat, sniff
from unionveil.images import decode
from unionveil.runs.headers import Header, read_header
from unionveil.runs.needs import needed_bytes
from unionveil.runs.work import Anonymize, Task

ALL = samples.all_samples()


@pytest.mark.parametrize("name", sorted(ALL))
def test_headers_agree_with_the_decoder(name):
    data = ALL[name]
    header = present(read_header(sniff(data), io.BytesIO(data)))
    frames = decode(data, 1e9).frames
    pixels = sum(frame.size_wh[0] * frame.size_wh[1] for frame in frames)
    assert pixels <= header.pixels <= 2 * pixels + 4096  # thumbnails, alpha planes, edges that are cropped
    assert header.is_deep == ("16" in name or "deep" in name)


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("jpeg-grey", 1),
        ("jpeg-420", 3),
        ("jpeg-cmyk", 4),
        ("png-rgba", 4),
        ("heic-alpha", 4),
        ("webp-alpha", 4),
    ],
)
def test_headers_say_how_many_channels(name, channels):
    assert present(read_header(sniff(ALL[name]), io.BytesIO(ALL[name]))).channels == channels


def test_damaged_headers_give_none_or_a_guess_and_never_an_error():
    rng = np.random.default_rng(3)
    for name, data in ALL.items():
        for _ in range(200):
            damaged = bytearray(data[: int(rng.integers(10, len(data)))])
            for _ in range(3):
                damaged[int(rng.integers(0, min(len(damaged), 300)))] = int(rng.integers(0, 256))
            header = read_header(sniff(data), io.BytesIO(damaged))
            assert header is None or needed_bytes(sniff(data), header, len(damaged)) >= 0, name


def test_more_pixels_channels_and_bits_need_more():
    def need(header):
        return needed_bytes(ImageFormat.PNG, header, 1000)

    plain = need(Header(10**7, 3, is_deep=False))
    assert plain > 3 * 10**7
    assert need(Header(10**7, 4, is_deep=False)) > plain
    assert need(Header(10**7, 3, is_deep=True)) > 1.4 * plain
    assert need(Header(10**8, 3, is_deep=False)) > 7 * plain


def test_the_header_is_read_from_the_start_of_the_file():
    for name, data in ALL.items():
        file = io.BytesIO(data)
        file.seek(100)
        assert read_header(sniff(data), file) == read_header(sniff(data), io.BytesIO(data)), name
        assert read_header(sniff(data), file) is not None, name


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("jpeg-420", "coded_samples", 1.5),
        ("jpeg-422", "coded_samples", 2),
        ("jpeg-444", "coded_samples", 3),
        ("jpeg-grey", "coded_samples", 1),
        ("jpeg-cmyk", "coded_samples", 4),
        ("jpeg-progressive", "is_progressive", True),
        ("jpeg-420", "is_progressive", False),
        ("webp-lossless", "is_lossless", True),
        ("webp-animated", "is_lossless", True),
        ("webp-alpha", "is_lossless", False),
        ("png-rgba", "is_plain", True),
        ("png-palette", "is_plain", False),
        ("png-colour-key", "is_plain", False),
        ("apng", "frames", 4),
        ("apng-default-image", "frames", 4),
        ("gif-animated", "frames", 4),
        ("tiff-pages", "frames", 3),
        ("tiff-lzw", "decoder_copies", 1),
        ("tiff-rgb", "decoder_copies", 0),
    ],
)
def test_headers_state_what_memory_depends_on(name, field, value):
    assert getattr(read_header(sniff(ALL[name]), io.BytesIO(ALL[name])), field) == value


def tasks(*needs):
    for number, need in enumerate(needs, 1):
        content = BytesContent(ALL["gif"])
        yield number, Task(number, "", content, (ImageFormat.GIF, f"{number}.gif"), None, need)


def test_a_picture_that_needs_more_than_there_is_is_refused_and_the_others_wait_for_their_turn():
    engine = PoolEngine(2, budget_bytes=100 << 20)
    done = dict(engine.map(Anonymize(AnonymizeConfig()), tasks(*[60 << 20] * 4, 200 << 20, 60 << 20)))
    refused = done.pop(5)
    assert refused == Rejected(
        "too-large",
        "the picture would need 0.2 GiB of memory, but there are 0.098 GiB for pictures here; start fewer "
        "workers with --jobs, or use a machine with more memory",
    )
    assert [result.record.status for result in done.values()] == ["redacted"] * 5
