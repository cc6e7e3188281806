"""JPEG markers, damage, and the ways in which a JPEG is written."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

import jpeg_coding
import samples
from jpeg_coding import segment
from unionveil import UnreadableImage, UnsupportedImage
from unionveil.images import Colour, Encoding, Frame, Patch, jpeg
from unionveil.images.coefficients import load
from unionveil.images.jpeg_blocks import Grid, edits
from unionveil.images.jpeg_markers import Model, has_standard_tables, head, parse
from unionveil.images.jpeg_plain import PlainJpeg

LIMIT = 1e6
CODECS = {"libturbojpeg": load(), "wheels": PlainJpeg()}
SECRET = samples.SECRET
BASELINE = samples.save(samples.RGB, "JPEG", quality=80, subsampling="4:2:0", dpi=(300, 300))
PROGRESSIVE = samples.save(samples.RGB, "JPEG", quality=80, progressive=True)
RESTARTS = samples.save(samples.RGB, "JPEG", quality=80, restart_marker_blocks=2)
BLACK = np.zeros((1, 1, 3), np.uint8)


@pytest.fixture(params=CODECS)
def codec(request):
    if CODECS[request.param] is None:
        pytest.skip("no libturbojpeg here; on Debian: apt-get install libturbojpeg0")
    return CODECS[request.param]


def outputs(data, codec):
    """The outputs without a face, and with one."""
    picture = jpeg.read(data, LIMIT, codec)
    black = np.zeros((1, 1, picture.frames[0].pixels.shape[2]), np.uint8)
    return [picture.write([patches]) for patches in ((), (Patch(slice(8, 20), slice(8, 30), black),))]


def rendering(data, codec=None):
    """The rendering as read, after checking that the outputs without and with a face also have it."""
    picture = jpeg.read(data, LIMIT, codec)
    for written in outputs(data, codec):
        assert jpeg.read(written.data, LIMIT, codec).rendering == picture.rendering
    return picture.rendering


def place(data, marker):
    return data.index(bytes([0xFF, marker]))


def in_front(data, marker, new):
    at = place(data, marker)
    return data[:at] + new + data[at:]


def shown(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).astype(int)


def grey_blocks(rows=4, columns=5, most=60):
    """Blocks of one level each, `most` steps from the middle; in colours, few steps stay within RGB."""
    blocks = np.zeros((rows, columns, 64), int)
    blocks[..., 0] = np.random.default_rng(0).integers(-most, most, (rows, columns))
    return blocks


def colour_parts():
    return [(2, 2, grey_blocks(6, 8, 40)), (1, 1, grey_blocks(3, 4, 10)), (1, 1, grey_blocks(3, 4, 10))]


HIDING = {
    "comment": in_front(BASELINE, 0xDB, segment(0xFE, SECRET)),
    "application segment": in_front(BASELINE, 0xDB, segment(0xE9, SECRET)),
    "EXIF": in_front(BASELINE, 0xDB, segment(0xE1, samples.exif().tobytes())),
    "between segments": in_front(BASELINE, 0xDB, SECRET),
    "fill bytes and a gap": in_front(BASELINE, 0xC0, SECRET + b"\xff\xff\xff"),
    "thumbnail": b"\xff\xd8"
    + segment(0xE0, b"JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x02\x02" + (SECRET * 2)[:12])
    + BASELINE[20:],
    "Adobe": in_front(BASELINE, 0xDB, segment(0xEE, b"Adobe" + bytes(6) + b"\x01" + SECRET)),
    "profile": in_front(BASELINE, 0xDB, segment(0xE2, b"ICC_PROFILE\x00\x01\x01" + SECRET * 20)),
    "unused quantisation table": in_front(BASELINE, 0xC0, segment(0xDB, b"\x03" + (SECRET * 7)[:64])),
    "unused Huffman table": in_front(
        BASELINE, 0xC0, segment(0xC4, b"\x13" + bytes(7) + bytes([40]) + bytes(8) + SECRET * 4)
    ),
    "reserved segment": in_front(BASELINE, 0xC0, segment(0xF3, SECRET)),
    "segment behind the scan": BASELINE[:-2] + segment(0xF3, SECRET) + b"\xff\xd9",
    "comment behind the scan": BASELINE[:-2] + segment(0xFE, SECRET) + b"\xff\xd9",
    "behind the last block": BASELINE[:-2] + SECRET + b"\xff\xd9",
    "behind the last block after restarts": RESTARTS[:-2] + SECRET + b"\xff\xd9",
    "behind the last block of the last scan": PROGRESSIVE[:-2] + SECRET + b"\xff\xd9",
    "behind the end": BASELINE + SECRET,
    "second scan": BASELINE[:-2] + BASELINE[place(BASELINE, 0xDA) : -2] + SECRET + b"\xff\xd9",
    "second frame": BASELINE[:-2] + BASELINE[place(BASELINE, 0xC0) : -2] + SECRET + b"\xff\xd9",
    "limits of a baseline scan": BASELINE.replace(b"\x03\x11\x00\x3f\x00", b"\x03\x11SEC"),
}


@pytest.mark.parametrize("name", HIDING)
def test_parts_that_no_decoder_uses_are_gone(name, codec):
    data = HIDING[name]
    assert b"SEC" in data
    for written in outputs(data, codec):
        assert b"SEC" not in written.data
        assert b"Exif" not in written.data
        jpeg_coding.read(written.data)  # no byte between segments or after a block
    assert outputs(data, codec)[0].encoding is Encoding.COEFFICIENTS


def test_components_are_named_by_their_number(codec):
    data = jpeg_coding.write(colour_parts(), (60, 44), ids=b"SEC")
    for written in outputs(data, codec):
        at = place(written.data, 0xC0 if b"\xff\xc0" in written.data else 0xC2)
        assert written.data[at + 10 : at + 19 : 3] == b"\x01\x02\x03"


@pytest.mark.parametrize("rows_less", [1, 7, 8, 16, 24])
def test_rows_behind_the_declared_height_are_gone(rows_less, codec):
    parts = [(2, 2, grey_blocks(8, 8)), (1, 1, grey_blocks(4, 4)), (1, 1, grey_blocks(4, 4))]
    whole = jpeg_coding.write(parts, (64, 64))
    at = place(whole, 0xC0) + 5
    for written in outputs(whole[:at] + struct.pack(">H", 64 - rows_less) + whole[at + 2 :], codec):
        luma, *chroma = jpeg_coding.read(written.data)
        assert luma.shape == (-(-(64 - rows_less) // 8), 8)
        assert {part.shape for part in chroma} == {(-(-(64 - rows_less) // 16), 4)}


def test_blocks_outside_the_declared_size_are_flattened(codec):
    """The last coded units hold invisible blocks: their means repeat the adjacent block."""
    parts = [(2, 2, grey_blocks(4, 4)), (1, 1, grey_blocks(2, 2)), (1, 1, grey_blocks(2, 2))]
    for part in parts:
        part[2][..., 5] = 9
    data = jpeg_coding.write(parts, (24, 24))
    (written, _) = outputs(data, codec)
    for found in jpeg_coding.read(written.data, whole_units=True):
        hidden = np.ones(found.blocks.shape[:2], bool)
        hidden[: found.shape[0], : found.shape[1]] = False
        assert not found.blocks[hidden, 1:].any()


DAMAGED = {
    "scan cut, then the end": BASELINE[: len(BASELINE) - 200] + b"\xff\xd9",
    "progressive scan cut, then the end": PROGRESSIVE[: len(PROGRESSIVE) - 60] + b"\xff\xd9",
    "restart misnumbered": RESTARTS.replace(b"\xff\xd2", b"\xff\xd5", 1),
    "restart missing": RESTARTS.replace(b"\xff\xd2", b"", 1),
    "zeros in the scan": BASELINE[:-400] + bytes(300) + BASELINE[-100:],
    "a block of ones in the scan": BASELINE[:-400] + b"\xff" * 300 + BASELINE[-100:],
    "no end": BASELINE[:-2],
    "no scan": BASELINE[: place(BASELINE, 0xDA)] + b"\xff\xd9",
    "no frame": b"\xff\xd8" + BASELINE[place(BASELINE, 0xDA) :],
    "a component without a scan": jpeg_coding.write(colour_parts(), (60, 44), scans=[[0], [1]]),
    "a component in two scans": jpeg_coding.write(colour_parts(), (60, 44), scans=[[0], [1], [1], [2]]),
    "two components of one name": jpeg_coding.write(colour_parts(), (60, 44), ids=b"\x01\x02\x02"),
    "a scan of an unknown component": BASELINE.replace(
        b"\xff\xda\x00\x0c\x03\x01", b"\xff\xda\x00\x0c\x03\x07"
    ),
    "a longer scan header": BASELINE.replace(b"\xff\xda\x00\x0c", b"\xff\xda\x00\x0d"),
    "a longer frame header": BASELINE.replace(b"\xff\xc0\x00\x11", b"\xff\xc0\x00\x14"),
    "a zero in a table": jpeg_coding.write(colour_parts(), (60, 44), table=0),
    "a table that is missing": BASELINE.replace(b"\xff\xdb\x00\x43\x01", b"\xff\xdb\x00\x43\x03"),
    "a start inside": in_front(BASELINE, 0xDB, b"\xff\xd8"),
    "a table cut off": BASELINE.replace(b"\xff\xdb\x00\x43\x01", b"\xff\xdb\x00\x43\x11"),
    "more rows than coded": BASELINE.replace(
        b"\xff\xc0\x00\x11\x08\x00\x40", b"\xff\xc0\x00\x11\x08\x00\x90"
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_refused_by_name(name, codec):
    with pytest.raises(UnreadableImage, match=r"damaged|cut off"):
        jpeg.read(DAMAGED[name], LIMIT, codec)


def with_scans(data, chosen):
    """A file with the scans whose number and limits are chosen."""
    out, number = b"\xff\xd8", 0
    for marker, body, coded in jpeg_coding.segments(data):
        if marker != 0xDA or chosen(number, body[-3:]):
            out += segment(marker, body) + coded
        number += marker == 0xDA
    return out + b"\xff\xd9"


@pytest.mark.parametrize("left", [1, 4, 8, 9])
def test_a_progressive_file_that_ends_behind_a_scan_is_cut_off(left, codec):
    with pytest.raises(UnreadableImage, match="cut off"):
        jpeg.read(with_scans(PROGRESSIVE, lambda number, _: number < left), LIMIT, codec)


def test_coefficients_that_were_never_sent_are_encoded_as_viewers_show_them(codec):
    """Decoders smooth the picture; its coefficients alone would show steps."""
    coarse = samples.save(samples.RGB.convert("L"), "JPEG", quality=50, progressive=True)
    data = with_scans(coarse, lambda _, limits: limits[0] == 0)  # means in full, and nothing else
    written, _ = outputs(data, codec)
    assert written.encoding is Encoding.PIXELS
    assert np.abs(shown(written.data) - shown(data)).mean() < 6


def test_bytes_between_scans_could_hide_damage(codec):
    """libjpeg reports only its first warning, so data after these bytes are not known to be whole."""
    second = PROGRESSIVE.index(b"\xff\xc4", place(PROGRESSIVE, 0xDA))
    with pytest.raises(UnreadableImage, match="extraneous"):
        jpeg.read(PROGRESSIVE[:second] + SECRET + PROGRESSIVE[second:], LIMIT, codec)


UNHANDLED = {
    "twelve bits": BASELINE.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
    "lossless": BASELINE.replace(b"\xff\xc0\x00\x11", b"\xff\xc3\x00\x11"),
    "two frames": in_front(BASELINE, 0xDA, BASELINE[place(BASELINE, 0xC0) : place(BASELINE, 0xC4)]),
    "height at the end": in_front(BASELINE, 0xDA, segment(0xDC, b"\x00\x40")),
    "samples between pixels": jpeg_coding.write(
        [(3, 1, grey_blocks(3, 9)), (2, 1, grey_blocks(3, 6)), (1, 1, grey_blocks(3, 3))], (72, 24)
    ),
}


@pytest.mark.parametrize("name", UNHANDLED)
def test_other_variants_are_named(name, codec):
    with pytest.raises(UnsupportedImage):
        jpeg.read(UNHANDLED[name], LIMIT, codec)


def without_tables(data):
    """Like frames of Motion JPEG, which imply the standard Huffman tables."""
    at = place(data, 0xC4)
    return data[:at] + data[place(data, 0xDA) :]


def wide_tables(data):
    """Quantisation tables in 16 bits."""
    out = data
    for number in (0, 1):
        at = out.index(b"\xff\xdb\x00\x43" + bytes([number]))
        table = out[at + 5 : at + 69]
        wide = bytes([0x10 | number]) + b"".join(bytes([0, value]) for value in table)
        out = out[:at] + segment(0xDB, wide) + out[at + 69 :]
    return out


HEALTHY = {
    "no Huffman tables": without_tables(BASELINE),
    "wide quantisation tables": wide_tables(BASELINE),
    "fill bytes": in_front(BASELINE, 0xDB, b"\xff\xff\xff"),
    "one scan per component": jpeg_coding.write(colour_parts(), (60, 44), scans=[[0], [2], [1]]),
    "names from zero": jpeg_coding.write(colour_parts(), (60, 44), ids=b"\x00\x01\x02"),
    "grey with factors": jpeg_coding.write([(2, 2, grey_blocks(4, 4))], (30, 27)),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_odd_files_that_viewers_show_are_done(name, codec):
    data = HEALTHY[name]
    written, covered = outputs(data, codec)
    assert written.encoding is Encoding.COEFFICIENTS
    assert np.array_equal(shown(written.data), shown(data))
    assert np.abs(shown(covered.data)[10:18, 10:28]).max() < 25


@pytest.mark.parametrize(
    ("kind", "marker", "expected"),
    [
        ("names R, G, B", b"", "RGB"),
        ("Adobe says RGB", segment(0xEE, b"Adobe" + bytes(7)), "RGB"),
        ("Adobe says YCC", segment(0xEE, b"Adobe" + bytes(6) + b"\x01"), "YCC"),
        ("JFIF goes first", segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"), "YCC"),
        ("nothing", b"", "YCC"),
    ],
)
def test_colours_are_those_of_libjpeg(kind, marker, expected, codec):
    ids = b"RGB" if kind.startswith(("names", "JFIF")) else b"\x01\x02\x03"
    data = jpeg_coding.write([(1, 1, grey_blocks(most=12))] * 3, (40, 32), ids=ids, in_front=marker)
    (written, covered) = outputs(data, codec)
    (frame,) = jpeg.read(data, LIMIT, codec).frames
    with Image.open(io.BytesIO(written.data)) as image:
        assert image.info.get("adobe_transform") == (0 if expected == "RGB" else None)
        assert np.array_equal(np.asarray(image), frame.pixels)
    assert np.array_equal(frame.pixels, shown(data))
    assert np.abs(shown(covered.data)[10:18, 10:28]).max() < 25


@pytest.mark.parametrize("adobe", [True, False])
def test_the_polarity_of_cmyk_stays(adobe, codec):
    data = samples.save(samples.RGB.convert("CMYK"), "JPEG", quality=90)
    at = place(data, 0xEE)
    if not adobe:
        data = data[:at] + data[at + 16 :]
    for written in outputs(data, codec):
        assert (b"Adobe" in written.data) == adobe
        assert np.abs(shown(written.data)[32:] - shown(data)[32:]).mean() < 2


@pytest.mark.parametrize("option", [(300, 300), (72, 144), None])
def test_density_stays(option, codec):
    data = samples.save(samples.RGB, "JPEG", **({"dpi": option} if option else {}))
    density = rendering(data, codec).density_xy
    assert density == (pytest.approx([value / 0.0254 for value in option]) if option else None)
    for written in outputs(data, codec):
        with Image.open(io.BytesIO(written.data)) as image:
            assert image.info.get("dpi") == option


def test_density_in_centimetres_stays():
    data = BASELINE.replace(b"JFIF\x00\x01\x01\x01\x01\x2c\x01\x2c", b"JFIF\x00\x01\x01\x02\x00\x77\x00\x78")
    assert rendering(data).density_xy == (11900, 12000)
    assert b"JFIF\x00\x01\x01\x02\x00\x77\x00\x78" in outputs(data, None)[0].data


@pytest.mark.parametrize("orientation", [1, 6])
def test_without_jfif_density_comes_from_exif_and_is_rotated(orientation):
    exif = samples.exif(orientation)
    exif[0x011A], exif[0x011B], exif[0x0128] = 300.0, 150.0, 2
    data = samples.save(samples.RGB, "JPEG", exif=exif)
    # Pillow writes the density into JFIF too.
    data = b"\xff\xd8" + data[20:]
    expected = (300, 150) if orientation == 1 else (150, 300)
    assert rendering(data).density_xy == pytest.approx([value / 0.0254 for value in expected])
    for written in outputs(data, None):
        with Image.open(io.BytesIO(written.data)) as image:
            assert image.info["dpi"] == expected


def test_the_first_exif_counts():
    first, second = (segment(0xE1, samples.exif(orientation).tobytes()) for orientation in (6, 3))
    data = b"\xff\xd8" + first + second + BASELINE[2:]
    assert jpeg.read(data, LIMIT).frames[0].size_wh == (64, 96)


@pytest.mark.parametrize("kind", [1, 3, 4])
def test_orientation_may_be_a_byte_a_short_or_a_long(kind):
    value = struct.pack({1: "<Bxxx", 3: "<Hxx", 4: "<I"}[kind], 6)
    entry = struct.pack("<HHI", 0x0112, kind, 1) + value
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00" + entry + bytes(4)
    data = b"\xff\xd8" + segment(0xE1, exif) + BASELINE[2:]
    assert jpeg.read(data, LIMIT).frames[0].size_wh == (64, 96)


def profile(data, parts, order=(), count=None):
    size = -(-len(samples.ICC) // parts)
    segments = [
        segment(
            0xE2,
            b"ICC_PROFILE\x00" + bytes([i + 1, count or parts]) + samples.ICC[i * size : (i + 1) * size],
        )
        for i in range(parts)
    ]
    return data[:2] + b"".join(segments[i] for i in order or range(parts)) + data[2:]


def test_a_profile_may_come_in_parts(codec):
    whole = rendering(profile(BASELINE, 1), codec).icc
    assert whole is not None
    assert rendering(profile(BASELINE, 3, (2, 0, 1)), codec).icc == whole
    for written in outputs(profile(BASELINE, 3), codec):
        with Image.open(io.BytesIO(written.data)) as image:
            assert image.info["icc_profile"] == whole


@pytest.mark.parametrize(("order", "count"), [((0, 2), None), ((0, 1, 1, 2), None), ((0, 1, 2), 4)])
def test_a_profile_with_a_part_missing_or_doubled_is_dropped(order, count):
    assert rendering(profile(BASELINE, 3, order, count)).icc is None


def test_a_large_profile_is_written_in_parts():
    large = bytes(range(256)) * 700
    data = head(Model.YCC, adobe=False, icc=large) + BASELINE[20:]
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["icc_profile"] == large


def test_a_profile_for_other_colours_is_dropped():
    grey = samples.save(samples.RGB.convert("L"), "JPEG")
    assert rendering(profile(grey, 1)).icc is None


def test_without_libturbojpeg_a_face_is_covered_in_pixels():
    written, covered = outputs(BASELINE, PlainJpeg())
    assert (written.encoding, covered.encoding) == (Encoding.COEFFICIENTS, Encoding.PIXELS)
    for before, after in zip(jpeg_coding.read(BASELINE), jpeg_coding.read(written.data), strict=True):
        assert np.array_equal(before.blocks, after.blocks)


def test_without_libturbojpeg_coefficients_out_of_range_end_no_process():
    blocks = grey_blocks()
    blocks[1, 1, 1] = 2047
    written, _ = outputs(jpeg_coding.write([(1, 1, blocks)], (40, 32), table=1), PlainJpeg())
    assert written.encoding is Encoding.PIXELS


def test_without_libturbojpeg_rare_subsampling_is_refused_with_the_way_out():
    data = jpeg_coding.write(
        [(3, 1, grey_blocks(2, 9)), (1, 1, grey_blocks(2, 3)), (1, 1, grey_blocks(2, 3))], (70, 15)
    )
    with pytest.raises(UnsupportedImage, match="libturbojpeg to be installed"):
        jpeg.read(data, LIMIT, PlainJpeg())


def test_without_libturbojpeg_four_rows_of_luma_to_one_of_chroma_are_done():
    """simplejpeg decodes this subsampling but has no name for it."""
    parts = [(1, 4, grey_blocks(8, 4)), (1, 1, grey_blocks(2, 4)), (1, 1, grey_blocks(2, 4))]
    data = jpeg_coding.write(parts, (30, 60))
    assert np.array_equal(jpeg.read(data, LIMIT, PlainJpeg()).frames[0].pixels, shown(data))


def test_both_codecs_see_the_same_pixels():
    if CODECS["libturbojpeg"] is None:
        pytest.skip("no libturbojpeg here; on Debian: apt-get install libturbojpeg0")
    for name, data in samples.lossy().items():
        if name.startswith("jpeg"):
            frames = [jpeg.read(data, LIMIT, codec).frames[0] for codec in CODECS.values()]
            assert np.array_equal(frames[0].pixels, frames[1].pixels), name
            assert np.array_equal(frames[0].pixels.squeeze(), shown(data)), name


def test_coefficients_count_towards_the_memory_needed():
    for data, per_pixel in ((BASELINE, 1.5), (samples.save(samples.RGB.convert("CMYK"), "JPEG"), 4)):
        grid = Grid.of(parse(data))
        assert grid.coefficients == per_pixel * 96 * 64


def test_standard_tables_are_recognized():
    assert has_standard_tables(BASELINE)
    assert has_standard_tables(RESTARTS)
    assert not has_standard_tables(PROGRESSIVE)
    assert not has_standard_tables(without_tables(BASELINE))
    assert not has_standard_tables(samples.save(samples.RGB, "JPEG", optimize=True))
    assert not has_standard_tables(BASELINE.replace(b"\x22\x71\x14\x32", b"\x22\x71\x32\x14"))


GRID = Grid.of(parse(samples.save(Image.new("RGB", (64, 64)), "JPEG", subsampling="4:2:0")))
"""Four by four coded units of 16 px."""


def test_a_cover_that_ends_at_a_coded_unit_takes_its_neighbours_on_every_side():
    assert GRID.aligned(Patch(slice(16, 32), slice(16, 32), BLACK)) == (0, 3, 0, 3)
    assert GRID.aligned(Patch(slice(17, 31), slice(17, 31), BLACK)) == (1, 2, 1, 2)


def test_a_masked_cover_takes_the_blocks_beside_its_pixels():
    """One pixel at the corner of a coded unit: the blocks on all sides of the corner change."""
    mask = np.zeros((16, 16), bool)
    mask[0, 0] = True
    patch = Patch(slice(16, 32), slice(16, 32), np.zeros((16, 16, 3), np.uint8), mask)
    frame = Frame(np.zeros((64, 64, 3), np.uint8), Colour.RGB)
    luma, *chroma = [
        {
            (edit.rows.start + row, edit.columns.start + column)
            for row, column in np.argwhere(np.asarray(edit.where))
        }
        for edit in edits(frame, [patch], GRID)
    ]
    assert luma == {(1, 1), (1, 2), (2, 1), (2, 2)}
    assert chroma == [{(0, 0), (0, 1), (1, 0), (1, 1)}] * 2
