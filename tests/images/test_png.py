import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

import samples
from checked import opencv_pixels
from covers import check_covers
from png_files import (
    CHANNELS,
    EVERY_LAYOUT,
    MARKER,
    RNG,
    build,
    chunk,
    header,
    idat,
    kinds,
    layout,
    of_layout,
    passes,
    plain,
    rows,
)
from unionveil import UnreadableImage, UnsupportedImage
from unionveil.images import Colour, Patch, decode
from unionveil.images.picture import Rendering

LIMIT = 1e6


def write(data: bytes, *patches: Patch) -> bytes:
    picture = decode(data, LIMIT)
    return picture.write([patches] * len(picture.frames)).data


def cover(value=0, channels=3, dtype=np.uint8, mask=None) -> Patch:
    return Patch(slice(1, 4), slice(2, 6), np.full((1, 1, channels), value, dtype), mask)


def unchanged(data: bytes, written: bytes) -> bool:
    before, after = decode(data, LIMIT), decode(written, LIMIT)
    return all(
        a.colour is b.colour and np.array_equal(a.pixels, b.pixels)
        for a, b in zip(before.frames, after.frames, strict=True)
    )


@pytest.mark.parametrize(("colour_type", "depth"), EVERY_LAYOUT)
def test_every_layout_stays_and_other_decoders_agree(colour_type, depth):
    data = of_layout(colour_type, depth)
    written = write(data)
    assert layout(written) == (colour_type, depth)
    assert unchanged(data, written)
    for flag in (cv2.IMREAD_COLOR, cv2.IMREAD_UNCHANGED):
        ours, theirs = (opencv_pixels(part, flag) for part in (written, data))
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(("colour_type", "depth"), EVERY_LAYOUT)
def test_samples_are_read_as_opencv_reads_them(colour_type, depth):
    data = of_layout(colour_type, depth)
    pixels = decode(data, LIMIT).frames[0].pixels
    theirs = opencv_pixels(data, cv2.IMREAD_UNCHANGED)
    theirs = theirs.reshape(*theirs.shape[:2], -1)
    if colour_type == 4:  # OpenCV repeats the grey three times
        theirs = theirs[..., [0, 3]] if theirs.shape[2] == 4 else theirs
    elif theirs.shape[2] >= 3:
        theirs = theirs[..., [2, 1, 0, 3][: theirs.shape[2]]]
    assert pixels.dtype == theirs.dtype
    assert np.array_equal(np.broadcast_to(pixels, theirs.shape), theirs)


