import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

import samples
from checked import opencv_pixels
from covers import check_covers
from unionveil import ImageTooLarge, UnreadableImage, UnsupportedImage
from unionveil.images import Colour, Patch, decode
from unionveil.images.bmp_rle import decode_runs, encode_runs

LIMIT = 1e6
MARKER = b"MARKER-of-24-bytes------"
RNG = np.random.default_rng(0)
WIDTH, HEIGHT = 11, 6


def build(
    bits,
    pixels,
    *,
    compression=0,
    extra=b"",
    table=b"",
    gap=b"",
    size_wh=(WIDTH, HEIGHT),
    density=(0, 0),
    used=0,
) -> bytes:
    """A BMP with a header of 40 bytes, or longer by `extra`."""
    info = struct.pack("<iiHHIIiiII", *size_wh, 1, bits, compression, 0, *density, used, 0) + extra
    start = 18 + len(info) + len(table) + len(gap)
    head = b"BM" + struct.pack("<IHHI", 0, 0, 0, start)
    return (
        head
        + struct.pack("<I", 40 if len(extra) <= 16 and compression else 4 + len(info))
        + info
        + table
        + gap
        + pixels
    )


def rows(bits: int, height: int = HEIGHT) -> bytes:
    return RNG.bytes(-(-WIDTH * bits // 32) * 4 * height)


def table(bits: int) -> bytes:
    return RNG.integers(0, 256, (1 << bits, 4), dtype=np.uint8).tobytes()


def write(data: bytes, *patches: Patch) -> bytes:
    return decode(data, LIMIT).write([patches]).data


def cover(value: int, channels: int = 3) -> Patch:
    return Patch(slice(1, 4), slice(2, 6), np.full((1, 1, channels), value, np.uint8))


def bits_of(data: bytes) -> int:
    return struct.unpack_from("<H", data, 28)[0]


def shown(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def rgb(data: bytes) -> np.ndarray:
    pixels = decode(data, LIMIT).frames[0].pixels
    return np.broadcast_to(pixels[..., :3], (*pixels.shape[:2], 3))


FIVE_SIX_FIVE = struct.pack("<3I", 0xF800, 0x7E0, 0x1F)
VARIANTS = {
    "1": build(1, rows(1), table=table(1)),
    "4": build(4, rows(4), table=table(4)),
    "8": build(8, rows(8), table=table(8)),
    "16": build(16, rows(16)),
    "565": build(16, rows(16), compression=3, extra=FIVE_SIX_FIVE),
    "24": build(24, rows(24)),
    "32": build(32, rows(32)),
    "top-down": build(24, rows(24), size_wh=(WIDTH, -HEIGHT)),
    "gap": build(24, rows(24), gap=MARKER),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_other_decoders_see_the_same_before_and_after(name):
    data = VARIANTS[name]
    written = write(data)
    if name not in ("16", "565"):
        assert np.array_equal(rgb(data), shown(data))
    else:  # how five bits become eight is not defined
        assert np.abs(rgb(data).astype(int) - shown(data)).max() <= 1
    assert np.array_equal(rgb(written), rgb(data))
    assert np.array_equal(shown(written), shown(data))
    theirs = opencv_pixels(written, cv2.IMREAD_COLOR)[..., ::-1]
    if name not in ("16", "565"):
        assert np.array_equal(theirs, rgb(data))
    assert MARKER not in written
    assert bits_of(written) == (24 if name == "32" else bits_of(data))


def test_two_bits_are_read_and_stay():
    data = build(2, rows(2), table=table(2))
    assert bits_of(write(data)) == 2
    assert np.array_equal(rgb(write(data)), rgb(data))


@pytest.mark.parametrize(("bits", "expected"), [(1, 4), (4, 8)])
def test_a_table_grows_with_the_cover(bits, expected):
    data = VARIANTS[str(bits)]
    written = write(data, cover(1))
    assert bits_of(written) == expected
    assert (rgb(written)[1:4, 2:6] == 1).all()


@pytest.mark.parametrize(("value", "expected"), [(0, 16), (255, 16), (100, 24)])
@pytest.mark.parametrize("name", ["16", "565"])
def test_sixteen_bits_stay_while_they_hold_all_colours(name, value, expected):
    written = write(VARIANTS[name], cover(value))
    assert bits_of(written) == expected
    before, after = rgb(VARIANTS[name]).copy(), rgb(written)
    before[1:4, 2:6] = value
    assert np.array_equal(before, after)


def test_opacity_stays():
    pixels = RNG.integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8)
    data = cv2.imencode(".bmp", pixels)[1].tobytes()
    picture = decode(data, LIMIT)
    assert picture.frames[0].colour is Colour.RGBA
    assert np.array_equal(picture.frames[0].pixels, pixels[..., [2, 1, 0, 3]])
    written = write(data)
    assert np.array_equal(opencv_pixels(written, cv2.IMREAD_UNCHANGED), pixels)
    with Image.open(io.BytesIO(written)) as image:
        assert np.array_equal(np.asarray(image), pixels[..., [2, 1, 0, 3]])


def test_an_unused_fourth_byte_leaves_no_trace():
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    pixels[..., 3] = RNG.integers(0, 256, (HEIGHT, WIDTH))
    assert not decode(write(build(32, pixels.tobytes())), LIMIT).frames[0].pixels.any()


def test_padding_and_unused_colours_leave_no_trace():
    padded = np.frombuffer(rows(24), np.uint8).reshape(HEIGHT, -1).copy()
    padded[:, 33:] = 0xAB
    written = write(build(24, padded.tobytes()) + MARKER)
    assert MARKER not in written
    assert b"\xab\xab\xab" not in written
    entries = bytes([5, 5, 5, 0]) + (MARKER * 43)[: 4 * 255]
    assert MARKER not in write(build(8, bytes(12 * HEIGHT), table=entries))


@pytest.mark.parametrize("bits", [4, 8])
def test_runs_come_back_and_stay_runs_where_that_is_shorter(bits):
    indices = np.zeros((40, 60), np.uint8)
    indices[10:30, 7:51] = 3
    indices[12] = np.arange(60) % (1 << bits)
    data = build(
        bits,
        encode_runs(indices, bits),
        compression=1 if bits == 8 else 2,
        table=table(bits),
        size_wh=(60, 40),
    )
    assert np.array_equal(rgb(data), shown(data))
    written = write(data)
    assert struct.unpack_from("<I", written, 30)[0] == (1 if bits == 8 else 2)
    assert np.array_equal(rgb(written), rgb(data))
    assert np.array_equal(shown(written), shown(data))


@pytest.mark.parametrize("bits", [4, 8])
def test_random_runs_are_turned_round(bits):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        indices = np.repeat(
            rng.integers(0, 1 << bits, (5, 9), dtype=np.uint8), int(rng.integers(1, 90)), axis=1
        )
        assert np.array_equal(decode_runs(encode_runs(indices, bits), bits, indices.shape[::-1]), indices)


def test_literal_runs_and_jumps():
    data = bytes([0, 3, 0x12, 0x30, 2, 0x45, 0, 2, 1, 1, 1, 0x70, 0, 1])
    assert decode_runs(data, 4, (8, 2)).tolist() == [[1, 2, 3, 4, 5, 0, 0, 0], [0, 0, 0, 0, 0, 0, 7, 0]]
    assert decode_runs(bytes([0, 3, 7, 8, 9, 0, 0, 1]), 8, (3, 1)).tolist() == [[7, 8, 9]]


@pytest.mark.parametrize(
    "runs", [b"\x0c\x01\x00\x01", b"\x0b\x01", b"", b"\x00\x09\x01", b"\x00\x02\x00\x09\x01\x01\x00\x01"]
)
def test_damaged_runs_are_refused(runs):
    with pytest.raises(UnreadableImage):
        decode(build(8, runs, compression=1, table=table(8)), LIMIT)


def test_density_and_profile_stay():
    assert decode(write(build(24, rows(24), density=(11811, 5906))), LIMIT).rendering.density_xy == (
        11811,
        5906,
    )
    body = rows(24)
    long = struct.pack("<4II48xIIII", 0, 0, 0, 0, 0x4D424544, 4, 124 + len(body), len(samples.ICC), 0)
    data = build(24, body, extra=long) + samples.ICC
    picture = decode(data, LIMIT)
    assert picture.rendering.icc is not None
    written = write(data)
    assert decode(written, LIMIT).rendering == picture.rendering
    assert np.array_equal(shown(written), shown(data))
    palette = write(build(8, rows(8), extra=long, table=table(8)) + samples.ICC)
    assert np.array_equal(rgb(palette), shown(palette))


@pytest.mark.parametrize("kind", [0x4C494E4B, 0x4D424544])
def test_a_linked_or_broken_profile_is_dropped(kind):
    body = rows(24)
    long = struct.pack("<4II48xIIII", 0, 0, 0, 0, kind, 4, 124 + len(body), len(MARKER), 0)
    assert MARKER not in write(build(24, body, extra=long) + MARKER)


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (VARIANTS["24"][:-9], "cut off"),
        (VARIANTS["8"][:60], "cut off"),
        (build(24, b"", size_wh=(0, 5)), "no width"),
        (build(24, b"", size_wh=(5, 0)), "no width"),
        (build(7, rows(8)), "invalid values"),
        (build(24, rows(24), compression=1), "invalid values"),
        (build(8, rows(8), table=table(4), used=16), "outside"),
        (build(16, rows(16), compression=3, extra=struct.pack("<3I", 0xF800, 0xF800, 0x1F)), "overlap"),
        (build(16, rows(16), compression=3, extra=struct.pack("<3I", 0xF80000, 0x7E0, 0x1F)), "overlap"),
        (build(24, b"", extra=bytes(84))[:80], "cut off"),
        (b"BM" + struct.pack("<IHHI", 0, 0, 0, 20) + VARIANTS["24"][14:], "inside its header"),
        (b"BM" + struct.pack("<IHHII", 0, 0, 0, 54, 41) + VARIANTS["24"][18:], "invalid size"),
    ],
)
def test_damage_is_named(broken, word):
    with pytest.raises(UnreadableImage, match=word):
        decode(broken, LIMIT)


def test_variants_are_named():
    with pytest.raises(UnsupportedImage, match="JPEG"):
        decode(build(24, rows(24), compression=4), LIMIT)
    deep = struct.pack("<3I", 0x3FF00000, 0xFFC00, 0x3FF)
    with pytest.raises(UnsupportedImage, match="8 bits"):
        decode(build(32, rows(32), compression=3, extra=deep), LIMIT)


def test_a_small_header_with_a_table_of_three_bytes():
    core = (
        b"BM"
        + struct.pack("<IHHIIHHHH", 0, 0, 0, 26 + 6, 12, WIDTH, HEIGHT, 1, 1)
        + bytes([1, 2, 3, 4, 5, 6])
    )
    data = core + rows(1)
    assert np.array_equal(rgb(data), shown(data))
    assert np.array_equal(rgb(write(data)), rgb(data))


def test_more_pixels_than_the_limit_are_refused_before_decoding():
    with pytest.raises(ImageTooLarge):
        decode(build(24, b"", size_wh=(1 << 30, 1 << 30)), 200e6)


@pytest.mark.parametrize("name", VARIANTS)
def test_another_decoder_shows_the_same_pixels(name):
    check_covers(VARIANTS[name])
