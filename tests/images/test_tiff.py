import io
import struct
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

import samples
from checked import opencv_pixels, present
from covers import check_covers
from unionveil import ImageTooLarge, UnreadableImage, UnsupportedImage
from unionveil.images import Colour, Patch, decode
from unionveil.images.tiff_layout import Compression
from unionveil.images.tiff_structure import Entry, read_structure, write_structure

LIMIT = 1e6
MARKER = b"MARKER-of-24-bytes------"
RNG = np.random.default_rng(0)
EIGHT = RNG.integers(0, 256, (37, 45, 4), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (37, 45, 4), dtype=np.uint16)


def build(pixels: np.ndarray, byteorder="<", bigtiff=False, **options) -> bytes:
    out = io.BytesIO()
    with tifffile.TiffWriter(out, byteorder=byteorder, bigtiff=bigtiff) as file:
        file.write(pixels, metadata=None, software=False, **options)
    return out.getvalue()


def rgb(deep: bool, **options) -> bytes:
    return build((DEEP if deep else EIGHT)[..., :3], photometric="rgb", **options)


def raw(tags: Mapping[int, Entry], *strips: bytes, drop=()) -> bytes:
    """A page of 8 x 4 pixels of 8-bit grey, with other tags."""
    plain: dict[int, Entry] = {
        256: (4, (8,)),
        257: (4, (4,)),
        258: (3, (8,)),
        259: (3, (1,)),
        262: (3, (1,)),
        277: (3, (1,)),
        278: (4, (4,)),
    }
    merged = {tag: value for tag, value in {**plain, **tags}.items() if tag not in drop}
    return write_structure([(merged, strips or [bytes(range(32))])], big=False)


def tags(data: bytes) -> list[dict[int, Any]]:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return [{tag.code: tag.value for tag in page.aspage().tags.values()} for page in file.pages]


def write(data: bytes, *patches: Patch) -> bytes:
    picture = decode(data, LIMIT)
    return picture.write([patches] * len(picture.frames)).data


def pixels(data: bytes) -> np.ndarray:
    return decode(data, LIMIT).frames[0].pixels


def cover(value=0, channels=3, dtype=np.uint8) -> Patch:
    return Patch(slice(1, 4), slice(2, 6), np.full((1, 1, channels), value, dtype))


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 5},
        {"tile": (16, 32)},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "tile": (16, 16)},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": 2, "rowsperstrip": 7},
        {"compression": "zlib", "predictor": 2, "tile": (16, 16)},
        {"compression": "zlib", "predictor": 2, "planarconfig": "separate"},
    ],
    ids=str,
)
def test_every_order_of_bytes_rows_and_planes(deep, byteorder, bigtiff, options):
    expected = (DEEP if deep else EIGHT)[..., :3]
    stored = np.moveaxis(expected, 2, 0).copy() if "planarconfig" in options else expected
    data = build(stored, byteorder, bigtiff, photometric="rgb", **options)
    assert np.array_equal(pixels(data), expected)
    written = write(data)
    assert np.array_equal(pixels(written), expected)
    assert np.array_equal(tifffile.imread(io.BytesIO(written)), expected)
    theirs = opencv_pixels(written, cv2.IMREAD_UNCHANGED)
    assert np.array_equal(theirs[..., ::-1], expected)
    (before,), (after,) = tags(data), tags(written)
    assert after[259] == before[259]
    assert after.get(317) == before.get(317)
    assert (written[2] == 43) == bigtiff


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("name", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd"])
def test_kinds_of_compression_stay_and_pillow_agrees(name, predictor):
    data = samples.save(samples.RGB, "TIFF", compression=name, tiffinfo={317: predictor})
    written = write(data)
    with Image.open(io.BytesIO(written)) as image:
        assert image.info["compression"] == name
        assert np.array_equal(np.asarray(image), np.asarray(samples.RGB))
    assert np.array_equal(pixels(data), np.asarray(samples.RGB))
    keeps = predictor if name != "packbits" else 1
    assert tags(written)[0].get(317, 1) == keeps


@pytest.mark.parametrize("name", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_fax_stays_fax_while_the_page_is_black_and_white(name, white_is_zero):
    image = samples.RGB.convert("1")
    info = {262: 0} if white_is_zero else {}
    data = samples.save(image, "TIFF", compression=name, tiffinfo=info)
    expected = np.asarray(image.convert("L"))
    assert np.array_equal(pixels(data)[..., 0], expected)
    for value, kept in ((0, True), (255, True), (128, False)):
        written = write(data, cover(value, 1))
        covered = expected.copy()
        covered[1:4, 2:6] = value
        with Image.open(io.BytesIO(written)) as read:
            assert (read.info["compression"] == name) is kept
            assert np.array_equal(np.asarray(read.convert("L")), covered)
        assert tags(written)[0][262] == (0 if white_is_zero else 1)


def test_reversed_bits_are_read():
    packed = RNG.integers(0, 256, 4, dtype=np.uint8)
    turned = np.packbits(np.unpackbits(packed[:, None], axis=1)[:, ::-1], axis=1).tobytes()
    data = raw({258: (3, (1,)), 266: (3, (2,))}, turned)
    assert np.array_equal(pixels(data)[..., 0], np.unpackbits(packed[:, None], axis=1) * 255)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("photometric", [0, 1])
def test_grey_of_few_bits_stays(bits, photometric):
    data = raw({258: (3, (bits,)), 262: (3, (photometric,))}, RNG.bytes(4 * bits))
    written = write(data)
    assert tags(written)[0][258] == bits
    assert tags(written)[0][262] == photometric
    assert np.array_equal(pixels(written), pixels(data))
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(np.asarray(image.convert("L")), pixels(data)[..., 0])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_stay_and_hold_only_what_is_shown(bits):
    colours = RNG.integers(256, 65536, 3 << bits)
    data = raw({258: (3, (bits,)), 262: (3, (3,)), 320: (3, tuple(colours.tolist()))}, RNG.bytes(4 * bits))
    written = write(data)
    assert (tags(written)[0][258], tags(written)[0][262]) == (bits, 3)
    assert np.array_equal(pixels(written), pixels(data))
    with Image.open(io.BytesIO(written)) as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), pixels(data))
    shown = {tuple(colour) for colour in pixels(data).reshape(-1, 3).tolist()}
    table = np.reshape(tags(written)[0][320], (3, -1)).T >> 8
    assert {tuple(colour) for colour in table.tolist()} <= shown | {(0, 0, 0)}
    grown = write(data, cover(1))
    assert tags(grown)[0][262] == 3
    assert (pixels(grown)[1:4, 2:6] == 1).all()


