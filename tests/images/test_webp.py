"""WebP: which parts are kept, re-encoded or removed."""

import struct

import numpy as np
import pytest
from PIL import Image

import samples
from containers import chunk, chunks, re_encoded, riff, save, untouched
from unionveil import UnreadableImage, UnsupportedImage
from unionveil.images import Colour, Encoding, decode
from unionveil.images.lossy import luma_psnr_db

LIMIT = 1e6
SECRET = samples.SECRET
LOSSY = save(samples.RGB, "WEBP", quality=80)
LOSSLESS = save(samples.RGBA, "WEBP", lossless=True, exact=True)
ALPHA = save(samples.RGBA, "WEBP", quality=80)
(CODED,) = [body for kind, body in chunks(LOSSY) if kind == b"VP8 "]


def vp8x(flags, width=96, height=64):
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides)


def anmf(*inner, size_wh=(96, 64), at=(0, 0), duration=100, flags=0):
    numbers = at[0] // 2, at[1] // 2, size_wh[0] - 1, size_wh[1] - 1, duration
    head = b"".join(number.to_bytes(3, "little") for number in numbers) + bytes([flags])
    return chunk(b"ANMF", head + b"".join(inner))


ANIM = chunk(b"ANIM", b"\xff\xff\xff\xff" + struct.pack("<H", 7))


def coded(image, **options):
    """The chunks with pixels of a WebP."""
    parts = chunks(save(image, "WEBP", **options))
    return b"".join(chunk(kind, body) for kind, body in parts if kind in (b"VP8 ", b"VP8L", b"ALPH"))


def same(a, b):
    return len(a.frames) == len(b.frames) and all(
        np.array_equal(x.pixels, y.pixels) for x, y in zip(a.frames, b.frames, strict=True)
    )