def filtered(rows: np.ndarray, pixel_bytes: int) -> bytes:
    """Rows of bytes with the five filters in turn (PNG specification, section 9.2)."""
    wide = rows.astype(np.int16)
    left = np.pad(wide, ((0, 0), (pixel_bytes, 0)))[:, :-pixel_bytes]
    up = np.pad(wide, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(left, ((1, 0), (0, 0)))[:-1]
    distances = [np.abs(left + up - corner - each) for each in (left, up, corner)]
    paeth = np.choose(np.argmin(distances, axis=0), [left, up, corner])
    guesses = np.stack([np.zeros_like(wide), left, up, (left + up) // 2, paeth])
    kinds = np.arange(len(rows)) * 7 % 5
    shown = (wide - guesses[kinds, np.arange(len(rows))]).astype(np.uint8)
    return np.concatenate([kinds.astype(np.uint8)[:, None], shown], axis=1).tobytes()


@pytest.mark.parametrize(
    ("colour_type", "depth"), [(0, 8), (0, 16), (2, 8), (2, 16), (4, 16), (6, 8), (6, 16)]
)
def test_filters_are_undone_across_bands_of_rows(colour_type, depth):
    """Pictures of more than one mebibyte are decoded in bands; a filter refers to the row above."""
    pixel_bytes = depth // 8 * {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    width, height = 9_000 // pixel_bytes, 250
    rows = np.random.default_rng(depth + colour_type).integers(
        0, 256, (height, width * pixel_bytes), dtype=np.uint8
    )
    assert rows.size > 2 << 20
    data = build(header(width, height, depth, colour_type), idat(filtered(rows, pixel_bytes)))
    (frame,) = decode(data, 1e8).frames
    assert frame.pixels.astype(f">u{depth // 8}").tobytes() == rows.tobytes()


@pytest.mark.parametrize(("colour_type", "depth"), EVERY_LAYOUT)
@pytest.mark.parametrize("size_wh", [(1, 1), (9, 7), (2, 13)])
def test_interlaced_files_are_read_and_written_without_passes(colour_type, depth, size_wh):
    width, height = size_wh
    bits = depth * CHANNELS[colour_type]
    raw = b"".join(rows(*size, bits) for size in passes(width, height))
    palette = [chunk(b"PLTE", RNG.bytes(3 << depth))] if colour_type == 3 else []
    data = build(header(width, height, depth, colour_type, 1), *palette, idat(raw))
    written = write(data)
    assert written[28] == 0
    assert unchanged(data, written)
    ours, theirs = (opencv_pixels(part, -1) for part in (written, data))
    assert np.array_equal(ours, theirs)


def test_a_palette_stays_while_the_covered_picture_fits():
    pixels = samples.RGB.quantize(200)
    data = samples.save(pixels, "PNG")
    written = write(data, cover(0))
    assert layout(written) == (3, 8)
    assert (decode(written, LIMIT).frames[0].pixels[1:4, 2:6] == 0).all()


def test_a_full_palette_without_room_for_the_cover_becomes_rgb():
    index = np.arange(4096).reshape(64, 64).astype(np.uint8)
    image = Image.fromarray(index, "P")
    image.putpalette(np.repeat(np.arange(1, 257) % 255 + 1, 3).astype(np.uint8).tobytes())
    colours = RNG.permutation(1 << 16)[:256] + 1
    image.putpalette(b"".join(int(c).to_bytes(3, "big") for c in colours))
    data = samples.save(image, "PNG")
    assert layout(write(data)) == (3, 8)
    written = write(data, cover(255))
    assert layout(written) == (2, 8)
    before, after = decode(data, LIMIT).frames[0].pixels, decode(written, LIMIT).frames[0].pixels
    assert (after[1:4, 2:6] == 255).all()
    assert np.array_equal(before[4:], after[4:])


def test_two_colours_and_a_cover_take_two_bits():
    data = of_layout(3, 1)
    assert layout(write(data, cover(7))) == (3, 2)


def test_entries_that_no_pixel_uses_and_equal_colours_leave_no_trace():
    palette = bytes([10, 20, 30] * 2) + MARKER[:24] + bytes(3 * 200)
    index = RNG.integers(0, 2, (7, 9), dtype=np.uint8)  # a pattern that only the indices hold
    raw = b"".join(b"\x00" + row.tobytes() for row in index)
    written = write(build(header(colour_type=3), chunk(b"PLTE", palette), idat(raw)))
    assert MARKER[:24] not in written
    with Image.open(io.BytesIO(written)) as image:
        assert len(set(np.asarray(image).ravel().tolist())) == 1


@pytest.mark.parametrize(
    ("depth", "value", "expected"), [(1, 255, 1), (1, 85, 2), (1, 34, 4), (1, 35, 8), (4, 3, 8)]
)
def test_grey_bits_grow_with_the_cover_only(depth, value, expected):
    data = of_layout(0, depth)
    assert layout(write(data, cover(value, 1))) == (0, expected)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_grey_colour_key_stays(depth):
    grey = RNG.integers(0, 2, (7, 9)).astype(np.uint16)
    if depth == 16:
        raw = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in grey)
    else:
        bits = np.packbits(
            np.unpackbits(grey.astype(np.uint8)[..., None], axis=2)[..., 8 - depth :].reshape(7, -1), axis=1
        )
        raw = b"".join(b"\x00" + row.tobytes() for row in bits)
    data = build(header(depth=depth, colour_type=0), chunk(b"tRNS", b"\x00\x01"), idat(raw))
    frame = decode(data, LIMIT).frames[0]
    assert frame.colour is Colour.GREY_ALPHA
    assert np.array_equal(frame.pixels[..., 1] == 0, grey == 1)
    written = write(data)
    assert layout(written) == (0, depth)
    assert unchanged(data, written)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_colour_key_in_use_by_the_cover_becomes_an_opacity_channel(depth):
    kind = np.uint8 if depth == 8 else np.uint16
    pixels = RNG.integers(1, 200, (7, 9, 3)).astype(kind)
    pixels[5:] = 0
    raw = b"".join(b"\x00" + row.astype(f">u{depth // 8}").tobytes() for row in pixels)
    data = build(header(depth=depth), chunk(b"tRNS", bytes(6)), idat(raw))
    assert layout(write(data)) == (2, depth)
    assert layout(write(data, cover(5, dtype=kind))) == (2, depth)
    written = write(data, cover(0, dtype=kind))
    assert layout(written) == (6, depth)
    after = decode(written, LIMIT).frames[0].pixels
    assert (after[1:4, 2:6, 3] == np.iinfo(kind).max).all()
    assert (after[5:, :, 3] == 0).all()


def test_an_unused_colour_key_is_dropped():
    data = plain(chunk(b"tRNS", b"\x00\x01\x00\x02\x00\x03"))
    assert b"tRNS" not in write(data)


def test_rendering_chunks_are_written_from_their_values():
    points = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000]
    extra = {
        b"gAMA": struct.pack(">I", 45455),
        b"cHRM": struct.pack(">8I", *points),
        b"sRGB": b"\x01",
        b"cICP": bytes([9, 16, 0, 1]),
        b"pHYs": struct.pack(">IIB", 11811, 5906, 1),
        b"iCCP": b"maker\x00\x00" + zlib.compress(samples.ICC),
    }
    data = plain(*(chunk(kind, body) for kind, body in extra.items()))
    rendering = decode(data, LIMIT).rendering
    assert rendering.gamma == 0.45455
    assert rendering.chromaticities == tuple(point / 100000 for point in points)
    assert rendering.srgb_intent == 1
    assert rendering.cicp == (9, 16, 0, True)
    assert rendering.density_xy == (11811, 5906)
    written = write(data)
    for kind in set(extra) - {b"iCCP"}:
        assert chunk(kind, extra[kind]) in written
    assert b"maker" not in written
    assert decode(written, LIMIT).rendering == rendering


def test_density_turns_with_the_picture():
    exif = samples.exif(6).tobytes().removeprefix(b"Exif\x00\x00")
    data = plain(chunk(b"pHYs", struct.pack(">IIB", 100, 200, 1)), chunk(b"eXIf", exif))
    picture = decode(data, LIMIT)
    assert picture.rendering.density_xy == (200, 100)
    assert picture.frames[0].size_wh == (7, 9)
    assert decode(write(data), LIMIT).rendering.density_xy == (200, 100)


@pytest.mark.parametrize("kind", [b"gAMA", b"cHRM", b"sRGB", b"cICP", b"pHYs", b"tRNS"])
def test_a_small_chunk_of_a_wrong_length_is_refused(kind):
    with pytest.raises(UnreadableImage, match=kind.decode()):
        decode(plain(chunk(kind, MARKER)), LIMIT)


@pytest.mark.parametrize(
    "body",
    [
        MARKER,
        b"name\x00\x00" + zlib.compress(MARKER),
        b"name\x00\x01" + zlib.compress(samples.ICC),
        b"name\x00\x00" + zlib.compress(samples.ICC)[:-9],
        b"\x00\x00" + zlib.compress(samples.ICC),
        b"x" * 80 + b"\x00\x00" + zlib.compress(samples.ICC),
    ],
)
def test_a_profile_that_does_not_parse_is_dropped(body):
    written = write(plain(chunk(b"iCCP", body)))
    assert b"iCCP" not in written
    assert MARKER not in written


def test_bytes_behind_a_profile_are_dropped():
    written = write(plain(chunk(b"iCCP", b"name\x00\x00" + zlib.compress(samples.ICC) + MARKER)))
    assert b"iCCP" in written
    assert MARKER not in written


def test_values_that_do_not_exist_are_dropped():
    rendering = decode(
        plain(chunk(b"gAMA", bytes(4)), chunk(b"sRGB", b"\x09"), chunk(b"cICP", b"\x01\x0d\x01\x01")), LIMIT
    ).rendering
    assert (rendering.gamma, rendering.srgb_intent, rendering.cicp) == (None, None, None)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"gAMA", b"\xff" * 4),
        (b"gAMA", struct.pack(">I", 15)),
        (b"cHRM", b"\xff" * 32),
        (b"cHRM", struct.pack(">8I", *[31270, 0] * 4)),
        (b"pHYs", b"\xff" * 8 + b"\x01"),
        (b"pHYs", struct.pack(">IIB", 300, 300, 0)),
    ],
)
def test_values_that_decoders_ignore_are_dropped(kind, body):
    data = plain(chunk(kind, body))
    assert decode(data, LIMIT).rendering == Rendering()
    assert kinds(write(data)) == [b"IHDR", b"IDAT", b"IEND"]


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tEXt", b"a\x00" + MARKER),
        chunk(b"prVt", MARKER),
        chunk(b"bKGD", MARKER),
        chunk(b"sBIT", MARKER),
        chunk(b"PLTE", MARKER[:24]),
        chunk(b"tIME", MARKER),
        chunk(b"eXIf", MARKER),
        chunk(b"fcTL", MARKER + b"x"),
        chunk(b"fdAT", MARKER),
    ],
)
def test_other_chunks_are_dropped(extra):
    assert kinds(write(plain(extra))) == [b"IHDR", b"IDAT", b"IEND"]


