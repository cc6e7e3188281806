import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import samples
from covers import check_covers
from png_files import build, chunk, header, idat, kinds, layout, rows
from unionveil import ImageTooLarge, UnreadableImage
from unionveil.images import Colour, Patch, decode

LIMIT = 1e6
COVER = Patch(slice(1, 4), slice(2, 6), np.zeros((1, 1, 3), np.uint8))


def control(sequence, width=9, height=7, x=0, y=0, delay=(1, 10), disposal=0, blend=0) -> bytes:
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", sequence, width, height, x, y, *delay, disposal, blend))


def frame_data(sequence: int, raw: bytes) -> bytes:
    return chunk(b"fdAT", struct.pack(">I", sequence) + zlib.compress(raw))


def count(frames: int, plays: int = 0) -> bytes:
    return chunk(b"acTL", struct.pack(">II", frames, plays))


def solid(width: int, height: int, *values: int) -> bytes:
    return (b"\x00" + bytes(values) * width) * height


def animate(*second: bytes, colour_type=6, depth=8, first=None) -> bytes:
    """A first frame of 9 x 7, and others."""
    frames = sum(part[4:8] == b"fcTL" for part in second) + 1
    raw = solid(9, 7, 10, 20, 30, 255) if first is None else first
    return build(header(depth=depth, colour_type=colour_type), count(frames), control(0), idat(raw), *second)


def write(data: bytes, *patches: Patch) -> bytes:
    picture = decode(data, LIMIT)
    return picture.write([patches] * len(picture.frames)).data


def same(data: bytes, written: bytes) -> bool:
    before, after = decode(data, LIMIT), decode(written, LIMIT)
    return all(
        a.colour is b.colour and a.duration_ms == b.duration_ms and np.array_equal(a.pixels, b.pixels)
        for a, b in zip(before.frames, after.frames, strict=True)
    )


def pillow_frames(data: bytes) -> list[np.ndarray]:
    with Image.open(io.BytesIO(data)) as image:
        frames = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            frames.append(np.array(image.convert("RGBA")))
        return frames


@pytest.mark.parametrize(("disposal", "blend"), [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)])
def test_regions_are_laid_over_each_other_as_pillow_does(disposal, blend):
    data = animate(
        control(1, 4, 3, 2, 1, disposal=disposal, blend=blend),
        frame_data(2, solid(4, 3, 200, 0, 0, 255)),
        control(3, 3, 3, 4, 2, blend=blend),
        frame_data(4, solid(3, 3, 0, 200, 0, 0) if blend else solid(3, 3, 0, 200, 0, 99)),
    )
    for ours, theirs in zip(decode(data, LIMIT).frames, pillow_frames(data), strict=True):
        assert np.array_equal(ours.pixels, theirs)
    written = write(data)
    assert same(data, written)
    for after, before in zip(pillow_frames(written), pillow_frames(data), strict=True):
        assert np.array_equal(after, before)


def test_a_region_that_is_to_be_restored_is_gone_in_the_next_frame():
    data = animate(
        control(1, 4, 3, 2, 1, disposal=2, blend=1),
        frame_data(2, solid(4, 3, 200, 0, 0, 255)),
        control(3, 1, 1, 8, 6, blend=1),
        frame_data(4, solid(1, 1, 0, 200, 0, 255)),
    )
    first, _, third = pillow_frames(write(data))
    assert third[6, 8].tolist() == [0, 200, 0, 255]
    third[6, 8] = first[6, 8]
    assert np.array_equal(first, third)


def test_half_transparent_colours_mix_by_their_opacity():
    data = animate(control(1, blend=1), frame_data(2, solid(9, 7, 200, 100, 0, 128)))
    pixel = decode(data, LIMIT).frames[1].pixels[0, 0].tolist()
    expected = [
        round(a * 128 / 255 + b * 127 / 255) for a, b in zip((200, 100, 0), (10, 20, 30), strict=True)
    ]
    assert pixel == [*expected, 255]


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_stay(colour_type, channels):
    raw = [rows(bits=16 * channels) for _ in range(2)]
    data = animate(control(1), frame_data(2, raw[1]), colour_type=colour_type, depth=16, first=raw[0])
    picture = decode(data, LIMIT)
    assert picture.frames[0].pixels.dtype == np.uint16
    assert picture.frames[0].colour.channels == channels
    stored = np.frombuffer(raw[1], np.uint8).reshape(7, -1)[:, 1:].copy().view(">u2").reshape(7, 9, channels)
    assert np.array_equal(picture.frames[1].pixels, stored)
    written = write(data)
    assert layout(written) == (colour_type, 16)
    assert same(data, written)