@pytest.mark.parametrize(
    "data",
    [
        LOSSY + SECRET,
        riff(chunk(b"VP8 ", CODED), chunk(b"VP8 ", SECRET * 9)),
        riff(chunk(b"VP8 ", CODED), chunk(b"VP8L", SECRET * 9)),
        riff(chunk(b"VP8 ", CODED), chunk(b"XMP ", SECRET)),
        riff(vp8x(0xC1), chunk(b"VP8 ", CODED), chunk(b"SECR", SECRET)),
        riff(vp8x(0x20), chunk(b"ICCP", SECRET), chunk(b"VP8 ", CODED)),
        riff(vp8x(0) + chunk(b"VP8X", SECRET), chunk(b"VP8 ", CODED)),
        riff(chunk(b"VP8 ", CODED + SECRET * 9)),
        riff(vp8x(0), chunk(b"VP8 ", CODED), anmf(chunk(b"VP8 ", SECRET * 9))),
    ],
    ids=["tail", "two", "both", "xmp", "unknown", "icc", "vp8x", "inside", "anmf"],
)
def test_a_lossy_picture_keeps_its_coded_data_and_nothing_else(data):
    picture = decode(data, LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.KEPT
    assert SECRET not in written.data
    ((kind, body),) = chunks(written.data)
    assert kind == b"VP8 "
    assert body[3:40] == CODED[3:40]
    assert len(CODED) - 3 <= len(body) <= len(CODED)
    assert same(decode(written.data, LIMIT), decode(LOSSY, LIMIT))


def test_writing_again_changes_nothing():
    once = untouched(decode(LOSSY, LIMIT)).data
    assert untouched(decode(once, LIMIT)).data == once


def test_alpha_is_coded_anew_without_loss():
    parts = dict(chunks(ALPHA))
    data = riff(vp8x(0x10), chunk(b"ALPH", parts[b"ALPH"] + SECRET * 5), chunk(b"VP8 ", parts[b"VP8 "]))
    picture = decode(data, LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.KEPT
    assert SECRET not in written.data
    assert same(decode(written.data, LIMIT), decode(ALPHA, LIMIT))


@pytest.mark.parametrize("where", ["behind", "second", "inside"])
def test_lossless_pictures_are_encoded_anew_exactly(where):
    body = dict(chunks(LOSSLESS))[b"VP8L"]
    data = {
        "behind": LOSSLESS + SECRET,
        "second": riff(chunk(b"VP8L", body), chunk(b"VP8L", SECRET * 9)),
        "inside": riff(chunk(b"VP8L", body + SECRET * 9)),
    }[where]
    picture = decode(data, LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.PIXELS
    assert SECRET not in written.data
    assert same(decode(written.data, LIMIT), decode(LOSSLESS, LIMIT))


def moving(*frames):
    return riff(vp8x(0x12), ANIM, *frames)


def test_a_second_picture_in_a_frame_is_gone():
    first, second = coded(samples.RGB, quality=80), coded(Image.fromarray(255 - samples.scene()), quality=80)
    picture = decode(moving(anmf(first, second), anmf(second, first)), LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.KEPT
    frames = [body for kind, body in chunks(written.data) if kind == b"ANMF"]
    assert [[kind for kind, _ in chunks(body, 16)] for body in frames] == [[b"VP8 "], [b"VP8 "]]
    assert same(decode(written.data, LIMIT), picture)


def test_reserved_fields_of_an_animation_are_cleared():
    data = riff(vp8x(0xD3), ANIM + chunk(b"SECR", SECRET), anmf(coded(samples.RGB, quality=80), flags=0xFC))
    written = untouched(decode(data, LIMIT)).data
    parts = dict(chunks(written))
    assert parts[b"VP8X"][0] & ~0x12 == 0
    assert parts[b"ANIM"] == bytes(4) + struct.pack("<H", 7)
    assert parts[b"ANMF"][15] == 0
    assert SECRET not in written


def test_a_face_below_the_alpha_of_a_frame_is_gone():
    """Lossy frames contain colours below their alpha, which are never seen when blended over others."""
    hidden = samples.RGB.copy()
    hidden.putalpha(0)
    clear = coded(hidden, quality=80, exact=True)
    picture = decode(moving(anmf(coded(samples.RGB, quality=80)), anmf(clear)), LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.PIXELS
    frames = [body for kind, body in chunks(written.data) if kind == b"ANMF"]
    assert frames[1][6:12] == bytes(6)  # one pixel, since nothing changes


@pytest.mark.parametrize("lossless", [True, False])
def test_blending_and_disposal_come_out_right(lossless):
    """Partly transparent pieces over each other, with every mix of blending and disposal."""
    rng = np.random.default_rng(2)
    options = {"lossless": True, "exact": True} if lossless else {"quality": 90}
    frames = []
    for step in range(8):
        pixels = rng.integers(0, 256, (24, 32, 4), dtype=np.uint8)
        place = (4 * step, 2 * step)
        inner = coded(Image.fromarray(pixels), **options)
        frames.append(anmf(inner, size_wh=(32, 24), at=place, duration=10 * step + 10, flags=step % 4))
    picture = decode(moving(*frames), LIMIT)
    for written in (untouched(picture), re_encoded(picture)):
        again = decode(written.data, LIMIT)
        assert [frame.duration_ms for frame in again.frames] == [10 * step + 10 for step in range(8)]
        assert struct.unpack_from("<4xH", dict(chunks(written.data))[b"ANIM"]) == (7,)
        assert all(frame.colour is Colour.RGBA for frame in again.frames)
        if lossless:
            assert same(again, picture)
        else:
            pairs = zip(picture.frames, again.frames, strict=True)
            assert min(luma_psnr_db(before, after) for before, after in pairs) >= 40


def test_frames_that_do_not_change_stay_short():
    still = coded(samples.RGB, lossless=True)
    picture = decode(moving(*[anmf(still)] * 5), LIMIT)
    written = untouched(picture)
    assert same(decode(written.data, LIMIT), picture)
    assert len(written.data) < 2 * len(still)


def test_lossy_pictures_look_like_their_input():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8))
    for image in (samples.RGB, samples.RGBA, noise):
        picture = decode(save(image, "WEBP", quality=90), LIMIT)
        assert luma_psnr_db(picture.frames[0], decode(re_encoded(picture).data, LIMIT).frames[0]) >= 40


def test_the_first_exif_determines_the_orientation():
    exif = [samples.exif(turn).tobytes() for turn in (6, 1)]
    parts = [chunk(b"EXIF", each) for each in exif]
    picture = decode(riff(vp8x(8), chunk(b"VP8 ", CODED), *parts), LIMIT)
    assert picture.frames[0].size_wh == (64, 96)
    written = untouched(picture)
    assert written.encoding is Encoding.PIXELS
    assert SECRET not in written.data
    assert decode(written.data, LIMIT).frames[0].size_wh == (64, 96)


@pytest.mark.parametrize(
    "data",
    [
        riff(vp8x(0), chunk(b"XMP ", SECRET)),
        riff(vp8x(0, 50, 50), chunk(b"VP8 ", CODED)),
        riff(chunk(b"VP8 ", CODED[:200])),
        riff(chunk(b"VP8 ", b"")),
        riff(vp8x(2), ANIM, chunk(b"ANMF", b"1234")),
        riff(chunk(b"VP8X", b"")),
        LOSSY[:-20],
    ],
    ids=["no-picture", "two-sizes", "cut", "empty", "short-frame", "short-head", "cut-off"],
)
def test_damage_is_refused(data):
    with pytest.raises(UnreadableImage):
        decode(data, LIMIT)


def test_a_canvas_that_no_frame_can_fill_is_named():
    data = riff(vp8x(0x12, 16384, 64), ANIM, anmf(coded(samples.RGB, quality=80)))
    with pytest.raises(UnsupportedImage, match="16383"):
        decode(data, 1e9)