def test_bytes_after_the_end_are_dropped():
    assert MARKER not in write(plain() + MARKER)
    data = build(header(), idat(), chunk(b"gAMA", struct.pack(">I", 100000)))
    assert decode(data, LIMIT).rendering.gamma is None
    assert b"gAMA" not in write(data)


def test_a_second_stream_behind_the_pixels_is_dropped():
    hidden = zlib.compress(MARKER * 100, 0)
    data = build(header(), idat(), chunk(b"IDAT", hidden))
    assert MARKER not in write(data)


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (build(header(), header(), idat()), "two IHDR"),
        (build(header(), chunk(b"PLTE", bytes(3)), chunk(b"PLTE", bytes(3)), idat()), "two PLTE"),
        (build(header(), chunk(b"acTL", bytes(8)), chunk(b"acTL", bytes(8)), idat()), "two acTL"),
        (build(header(), chunk(b"gAMA", b"\x00\x00\x01\x00") * 2, idat()), "two gAMA"),
        (build(header(), idat(), chunk(b"pHYs", bytes(9)), idat()), "between"),
        (build(idat(), header()), "header"),
        (build(header()), "no pixel data"),
        (build(header(colour_type=3), idat(rows(bits=8))), "palette"),
        (
            build(header(colour_type=3), chunk(b"PLTE", bytes(6)), idat(rows(bits=8))),
            "outside its palette",
        ),
        (build(header(colour_type=3), chunk(b"PLTE", bytes(7)), idat(rows(bits=8))), "wrong length"),
        (build(header(colour_type=3), idat(rows(bits=8)), chunk(b"PLTE", bytes(768))), "after"),
        (build(header(colour_type=0), chunk(b"PLTE", bytes(6)), idat(rows(bits=8))), "grey"),
        (build(header(colour_type=6), chunk(b"tRNS", bytes(6)), idat(rows(bits=32))), "colour key"),
        (build(header(colour_type=5), idat()), "invalid values"),
        (build(header(depth=4), idat()), "invalid values"),
        (build(header(0), idat()), "invalid values"),
        (build(header(interlace=2), idat()), "invalid values"),
        (build(header(), idat(rows(filters=5))), "filter"),
        (build(header(), idat(rows(height=6))), "fewer rows"),
        (build(header(), chunk(b"IDAT", zlib.compress(rows())[:-3])), "cut off"),
        (build(header(), chunk(b"IDAT", zlib.compress(rows())[:-4] + b"abcd")), "decompressed"),
        (build(header(), chunk(b"ID\x00T", b""), idat()), "proper type"),
        (plain()[:-12], "cut off"),
    ],
)
def test_damage_is_named(broken, word):
    with pytest.raises(UnreadableImage, match=word):
        decode(broken, LIMIT)


