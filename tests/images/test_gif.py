import io
import struct

import numpy as np
import pytest
from PIL import Image

import samples
from covers import check_covers
from unionveil import ImageTooLarge, UnreadableImage
from unionveil.images import Patch, decode
from unionveil.images.gif_blocks import compress, read_blocks

LIMIT = 1e6
MARKER = b"MARKER-of-24-bytes------"
RNG = np.random.default_rng(0)
GREYS = bytes(value for grey in range(8) for value in [30 * grey] * 3)
NETSCAPE = b"\x21\xff\x0bNETSCAPE2.0"


def region(indices, x=0, y=0, *, table=b"", control=(0, 0, None), size_wh=None, data=None) -> bytes:
    """One region with its graphic control block (delay, disposal, transparent index)."""
    delay, disposal, transparent = control
    flags = disposal << 2 | (transparent is not None)
    block = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, flags, delay, transparent or 0, 0)
    height, width = indices.shape
    width, height = size_wh or (width, height)
    bits = 0x80 | (len(table) // 3).bit_length() - 2 if table else 0
    head = struct.pack("<BHHHHB", 0x2C, x, y, width, height, bits)
    return block + head + table + (compress(indices.astype(np.uint8)) if data is None else data)


def build(*blocks: bytes, width=8, height=6, table=GREYS, end=b"\x3b") -> bytes:
    flags = 0x80 | (len(table) // 3).bit_length() - 2 if table else 0
    return b"GIF89a" + struct.pack("<HHBBB", width, height, flags, 0, 0) + table + b"".join(blocks) + end


def indices(width=8, height=6, colours=8) -> np.ndarray:
    return RNG.integers(0, colours, (height, width), dtype=np.uint8)


def write(data: bytes, *patches: Patch) -> bytes:
    picture = decode(data, LIMIT)
    return picture.write([patches] * len(picture.frames)).data


def cover(value: int) -> Patch:
    return Patch(slice(1, 4), slice(2, 6), np.full((1, 1, 3), value, np.uint8))


def frames(data: bytes) -> list[np.ndarray]:
    return [frame.pixels for frame in decode(data, LIMIT).frames]


def pillow_frames(data: bytes) -> list[np.ndarray]:
    with Image.open(io.BytesIO(data)) as image:
        found = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            found.append(np.array(image.convert("RGBA")))
    for pixels in found:
        pixels[pixels[..., 3] == 0] = 0
    return found


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("first", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("second", [1, 2, 3])
def test_disposals_match_pillow(first, second):
    data = build(
        region(indices(), control=(5, first, 7)),
        region(indices(4, 3), 2, 1, control=(6, second, 3)),
        region(indices(5, 4), 3, 2, control=(7, 1, 0)),
        region(indices(2, 2), 0, 4, control=(8, 1, None)),
    )
    if first != 4:  # Pillow, unlike browsers, does not read 4 as 3
        assert same(frames(data), pillow_frames(data))
    written = write(data)
    assert same(frames(written), frames(data))
    assert same(pillow_frames(written), frames(data))
    assert [frame.duration_ms for frame in decode(written, LIMIT).frames] == [50, 60, 70, 80]


def test_random_animations_come_back_exactly():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        blocks = []
        for _ in range(int(rng.integers(1, 7))):
            wide, high = int(rng.integers(1, 9)), int(rng.integers(1, 7))
            place = int(rng.integers(0, 9 - wide)), int(rng.integers(0, 7 - high))
            table = rng.bytes(24) if rng.random() < 0.5 else b""
            control = 3, int(rng.integers(0, 4)), int(rng.integers(0, 8)) if rng.random() < 0.6 else None
            blocks.append(
                region(rng.integers(0, 8, (high, wide), dtype=np.uint8), *place, table=table, control=control)
            )
        data = build(*blocks)
        written = write(data)
        assert same(frames(written), frames(data)), seed
        assert same(pillow_frames(written), frames(data)), seed


def test_frames_with_256_colours_each_stay_exact():
    """Together they show more colours than one table holds, even where only a part of a frame changes."""
    blocks = []
    for seed in range(4):
        table = np.random.default_rng(seed).integers(0, 256, (256, 3), dtype=np.uint8).tobytes()
        pixels = np.random.default_rng(seed).permutation(np.arange(20 * 20) % 256).reshape(20, 20)
        blocks.append(region(pixels, 3 * seed, 0, table=table, control=(4, 1, None)))
    data = build(*blocks, width=40, height=20, table=b"")
    assert same(frames(write(data)), frames(data))


def test_a_local_table_of_one_frame_stays_beside_a_shared_one():
    data = build(region(indices()), region(indices(), table=bytes(range(100, 124))))
    written = write(data)
    assert same(frames(written), frames(data))


@pytest.mark.parametrize("value", [0, 255])
def test_a_full_table_makes_room_for_the_cover(value):
    table = np.repeat(np.arange(256), 3).astype(np.uint8)
    table[0], table[-1] = 1, 254  # neither black nor white
    pixels = np.arange(32 * 32).reshape(32, 32) % 256
    pixels[0, 0] = 100
    data = build(region(pixels), width=32, height=32, table=table.tobytes())
    (before,), (after,) = frames(data), frames(write(data, cover(value)))
    assert (after[1:4, 2:6] == [value, value, value, 255]).all()
    after[1:4, 2:6] = before[1:4, 2:6]
    changed = (before != after).any(axis=2)
    assert changed.sum() <= 5  # at most the rarest colour
    assert np.abs(before.astype(int) - after).max() <= 2


def test_a_cover_of_many_colours_is_reduced_and_the_rest_stays_exact():
    image = samples.RGB.quantize(200)
    data = samples.save(image, "GIF")
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(noise[:5, :6]).resize((60, 40), Image.Resampling.BICUBIC))
    patch = Patch(slice(5, 45), slice(10, 70), smooth)
    (before,), (after,) = frames(data), frames(write(data, patch))
    assert np.abs(after[5:45, 10:70, :3].astype(int) - smooth).mean() < 16
    after[5:45, 10:70] = before[5:45, 10:70]
    assert np.array_equal(before, after)


def test_colours_that_are_not_shown_leave_no_trace():
    table = bytes(6) + bytes([9, 9, 9]) * 6 + MARKER * 31
    table = table[:768].ljust(768, b"\x00")
    written = write(build(region(indices(colours=2)), table=table))
    assert MARKER not in written
    assert len(set(read_blocks(written).regions[0].table.ravel().tolist())) == 1


@pytest.mark.parametrize(
    ("block", "loop"),
    [
        (NETSCAPE + b"\x03\x01\x07\x00\x00", 7),
        (b"\x21\xff\x0bANIMEXTS1.0\x03\x01\x00\x00\x00", 0),
        (NETSCAPE + b"\x05\x02\x00\x00\x00\x00\x03\x01\x07\x00\x00", 7),
        (NETSCAPE + b"\x03\x01\x07\x00\x00" + NETSCAPE + b"\x03\x01\x09\x00\x00", 7),
        (NETSCAPE + b"\x18" + MARKER + b"\x00", None),
        (NETSCAPE + b"\x03\x01\x07\x00\x18" + MARKER + b"\x00", 7),
        (b"\x21\xfe\x18" + MARKER + b"\x00", None),
        (b"\x21\xff\x0bXMP DataXMP\x18" + MARKER + b"\x00", None),
        (b"\x21\x01\x18" + MARKER + b"\x00", None),
    ],
)
def test_the_loop_is_written_from_its_value_and_other_extensions_are_dropped(block, loop):
    written = write(build(block, region(indices()), region(indices())))
    assert MARKER not in written
    assert read_blocks(written).loop == loop
    assert written.count(b"\x21\xff") == (loop is not None)


def test_bytes_after_the_end_or_the_last_pixel_are_dropped():
    assert MARKER not in write(build(region(indices())) + MARKER)
    data = compress(indices())
    assert MARKER not in write(build(region(indices(), data=data[:-1] + b"\x18" + MARKER + b"\x00")))
    tall = indices(8, 12)
    data = build(region(tall, size_wh=(8, 6)))
    assert len(write(data)) < len(data)
    assert np.array_equal(frames(write(data))[0][..., 0], tall[:6] * 30)


def test_a_transparent_index_outside_of_the_table_is_allowed():
    pixels = indices()
    pixels[0] = 200
    (frame,) = frames(build(region(pixels, control=(0, 0, 200))))
    assert (frame[0] == 0).all()
    assert (frame[1:, :, 3] == 255).all()


def test_interlaced_rows_come_in_order():
    data = samples.save(samples.RGB.quantize(50), "GIF", interlace=1)
    assert read_blocks(data).regions[0].interlaced
    written = write(data)
    assert not read_blocks(written).regions[0].interlaced
    assert same(frames(written), pillow_frames(data))


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (build(), "no picture"),
        (build(region(indices()), end=b""), "cut off"),
        (build(region(indices()), end=b"\x99"), "unknown block"),
        (build(region(indices()), table=b""), "no colours"),
        (build(region(indices(), size_wh=(0, 6))), "no size"),
        (build(region(indices(), size_wh=(8, 9))), "fewer pixels"),
        (build(region(indices(), data=b"\x0c\x02\x00\x00\x00")), "code size"),
        (build(region(indices(), data=b"\x08\x04\xff\xff\xff\xff\x00")), "fewer pixels"),
        (build(region(indices(colours=9))), "outside"),
        (build(b"\x21\xf9\x05\x00\x00\x00\x00\x00\x00", region(indices())), "graphic control"),
    ],
)
def test_damage_is_named(broken, word):
    if "outside" in word:
        broken = build(region(np.full((6, 8), 8)))
    with pytest.raises(UnreadableImage, match=word):
        decode(broken, LIMIT)


def test_codes_that_end_before_the_last_pixel_are_damage():
    codes = compress(indices(8, 3))
    with pytest.raises(UnreadableImage, match="fewer pixels"):
        decode(build(region(indices(), data=codes)), LIMIT)


def test_all_frames_count_for_the_size():
    with pytest.raises(ImageTooLarge):
        decode(build(region(indices()), region(indices())), 2 * 48 - 1)


def test_another_decoder_shows_the_same_pixels():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        blocks = [
            region(
                rng.integers(0, 8, (4, 5), dtype=np.uint8),
                *rng.integers(0, 3, 2),
                control=(3, int(rng.integers(0, 4)), int(rng.integers(0, 8)) if rng.random() < 0.6 else None),
            )
            for _ in range(int(rng.integers(1, 7)))
        ]
        check_covers(build(*blocks))
