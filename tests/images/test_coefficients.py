"""JPEGs written from coefficients, read back by a reader that shares no code with the product."""

import io

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import jpeg_coding
import samples
from checked import present
from unionveil.images import Encoding, Patch, jpeg
from unionveil.images.coefficients import Coding, TurboJpeg, load
from unionveil.images.jpeg_plain import PlainJpeg
from unionveil.images.jpeg_rows import NotTransformable
from unionveil.images.orientation import upright

LIMIT = 1e6
SIZE = 101, 67

pytestmark = pytest.mark.skipif(
    load() is None, reason="no libturbojpeg here; on Debian: apt-get install libturbojpeg0"
)


def photo(size_wh=SIZE, seed=0, noise=12.0):
    """Smooth colours with grain, so that blocks have many coefficients."""
    pixels = cv2.resize(samples.scene(seed=seed), size_wh, interpolation=cv2.INTER_CUBIC).astype(float)
    pixels += np.random.default_rng(seed).normal(0, noise, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def pillow(mode="RGB", **options):
    def save(pixels):
        return samples.save(Image.fromarray(pixels).convert(mode), "JPEG", **({"quality": 85} | options))

    return save


def turbo(subsampling, colour="RGB"):
    def save(pixels):
        stored = np.asarray(Image.fromarray(pixels).convert(colour))
        return simplejpeg.encode_jpeg(np.ascontiguousarray(stored), 85, colour, subsampling)

    return save


KINDS = {
    "4:2:0": pillow(subsampling="4:2:0"),
    "4:2:2": pillow(subsampling="4:2:2"),
    "4:4:4": pillow(subsampling="4:4:4"),
    "4:4:0": turbo("440"),
    "4:1:1": turbo("411"),
    "progressive": pillow(subsampling="4:2:0", progressive=True),
    "restart markers": pillow(subsampling="4:2:0", restart_marker_blocks=3),
    "optimized": pillow(subsampling="4:2:0", optimize=True),
    "grey": pillow("L"),
    "CMYK": pillow("CMYK"),
    "YCCK": turbo("420", "CMYK"),
    "RGB": pillow(keep_rgb=True),
    "quality 30": pillow(quality=30),
    "quality 100": pillow(quality=100, subsampling="4:2:0"),
}
FILES = {name: save(photo()) for name, save in KINDS.items()}


def colour_patch(frame, rows, columns):
    """Orange, in the colour model of a frame."""
    value = {1: (128,), 3: (230, 120, 20), 4: (0, 120, 230, 20)}[frame.pixels.shape[2]]
    return Patch(rows, columns, np.array(value, np.uint8).reshape(1, 1, -1))


def round_patch(frame, rows, columns):
    """A gradient in an ellipse."""
    h, w = rows.stop - rows.start, columns.stop - columns.start
    y, x = np.mgrid[:h, :w]
    mask = ((y + 0.5) / h - 0.5) ** 2 + ((x + 0.5) / w - 0.5) ** 2 <= 0.25
    values = [np.round(60 + 100 * x / w), np.round(200 - 100 * y / h), np.full((h, w), 90), np.zeros((h, w))]
    return Patch(rows, columns, np.stack(values, axis=2)[..., : frame.pixels.shape[2]].astype(np.uint8), mask)


def write(data, *patches, codec=None):
    """The output for a file with patches, and the frame that was read from the file."""
    picture = jpeg.read(data, LIMIT, codec)
    (frame,) = picture.frames
    return picture.write([[make(frame, rows, columns) for make, rows, columns in patches]]), frame


def units_touched(data, rows, columns):
    """Returns a function of a component and the shape of its blocks: those in coded units that a box touches.

    The box is grown by one pixel.
    """
    parts = jpeg_coding.read(data)
    across, down = max(p.horizontal for p in parts), max(p.vertical for p in parts)
    top, bottom = max(0, rows.start - 1) // (8 * down), rows.stop // (8 * down)
    left, right = max(0, columns.start - 1) // (8 * across), columns.stop // (8 * across)

    def touched(part):
        where = np.zeros(part.shape, bool)
        where[
            top * part.vertical : (bottom + 1) * part.vertical,
            left * part.horizontal : (right + 1) * part.horizontal,
        ] = True
        return where

    return touched


def shown(data):
    """Pixels as Pillow shows them, `(H, W, C)`."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).reshape(image.height, image.width, -1).astype(int)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_face_every_coefficient_stays(kind):
    written, _ = write(FILES[kind])
    assert written.encoding is Encoding.COEFFICIENTS
    for before, after in zip(jpeg_coding.read(FILES[kind]), jpeg_coding.read(written.data), strict=True):
        assert np.array_equal(before.blocks, after.blocks)
        assert np.array_equal(present(before.table), present(after.table))
        assert (before.horizontal, before.vertical) == (after.horizontal, after.vertical)
    assert np.array_equal(shown(written.data), shown(FILES[kind]))


@pytest.mark.parametrize("make", [colour_patch, round_patch])
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_that_a_cover_does_not_touch_keep_their_coefficients(kind, make):
    rows, columns = slice(17, 32), slice(24, 48)
    written, frame = write(FILES[kind], (make, rows, columns))
    assert written.encoding is Encoding.COEFFICIENTS
    touched = units_touched(FILES[kind], rows, columns)
    changed = 0
    for before, after in zip(jpeg_coding.read(FILES[kind]), jpeg_coding.read(written.data), strict=True):
        same = (before.blocks == after.blocks).all(axis=2)
        assert same[~touched(before)].all()
        changed += (~same).sum()
    assert changed
    patch = make(frame, rows, columns)
    where = np.ones((15, 24), bool) if patch.mask is None else patch.mask
    error = np.abs(shown(written.data)[rows, columns] - patch.pixels.astype(int))[where]
    coarse = max(int(present(part.table)[0, 0]) for part in jpeg_coding.read(FILES[kind]))
    if make is colour_patch:
        assert error.max() <= 2 + coarse / 8  # half a step of the mean, in luma and in chroma
    else:
        assert error.mean() <= 15  # an encoder of pixels is no better at this size


@pytest.mark.parametrize("kind", KINDS)
def test_a_colour_leaves_nothing_but_means(kind):
    rows, columns = slice(17, 32), slice(24, 48)
    written, _ = write(FILES[kind], (colour_patch, rows, columns))
    touched = units_touched(FILES[kind], rows, columns)
    for part in jpeg_coding.read(written.data):
        blocks = part.blocks[touched(part)]
        assert not blocks[:, 1:].any()
        assert len(np.unique(blocks[:, 0])) == 1


@settings(max_examples=60)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    size_wh=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
    make=st.sampled_from([colour_patch, round_patch]),
)
def test_any_box_in_a_picture_of_any_size(kind, size_wh, corners, make):
    data = KINDS[kind](photo(size_wh))
    (top, bottom), (left, right) = sorted(corners[:2]), sorted(corners[2:])
    rows = slice(int(top * (size_wh[1] - 1)), int(bottom * (size_wh[1] - 1)) + 1)
    columns = slice(int(left * (size_wh[0] - 1)), int(right * (size_wh[0] - 1)) + 1)
    written, frame = write(data, (make, rows, columns))
    assert written.encoding is Encoding.COEFFICIENTS
    touched = units_touched(data, rows, columns)
    for before, after in zip(jpeg_coding.read(data), jpeg_coding.read(written.data), strict=True):
        assert ((before.blocks == after.blocks).all(axis=2) | touched(before)).all()
    if make is colour_patch:
        error = shown(written.data)[rows, columns] - make(frame, rows, columns).pixels.astype(int)
        assert np.abs(error).max() <= 5


def test_boxes_that_overlap_show_the_last_one():
    first, second = (slice(10, 40), slice(10, 50)), (slice(30, 60), slice(40, 90))
    for make in (colour_patch, round_patch):
        data = KINDS["4:4:4"](photo())

        def white(frame, rows, columns):
            return Patch(rows, columns, np.full((1, 1, 3), 255, np.uint8))

        written, _ = write(data, (make, *first), (white, *second))
        assert np.abs(shown(written.data)[38:52, 48:82] - 255).max() <= 6


def test_a_patch_without_a_pixel_changes_no_block():
    nowhere = Patch(slice(0, 9), slice(0, 9), np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool))
    picture = jpeg.read(FILES["4:2:0"], LIMIT)
    written = picture.write([[nowhere]])
    assert np.array_equal(shown(written.data), shown(FILES["4:2:0"]))


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["4:2:0", "4:2:2", "4:4:4", "progressive", "grey", "CMYK", "RGB"])
def test_a_picture_of_whole_units_is_turned_without_loss(kind, orientation):
    pixels = photo((96, 64))
    upright_file = KINDS[kind](pixels)
    exif = samples.exif(orientation).tobytes()
    data = upright_file[:2] + jpeg_coding.segment(0xE1, exif) + upright_file[2:]
    rows, columns = slice(18, 46), slice(18, 46)
    for patches in ((), ((colour_patch, rows, columns),), ((round_patch, rows, columns),)):
        written, frame = write(data, *patches)
        assert written.encoding is Encoding.COEFFICIENTS
        turned = upright(shown(upright_file), orientation)
        assert np.array_equal(frame.pixels, turned)
        error = np.abs(shown(written.data) - turned)
        if patches:
            make = patches[0][0]
            patch = make(frame, rows, columns).pixels.astype(int)
            there = np.broadcast_to(patch, (28, 28, patch.shape[2]))[8:20, 8:20]
            assert np.abs(shown(written.data)[26:38, 26:38] - there).mean() <= 9
            error[:56, :56] = 0
        assert error.max() <= 4  # chroma is interpolated from the other side
        assert b"Exif" not in written.data


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_picture_of_parts_of_units_is_encoded_upright(orientation):
    data = FILES["4:2:0"]
    data = data[:2] + jpeg_coding.segment(0xE1, samples.exif(orientation).tobytes()) + data[2:]
    written, frame = write(data)
    assert written.encoding is Encoding.PIXELS
    assert np.abs(shown(written.data) - frame.pixels).mean() < 6


def flat_blocks(rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    blocks = np.zeros((rows, columns, 64), int)
    blocks[..., 0] = rng.integers(-60, 60, (rows, columns))
    blocks[..., 1:9] = rng.integers(-9, 9, (rows, columns, 8))
    return blocks


@pytest.mark.parametrize("factors", [(3, 1), (1, 4), (4, 2), (1, 3)])
def test_rare_subsampling_is_done_one_way_or_the_other(factors):
    h, v = factors
    units = 3, 4
    parts = [(h, v, flat_blocks(units[0] * v, units[1] * h))]
    parts += [(1, 1, flat_blocks(*units, seed)) for seed in (1, 2)]
    data = jpeg_coding.write(parts, (units[1] * 8 * h - 3, units[0] * 8 * v - 5))
    rows, columns = slice(4, 14), slice(6, 18)
    written, frame = write(data, (colour_patch, rows, columns))
    covered = shown(written.data)[rows, columns] - colour_patch(frame, rows, columns).pixels.astype(int)
    assert np.abs(covered).max() <= (4 if written.encoding is Encoding.COEFFICIENTS else 60)
    assert np.abs(covered).mean() <= 12


@pytest.mark.parametrize("value", [1024, -1024, 2047])
def test_coefficients_without_a_standard_code_are_never_written(value):
    """The standard tables have no code for them: the output would show something that nobody checked."""
    blocks = flat_blocks(3, 4)
    blocks[1, 1, 1] = value
    data = jpeg_coding.write([(1, 1, blocks)], (32, 24), table=1)
    written, frame = write(data)
    assert written.encoding is Encoding.PIXELS
    assert np.abs(shown(written.data) - frame.pixels).mean() < 4


@pytest.mark.parametrize("sign", [1, -1])
def test_a_picture_behind_white_or_black_is_not_kept(sign):
    """All samples are clipped to one value; with one byte of the table changed they would show something."""
    blocks = flat_blocks(3, 4)
    blocks[..., 1:] //= 3
    blocks[..., 0] = sign * 100
    data = jpeg_coding.write([(1, 1, blocks)], (32, 24), table=16)
    assert len(np.unique(shown(data))) == 1
    written, _ = write(data)
    assert written.encoding is Encoding.PIXELS
    assert not jpeg_coding.read(written.data)[0].blocks[..., 1:].any()


def hidden_in_colour(hidden, chroma, sampling="4:4:4"):
    """A JPEG whose luma shows something in grey alone; its colours are clipped to one."""
    planes = [hidden, *(np.full_like(hidden, value) for value in chroma)]
    out = io.BytesIO()
    Image.fromarray(np.dstack(planes), "YCbCr").save(out, "JPEG", quality=95, subsampling=sampling)
    return out.getvalue()


@pytest.mark.parametrize("plain", [False, True], ids=["libturbojpeg", "wheels"])
@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize(("chroma", "low", "high"), [((2, 2), 124, 175), ((253, 253), 80, 130)])
def test_luma_that_colours_hide_is_not_kept(chroma, low, high, sampling, reduction, plain):
    y, x = np.mgrid[:128, :192]
    discs = (x // 32 + y // 32) % 2
    data = hidden_in_colour((low + (high - low) * discs).astype(np.uint8), chroma, sampling)
    codec = PlainJpeg() if plain else load()
    picture = jpeg.read(data, LIMIT, codec, reduction=lambda size_wh: reduction)
    assert np.ptp(shown(data), axis=(0, 1)).max() < 12
    written = picture.write([[]])
    assert written.encoding is Encoding.PIXELS
    grey = present(cv2.imdecode(np.frombuffer(written.data, np.uint8), cv2.IMREAD_GRAYSCALE))
    assert np.ptp(grey.astype(int)) < 24


def test_a_strong_colour_without_hidden_luma_is_kept():
    data = hidden_in_colour(np.full((64, 64), 150, np.uint8), (44, 21))
    assert np.abs(shown(data) - [0, 255, 0]).max() < 4
    assert write(data)[0].encoding is Encoding.COEFFICIENTS


@pytest.mark.parametrize("steps", [2, 5, 9, 17])
def test_blocks_whose_mean_is_above_white_are_not_kept(steps):
    """A coarser step for means lifts them above white, from where one byte of the table brings them back."""
    data = bytearray(save_grey((244 + 11 * ((np.indices((64, 64)) // 16).sum(axis=0) % 2)), steps - 1))
    table = data.index(b"\xff\xdb") + 5
    assert data[table] == steps - 1
    data[table] = steps
    assert np.ptp(shown(bytes(data))) <= 12
    assert write(bytes(data))[0].encoding is Encoding.PIXELS


def save_grey(pixels, step):
    """A grey JPEG whose means have a step of their own, and all other coefficients steps of 1."""
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8), "L").save(out, "JPEG", qtables=[[step] + [1] * 63])
    return out.getvalue()


def test_black_beside_white_is_kept():
    pixels = np.kron(np.indices((20, 30)).sum(axis=0) % 2 * 255, np.ones((5, 5))).astype(np.uint8)
    for quality in (20, 50, 90, 100):
        data = samples.save(Image.fromarray(pixels), "JPEG", quality=quality)
        assert write(data)[0].encoding is Encoding.COEFFICIENTS


class Garbling(TurboJpeg):
    """Writes a file with other coefficients than the given ones, as a missing code would."""

    def __init__(self, known, other):
        self.optimizes, self._call, self._other = known.optimizes, known._call, other

    def _transform(self, data, operation, options, each_row):
        output = super()._transform(data, operation, options, each_row)
        return self._other if output else output


def test_an_output_that_reads_as_something_else_is_not_used():
    data, other = (KINDS["optimized"](photo(seed=seed)) for seed in (0, 3))
    codec = Garbling(load(), other)
    with pytest.raises(NotTransformable, match="does not read"):
        tables = tuple(present(part.table) for part in jpeg_coding.read(data))
        codec.rewrite(data, [], Coding(1, False, False, tables), None)
    written, frame = write(data, (colour_patch, slice(8, 40), slice(8, 40)), codec=codec)
    assert written.encoding is Encoding.PIXELS
    orange = colour_patch(frame, slice(0), slice(0)).pixels
    assert np.abs(shown(written.data)[10:38, 10:38] - orange).max() < 30


@pytest.mark.parametrize("kind", KINDS)
def test_files_hardly_grow(kind):
    data = KINDS[kind](photo((640, 480), noise=5))
    written, _ = write(data)
    standard = kind not in ("progressive", "optimized")
    assert len(written.data) <= (1.02 if standard else 1.08) * len(data)


def test_a_kept_table_is_never_used_for_new_coefficients():
    """A smooth picture's own tables lack most codes; a patch needs other tables."""
    data = samples.save(Image.new("RGB", (64, 64), (90, 90, 90)), "JPEG", optimize=True)
    busy = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    picture = jpeg.read(data, LIMIT)
    written = picture.write([[Patch(slice(16, 48), slice(16, 48), busy)]])
    assert written.encoding is Encoding.COEFFICIENTS
    now = shown(written.data)
    assert np.abs(now[16:48, 16:48].mean(axis=2) - busy.mean(axis=2)).mean() < 25
    assert np.abs(now[:, :12] - 90).max() <= 2