def test_one_palette_serves_all_frames():
    images = [frame.quantize(60) for frame in samples.FRAMES]
    palette = images[0]
    images = [frame.quantize(palette=palette) for frame in samples.FRAMES]
    data = samples.save(images[0], "PNG", save_all=True, append_images=images[1:], duration=[10, 20, 30, 40])
    assert data[25] == 3
    written = write(data, COVER)
    assert layout(written) == (3, 8)
    assert [frame.duration_ms for frame in decode(written, LIMIT).frames] == [10, 20, 30, 40]
    assert same(data, write(data))
    for before, after in zip(decode(data, LIMIT).frames, decode(written, LIMIT).frames, strict=True):
        assert (after.pixels[1:4, 2:6] == 0).all()
        assert np.array_equal(before.pixels[4:], after.pixels[4:])


def test_only_changed_regions_are_written():
    still = animate(control(1), frame_data(2, solid(9, 7, 10, 20, 30, 255)))
    written = write(still)
    at = written.rindex(b"fcTL") + 4
    assert struct.unpack_from(">IIIII", written, at) == (1, 1, 1, 0, 0)
    assert same(still, written)


def test_odd_delays_and_plays_stay():
    data = build(
        header(),
        count(2, 3),
        control(0, delay=(1, 3)),
        idat(),
        control(1, delay=(7, 0)),
        frame_data(2, rows()),
    )
    picture = decode(data, LIMIT)
    assert [frame.duration_ms for frame in picture.frames] == [1000 / 3, 70]
    written = write(data)
    assert struct.unpack_from(">II", written, written.index(b"acTL") + 4) == (2, 3)
    assert same(data, written)


def test_a_default_picture_is_decoded_covered_and_stays_first():
    data = build(header(), count(1), idat(), control(0), frame_data(1, rows()))
    picture = decode(data, LIMIT)
    assert len(picture.frames) == 2
    assert picture.frames[0].duration_ms == 0
    written = write(data, COVER)
    assert kinds(written) == [b"IHDR", b"acTL", b"IDAT", b"fcTL", b"fdAT", b"IEND"]
    for before, after in zip(picture.frames, decode(written, LIMIT).frames, strict=True):
        assert (after.pixels[1:4, 2:6] == 0).all()
        assert np.array_equal(before.pixels[4:], after.pixels[4:])


def test_frames_without_an_animation_are_dropped():
    hidden = solid(9, 7, 1, 2, 3)
    data = build(header(), control(0), idat(), control(1), frame_data(2, hidden))
    assert len(decode(data, LIMIT).frames) == 1
    late = build(header(), idat(), count(1), control(0), frame_data(1, hidden))
    for written in (write(data), write(late)):
        assert kinds(written) == [b"IHDR", b"IDAT", b"IEND"]


def test_colours_under_transparent_pixels_of_a_replaced_region_are_seen():
    data = animate(control(1), frame_data(2, solid(9, 7, 90, 80, 70, 0)))
    frame = decode(data, LIMIT).frames[1]
    assert frame.colour is Colour.RGBA
    assert (frame.pixels == [90, 80, 70, 0]).all()


@pytest.mark.parametrize(
    "parts",
    [
        (count(2), control(0), idat()),
        (count(0), control(0), idat()),
        (count(1), idat()),
        (count(2), control(0), idat(), control(2), frame_data(1, rows())),
        (count(2), control(0), idat(), control(1), frame_data(3, rows())),
        (count(2), control(0), idat(), control(1)),
        (count(2), control(0), idat(), control(1, x=1), frame_data(2, rows())),
        (count(2), control(0), idat(), control(1, width=0), frame_data(2, rows())),
        (count(2), control(0), idat(), control(1, disposal=3), frame_data(2, rows())),
        (count(2), control(0), idat(), control(1, blend=2), frame_data(2, rows())),
        (count(2), control(0), idat(), control(1), frame_data(2, rows(height=5))),
        (count(1), control(0, 5, 5), idat()),
        (count(1), idat(), frame_data(0, rows()), control(1)),
        (count(1), control(0), frame_data(1, rows()), idat()),
    ],
)
def test_frames_that_do_not_fit_are_damage(parts):
    with pytest.raises(UnreadableImage):
        decode(build(header(), *parts), LIMIT)


def test_all_frames_count_for_the_size():
    data = animate(control(1), frame_data(2, solid(9, 7, 0, 0, 0, 0)))
    with pytest.raises(ImageTooLarge):
        decode(data, 2 * 63 - 1)


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("depth", [8, 16])
def test_another_decoder_shows_the_same_pixels(colour_type, channels, depth):
    bits = depth * channels
    data = animate(
        control(1, 4, 3, 2, 1, disposal=1, blend=1),
        frame_data(2, rows(4, 3, bits)),
        control(3),
        frame_data(4, rows(bits=bits)),
        colour_type=colour_type,
        depth=depth,
        first=rows(bits=bits),
    )
    check_covers(data)
