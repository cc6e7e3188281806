import io

import numpy as np
import pytest
from PIL import Image

import samples
from unionveil import UnreadableImage
from unionveil.images import decode
from unionveil.images.fax import check_fax
from unionveil.images.tiff_structure import read_structure, write_structure

KINDS = [
    ("group4", None, {"dimensions": 2, "lines": False}),
    ("group3", None, {"dimensions": 1, "lines": True}),
    ("group3", 1, {"dimensions": 0, "lines": True}),
    ("group3", 5, {"dimensions": 0, "lines": True}),
    ("tiff_ccitt", None, {"dimensions": 1, "lines": False}),
]


def strip(pixels: np.ndarray, compression: str, options: int | None) -> bytes:
    """One strip as libtiff writes it."""
    info = {} if options is None else {292: options}
    data = samples.save(
        Image.fromarray(pixels), "TIFF", compression=compression, strip_size=10**8, tiffinfo=info
    )
    (tags,) = read_structure(data, {273, 279}, ()).pages
    start, length = int(tags[273][0]), int(tags[279][0])
    return data[start : start + length]


def page(seed: int) -> np.ndarray:
    """Rows with runs of all lengths, some like the row above."""
    rng = np.random.default_rng(seed)
    width, height = int(rng.integers(1, 9000 if seed % 3 else 60)), int(rng.integers(1, 12))
    coarse = rng.random((-(-height // 2), -(-width // int(rng.integers(1, 40))))) < 0.5
    grown = np.repeat(np.repeat(coarse, 2, axis=0), 40, axis=1)[:height, :width]
    wide = np.zeros((height, width), bool)
    wide[: grown.shape[0], : grown.shape[1]] = grown
    return wide ^ (rng.random((height, width)) < 0.01)


@pytest.mark.parametrize(("compression", "options", "how"), KINDS)
def test_files_of_libtiff_are_complete(compression, options, how):
    for seed in range(60):
        pixels = page(seed)
        check_fax(strip(pixels, compression, options), pixels.shape[1], pixels.shape[0], **how)


def test_every_run_of_both_colours_has_its_code():
    for length in [*range(1, 130), *range(130, 2700, 59), *range(128, 2700, 64)]:
        row = np.zeros((1, 2 * length + 5), bool)
        row[0, length : 2 * length] = True
        check_fax(strip(row, "tiff_ccitt", None), row.shape[1], 1, dimensions=1, lines=False)


@pytest.mark.parametrize(("compression", "options", "how"), KINDS)
def test_cut_data_and_most_flipped_bits_are_found(compression, options, how):
    pixels = np.asarray(samples.RGB.resize((150, 100)).convert("1"))
    data = strip(pixels, compression, options)
    with pytest.raises(UnreadableImage):
        check_fax(data[: len(data) // 2], 150, 100, **how)
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(40):
        broken = bytearray(data)
        broken[int(rng.integers(0, len(data) - 8))] ^= 1 << int(rng.integers(0, 8))
        try:
            check_fax(bytes(broken), 150, 100, **how)
        except UnreadableImage:
            found += 1
    assert found > 30


def tiff(change, compression="group4") -> bytes:
    """A fax page with one strip, changed."""
    data = samples.save(samples.RGB.convert("1"), "TIFF", compression=compression, strip_size=10**8)
    names = (256, 257, 258, 259, 262, 278)
    (tags,) = read_structure(data, {*names, 273, 279}, ()).pages
    start = int(tags[273][0])
    body = data[start : start + int(tags[279][0])]
    return write_structure([({name: (4, tags[name]) for name in names}, [change(body)])], big=False)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_a_damaged_page_is_refused_although_libtiff_completes_it(compression):
    def damaged(body):
        return body[: len(body) // 2] + b"\x00\x00\x01" + body[len(body) // 2 :]

    data = tiff(damaged, compression)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
    with pytest.raises(UnreadableImage, match="fax"):
        decode(data, 1e6)


def test_an_end_mark_is_optional_and_bytes_after_it_are_dropped():
    whole = decode(tiff(lambda body: body), 1e6).frames[0].pixels
    # The end-of-block code is 24 bits long.
    for change in (lambda body: body[:-3] + b"\x00", lambda body: body + samples.SECRET):
        picture = decode(tiff(change), 1e6)
        assert np.array_equal(picture.frames[0].pixels, whole)
        assert samples.SECRET not in picture.write([()]).data