@pytest.mark.parametrize("place", [40, 60, -14])
def test_a_flipped_bit_is_found(place):
    data = bytearray(plain(chunk(b"gAMA", struct.pack(">I", 45455))))
    data[place] ^= 4
    with pytest.raises(UnreadableImage):
        decode(bytes(data), LIMIT)


def test_variants_are_named():
    with pytest.raises(UnsupportedImage, match="Apple"):
        decode(build(chunk(b"CgBI", bytes(4)), header(), idat()), LIMIT)
    with pytest.raises(UnsupportedImage, match="critical"):
        decode(plain(chunk(b"ABCD", b"")), LIMIT)


def test_a_small_file_that_unpacks_to_much_is_read_no_further_than_its_picture():
    bomb = zlib.compress(bytes(300_000_000), 9)
    picture = decode(build(header(), chunk(b"IDAT", bomb)), LIMIT)
    assert not picture.frames[0].pixels.any()


@pytest.mark.parametrize(("colour_type", "depth"), EVERY_LAYOUT)
def test_another_decoder_shows_the_same_pixels(colour_type, depth):
    check_covers(of_layout(colour_type, depth))
    if colour_type in (0, 2, 3):
        key = RNG.bytes(1 << depth) if colour_type == 3 else b"\x00\x01" * CHANNELS[colour_type]
        check_covers(of_layout(colour_type, depth, chunk(b"tRNS", key)))