def test_a_colour_map_of_eight_bits_is_recognized():
    colours = RNG.integers(0, 256, 768).tolist()
    data = raw({262: (3, (3,)), 320: (3, tuple(colours))})
    assert np.array_equal(pixels(data)[0, 0], np.reshape(colours, (3, 256))[:, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_associated_opacity_survives_a_round_trip(dtype):
    white = np.iinfo(dtype).max
    alpha = RNG.integers(1, int(white) + 1, (37, 45, 1))
    colours = (RNG.random((37, 45, 3)) * (alpha + 1)).astype(np.int64)
    stored = np.concatenate([np.minimum(colours, alpha), alpha], axis=2).astype(dtype)
    data = build(stored, photometric="rgb", extrasamples=["assocalpha"])
    frame = decode(data, LIMIT).frames[0]
    assert frame.colour is Colour.RGBA
    again = np.rint(frame.pixels[..., :3].astype(float) * alpha / white)
    assert np.array_equal(again, stored[..., :3])
    written = write(data)
    assert tags(written)[0][338] in (2, (2,))
    assert np.array_equal(pixels(written), frame.pixels)


def test_colours_under_associated_opacity_of_zero_are_gone():
    stored = EIGHT.copy()
    stored[..., 3] = 0
    frame = decode(build(stored, photometric="rgb", extrasamples=["assocalpha"]), LIMIT).frames[0]
    assert not frame.pixels.any()


@pytest.mark.parametrize(
    ("extra", "channels", "colour"),
    [
        (["unassalpha"], 4, Colour.RGBA),
        (["unspecified"], 4, Colour.RGB),
        (["unassalpha"], 2, Colour.GREY_ALPHA),
        (["unspecified"], 2, Colour.GREY),
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_extra_samples_are_opacity_or_dropped(extra, channels, colour, deep):
    stored = (DEEP if deep else EIGHT)[..., :channels]
    kind = "rgb" if channels == 4 else "minisblack"
    data = build(stored, photometric=kind, extrasamples=extra, planarconfig="contig")
    frame = decode(data, LIMIT).frames[0]
    assert frame.colour is colour
    assert np.array_equal(frame.pixels, stored[..., : colour.channels])
    assert np.array_equal(pixels(write(data)), frame.pixels)


@pytest.mark.parametrize(
    ("mode", "options"),
    [("L", {}), ("RGB", {}), ("RGB", {"quality": 70}), ("CMYK", {}), ("YCbCr", {})],
)
def test_jpeg_strips_become_deflate(mode, options):
    image = samples.RGB.resize((96, 200)).convert(mode)
    data = samples.save(image, "TIFF", compression="jpeg", **options)
    with Image.open(io.BytesIO(data)) as theirs:
        expected = np.asarray(theirs.convert("RGB") if mode == "YCbCr" else theirs)
    assert np.abs(pixels(data).reshape(expected.shape).astype(int) - expected).max() <= 2
    written = write(data)
    assert tags(written)[0][259] == Compression.DEFLATE.value
    assert np.array_equal(pixels(written), pixels(data))


def test_a_damaged_jpeg_strip_is_refused():
    data = bytearray(samples.save(samples.RGB, "TIFF", compression="jpeg"))
    (page,) = tags(bytes(data))
    start, size = page[273][0], page[279][0]
    data[start + size // 2 : start + size // 2 + 20] = b"\xff\xd0" * 10
    with pytest.raises(UnreadableImage):
        decode(bytes(data), LIMIT)


def test_ycbcr_without_jpeg_is_read():
    data = samples.save(samples.RGB.convert("YCbCr"), "TIFF", compression="tiff_lzw")
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(pixels(data), expected)
    assert tags(write(data))[0][262] == 2


def test_pages_keep_their_own_layout_profile_and_density():
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as file:
        file.write(
            EIGHT[..., :3],
            photometric="rgb",
            metadata=None,
            iccprofile=samples.ICC,
            resolution=(300, 300),
            resolutionunit="inch",
        )
        file.write(
            EIGHT[..., 0],
            photometric="minisblack",
            metadata=None,
            resolution=(100, 50),
            resolutionunit="centimeter",
        )
        file.write(DEEP[..., :3], photometric="rgb", metadata=None, iccprofile=MARKER)
    picture = decode(out.getvalue(), LIMIT)
    assert picture.rendering.icc is not None
    assert np.allclose(present(picture.rendering.density_xy), 300 / 0.0254)
    written = picture.write([()] * 3).data
    assert MARKER not in written
    first, second, third = tags(written)
    assert (first[282], first[296]) == ((300, 1), 2)
    assert (second[282], second[283]) == ((254, 1), (127, 1))
    assert 34675 in first
    assert 34675 not in second
    assert 34675 not in third
    assert third[258] == (16, 16, 16)


def test_density_turns_with_the_page():
    data = samples.save(samples.RGB, "TIFF", tiffinfo={274: 6, 282: 100, 283: 200, 296: 2})
    picture = decode(data, LIMIT)
    assert picture.frames[0].size_wh == (64, 96)
    x, y = present(picture.rendering.density_xy)
    assert x == 2 * y
    assert 274 not in tags(write(data))[0]


def test_no_tag_is_kept_that_the_pixels_do_not_need():
    extra = [
        (270, 2, 0, MARKER, True),
        (700, 1, len(MARKER), MARKER, True),
        (65000, 7, len(MARKER), MARKER, True),
    ]
    data = rgb(deep=False, extratags=extra) + MARKER
    written = write(data)
    assert MARKER not in written
    assert set(tags(written)[0]) <= {256, 257, 258, 259, 262, 273, 277, 278, 279, 284}


def test_gaps_padding_and_unused_strips_leave_no_trace():
    data = raw({}, bytes(range(32)) + MARKER, MARKER)
    assert MARKER not in write(data)
    tile = np.zeros((16, 16), np.uint8)
    tile[4:] = np.frombuffer(MARKER[:16], np.uint8)
    tiled = {322: (4, (16,)), 323: (4, (16,)), 324: (4, (8,)), 325: (4, (256,))}
    assert MARKER[:16] not in write(raw(tiled, tile.tobytes(), drop=(278,)))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({258: (3, (32,)), 339: (3, (3,))}, "floating-point"),
        ({339: (3, (2,))}, "signed"),
        ({339: (3, (6,))}, "complex"),
        ({258: (3, (32,))}, "32 bits"),
        ({258: (3, (16,) * 4), 277: (3, (4,)), 262: (3, (5,))}, "CMYK TIFF of 16 bits"),
        ({258: (3, (8,) * 5), 277: (3, (5,)), 262: (3, (5,))}, "extra samples"),
        ({258: (3, (8,) * 6), 277: (3, (6,)), 262: (3, (2,))}, "extra samples"),
        ({258: (3, (8,) * 4), 277: (3, (4,)), 262: (3, (5,)), 332: (3, (2,))}, "inks"),
        ({258: (3, (5, 6, 5)), 277: (3, (3,)), 262: (3, (2,))}, "different depths"),
        ({262: (3, (8,))}, r"L\*a\*b\*"),
        ({262: (3, (32803,))}, "camera raw files"),
        ({262: (3, (4,))}, "transparency masks"),
        ({262: (3, (77,))}, "unknown kind"),
        ({259: (3, (34712,))}, "compression 34712"),
        ({259: (3, (8,)), 317: (3, (3,))}, "predictor 3"),
        ({50706: (1, (1, 4, 0, 0))}, "camera raw"),
        ({254: (4, (1,)), 330: (4, (8,))}, "camera raw"),
    ],
)
def test_variants_are_named(changes, word):
    with pytest.raises(UnsupportedImage, match=word):
        decode(raw(changes, bytes(1024)), LIMIT)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (raw({}, bytes(31)), "fewer rows"),
        (raw({278: (4, (2,))}, bytes(16)), "strips or tiles are missing"),
        (raw({}, drop=(256,)), "256 is missing"),
        (raw({}, drop=(262,)), "262 is missing"),
        (raw({256: (4, (0,))}), "no size"),
        (raw({277: (3, (3,)), 258: (3, (8, 8))}), "contradict"),
        (raw({262: (3, (2,)), 277: (3, (1,))}), "contradict"),
        (raw({262: (3, (3,)), 320: (3, (1,) * 24)}), "colour map"),
        (raw({259: (3, (4,))}), "fax"),
        (raw({259: (3, (8,))}, b"\x78\x9cxxxxxxx"), "decompressed"),
        (raw({259: (3, (5,))}, b"\x80\x00"), "decompressed"),
        (raw({259: (3, (32773,))}, b"\x1f" + bytes(31)), "decompressed"),
        (raw({})[:60], "cut off"),
        (b"II*\x00" + struct.pack("<I", 0), "no picture"),
        (b"II*\x00" + struct.pack("<IH12sI", 8, 1, bytes(12), 8), "loop"),
        (b"II+\x00" + struct.pack("<HHQ", 4, 0, 16) + bytes(20), "unknown size"),
        (b"II+\x00" + struct.pack("<HHQ", 8, 0, (1 << 64) - 1) + bytes(20), "cut off"),
    ],
)
def test_damage_is_named(data, word):
    with pytest.raises(UnreadableImage, match=word):
        decode(data, LIMIT)


def test_a_duplicate_tag_is_refused():
    data = raw({})
    first = data.index(struct.pack("<HHI", 257, 4, 1))
    doubled = bytearray(data)
    doubled[first : first + 2] = struct.pack("<H", 256)
    with pytest.raises(UnreadableImage, match="256 is repeated"):
        decode(bytes(doubled), LIMIT)


def test_a_missing_length_of_one_plain_strip_is_made_up_for():
    data = raw({})
    without = bytearray(data)
    place = data.index(struct.pack("<HHI", 279, 4, 1))
    without[place : place + 2] = struct.pack("<H", 65000)
    assert np.array_equal(pixels(bytes(without)), pixels(data))


def test_all_pages_count_for_the_size():
    with pytest.raises(ImageTooLarge):
        decode(samples.lossless()["tiff-pages"], 3 * 96 * 64 - 1)
    with pytest.raises(ImageTooLarge):
        decode(raw({256: (4, (1 << 20,)), 257: (4, (1 << 20,)), 278: (4, (1 << 20,)), 259: (3, (8,))}), 200e6)
    tiles = {322: (4, (1 << 16,)), 323: (4, (1 << 16,)), 324: (4, (8,)), 325: (4, (256,))}
    with pytest.raises(ImageTooLarge):
        decode(raw(tiles | {259: (3, (5,))}, bytes(256), drop=(278,)), 200e6)


def test_a_structure_survives_a_round_trip():
    data = raw({282: (5, (1,)), 34675: (7, b"abc")})
    tiff = read_structure(data, {256, 282, 34675}, {34675})
    assert tiff.pages == ({256: (8,), 282: (1,), 34675: b"abc"},)


GREYS = [
    raw({258: (3, (bits,)), 262: (3, (photometric,))}, RNG.bytes(4 * bits))
    for bits in (1, 2, 4, 8, 16)
    for photometric in (0, 1)
]
PALETTES = [
    raw(
        {258: (3, (bits,)), 262: (3, (3,)), 320: (3, tuple(RNG.integers(256, 65536, 3 << bits).tolist()))},
        RNG.bytes(4 * bits),
    )
    for bits in (1, 2, 4, 8)
]
OPACITIES = [
    build(stored[..., :channels], photometric=kind, extrasamples=[extra], planarconfig="contig")
    for stored in (EIGHT, DEEP)
    for channels, kind in ((2, "minisblack"), (4, "rgb"))
    for extra in ("unassalpha", "assocalpha", "unspecified")
]


@pytest.mark.parametrize(
    "data", [*GREYS, *PALETTES, *OPACITIES], ids=range(len(GREYS + PALETTES + OPACITIES))
)
def test_another_decoder_shows_the_same_pixels(data):
    check_covers(data)


@pytest.mark.parametrize("name", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd", "jpeg"])
def test_another_decoder_unpacks_the_same_pixels(name):
    check_covers(samples.save(samples.RGB, "TIFF", compression=name))
