"""HEIC: which parts are kept, re-encoded or refused."""

import io
import struct
from dataclasses import replace

import numpy as np
import pillow_heif
import pytest
from PIL import Image

import samples
from checked import present
from containers import (
    changed,
    clap,
    grid,
    heic,
    ispe,
    only_item,
    re_encoded,
    single,
    untouched,
    with_property,
)
from unionveil import UnreadableImage, UnsupportedImage
from unionveil.images import Colour, Encoding, decode, hevc, isobmff
from unionveil.images.isobmff import Container, Item, Property, Reference
from unionveil.images.lossy import luma_psnr_db
from unionveil.images.nal import kind_of, nal_units

LIMIT = 1e6
SECRET = samples.SECRET
SCENE = samples.scene(128, 64)
PLAIN = heic(SCENE, quality=80)
DEEP = (samples.scene(128, 64).astype(np.uint16) << 8) | 0x40
PQ = {"color_primaries": 9, "transfer_characteristics": 16, "matrix_coefficients": 9}


def pictures(data):
    """Everything that libheif lists as a separate picture."""
    return pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)


def same(a, b):
    return np.array_equal(a.frames[0].pixels, b.frames[0].pixels)


def test_an_ordinary_picture_keeps_its_coded_data_and_nothing_else():
    picture = decode(samples.heic(samples.RGB), LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.KEPT
    assert same(decode(written.data, LIMIT), picture)
    item = only_item(written.data)
    assert [kind_of(unit) for unit in nal_units(item.data, 4)] in ([19], [20])
    assert SECRET not in written.data
    assert len(isobmff.read(written.data).items) == 1


def test_writing_again_changes_nothing():
    once = untouched(decode(PLAIN, LIMIT)).data
    assert untouched(decode(once, LIMIT)).data == once


@pytest.mark.parametrize("kind", [b"pixi", b"pasp", b"colr", b"ispe", b"clli", b"xyzw"])
def test_properties_are_written_from_their_values(kind):
    def longer(item):
        bodies = item.bodies(kind)
        return with_property(item, kind, (bodies[0] if bodies else bytes(8)) + SECRET)

    written = untouched(decode(changed(PLAIN, longer), LIMIT))
    assert SECRET not in written.data
    assert written.encoding is Encoding.KEPT


def test_bytes_that_are_not_a_profile_are_dropped():
    data = changed(PLAIN, lambda item: replace(item, properties=(*item.properties, _profile(SECRET * 20))))
    assert SECRET not in untouched(decode(data, LIMIT)).data


def _profile(body):
    return Property(b"colr", b"prof" + body)


def test_a_profile_stays():
    data = heic(SCENE, icc_profile=samples.ICC)
    for written in (untouched(decode(data, LIMIT)), re_encoded(decode(data, LIMIT))):
        assert decode(written.data, LIMIT).rendering.icc == decode(data, LIMIT).rendering.icc is not None


def _unit(kind, body):
    unit = bytes([kind << 1, 1]) + body
    return struct.pack(">I", len(unit)) + unit


@pytest.mark.parametrize("kind", [35, 38, 39, 40, 41, 48, 63])
@pytest.mark.parametrize("first", [True, False])
def test_messages_beside_the_slice_are_gone(kind, first):
    extra = _unit(kind, SECRET)
    data = changed(PLAIN, lambda item: replace(item, data=extra + item.data if first else item.data + extra))
    picture = decode(data, LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.KEPT
    assert SECRET not in written.data
    assert same(picture, decode(PLAIN, LIMIT))


def test_messages_in_the_configuration_are_gone():
    def add(item):
        body = item.body(b"hvcC")
        unit = bytes([39 << 1, 1]) + SECRET
        array = struct.pack(">BHH", 39, 1, len(unit)) + unit
        return with_property(item, b"hvcC", body[:22] + bytes([body[22] + 1]) + body[23:] + array + SECRET)

    written = untouched(decode(changed(PLAIN, add), LIMIT))
    assert written.encoding is Encoding.KEPT
    assert SECRET not in written.data


def test_a_second_picture_inside_the_item_is_refused():
    other = only_item(heic(255 - SCENE, quality=80)).data
    with pytest.raises(UnreadableImage, match="other data follow"):
        decode(changed(PLAIN, lambda item: replace(item, data=item.data + other)), LIMIT)


@pytest.mark.parametrize("count", [8, 24, 400])
def test_data_behind_the_last_block_are_refused(count):
    hidden = (SECRET * 40)[:count]
    data = changed(PLAIN, lambda item: replace(item, data=hevc.replace_end(item.data, 4, 0, hidden)))
    with pytest.raises(UnreadableImage, match="other data follow"):
        decode(data, LIMIT)


@pytest.mark.parametrize("cut", [12, 60, 200])
def test_data_that_end_too_early_are_refused_and_never_made_up(cut):
    data = changed(PLAIN, lambda item: replace(item, data=hevc.replace_end(item.data, 4, cut, b"")))
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(data, LIMIT)


def test_zeros_after_a_slice_are_not_damage_and_are_removed():
    (unit,) = nal_units(only_item(PLAIN).data, 4)
    padded = unit + b"\x00\x00\x03" * 5
    picture = decode(
        changed(PLAIN, lambda item: replace(item, data=struct.pack(">I", len(padded)) + padded)), LIMIT
    )
    assert only_item(untouched(picture).data).data == only_item(untouched(decode(PLAIN, LIMIT)).data).data


@pytest.mark.parametrize("pixels", [np.full((64, 128, 3), 200, np.uint8), SCENE, SCENE[..., 0]], ids="fsg")
@pytest.mark.parametrize("quality", [10, 50, 95])
def test_healthy_pictures_are_never_refused(pixels, quality):
    picture = decode(heic(np.ascontiguousarray(pixels), quality=quality), LIMIT)
    assert untouched(picture).encoding is Encoding.KEPT


TALL = heic(samples.scene(128, 128, seed=3), quality=80)


@pytest.mark.parametrize(
    "data",
    [
        changed(TALL, lambda item: with_property(item, b"clap", clap((128, 128), 0, 0, 128, 64))),
        changed(TALL, lambda item: with_property(item, b"clap", clap((128, 128), 32, 64, 64, 64))),
        grid([only_item(TALL)] * 2, 2, 1, (192, 128)),
    ],
    ids=["crop", "crop-inside", "trimmed"],
)
def test_hidden_pixels_are_not_written(data):
    picture = decode(data, LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.PIXELS
    again = decode(written.data, LIMIT)
    assert again.frames[0].size_wh == picture.frames[0].size_wh
    assert len(isobmff.read(written.data).items) == 1
    assert only_item(written.data).body(b"ispe") == ispe(*picture.frames[0].size_wh)


def test_a_grid_with_more_tiles_than_places_is_refused():
    with pytest.raises(UnreadableImage):
        decode(grid([only_item(TALL)] * 4, 2, 1, (256, 128)), LIMIT)


def test_a_size_smaller_than_the_coded_one_is_refused():
    with pytest.raises(UnreadableImage):
        decode(changed(TALL, lambda item: with_property(item, b"ispe", ispe(128, 64))), LIMIT)


def test_pixels_hidden_by_an_overlay_are_gone():
    below, above = only_item(TALL), only_item(heic(samples.scene(128, 128, seed=4), quality=80))
    canvas = struct.pack(">BB4H2HII", 0, 0, 0, 0, 0, 65535, 128, 128, 0, 0) + struct.pack(">II", 0, 0)
    items = {
        1: Item(b"iovl", (Property(b"ispe", ispe(128, 128)),), canvas),
        2: replace(below, hidden=True),
        3: replace(above, hidden=True),
    }
    data = isobmff.write(Container(1, items, (Reference(b"dimg", 1, (2, 3)),)), (b"heic", b"mif1", b"heic"))
    picture = decode(data, LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.PIXELS
    assert len(isobmff.read(written.data).items) == 1


@pytest.mark.parametrize("hidden", [True, False])
def test_a_grid_stays_one_picture(hidden):
    tile = only_item(PLAIN)
    picture = decode(grid([tile, tile, tile, tile], 2, 2, (256, 128), hidden=hidden), LIMIT)
    assert picture.frames[0].size_wh == (256, 128)
    written = untouched(picture)
    assert written.encoding is Encoding.KEPT
    assert len(pictures(written.data)) == 1
    assert same(decode(written.data, LIMIT), picture)
    assert len(pictures(re_encoded(picture).data)) == 1


@pytest.mark.parametrize(("depth", "step"), [(10, 64), (12, 16)])
def test_ten_and_twelve_bits_keep_their_depth_and_colours(depth, step):
    picture = decode(heic(DEEP, bit_depth=depth, quality=95, **PQ), LIMIT)
    assert picture.frames[0].pixels.dtype == np.uint16
    assert picture.rendering.cicp == (9, 16, 9, True)
    assert untouched(picture).encoding is Encoding.KEPT
    for written in (untouched(picture), re_encoded(picture)):
        again = decode(written.data, LIMIT)
        assert pictures(written.data)[0].info["bit_depth"] == depth
        assert np.any(again.frames[0].pixels % (2 * step))  # the lowest bit is in use
        assert again.rendering.cicp == (9, 16, 9, True)
        assert luma_psnr_db(picture.frames[0], again.frames[0]) >= 40


@pytest.mark.parametrize(
    ("pixels", "colour"),
    [
        (DEEP[..., 0], Colour.GREY),
        (SCENE[..., 0], Colour.GREY),
        (np.asarray(samples.RGBA), Colour.RGBA),
        (np.asarray(samples.RGBA).astype(np.uint16) * 257, Colour.RGBA),
    ],
    ids=["grey-10", "grey", "alpha", "alpha-10"],
)
def test_grey_and_alpha_come_back(pixels, colour):
    picture = decode(heic(np.ascontiguousarray(pixels), quality=90), LIMIT)
    assert picture.frames[0].colour is colour
    for written in (untouched(picture), re_encoded(picture)):
        again = decode(written.data, LIMIT)
        assert again.frames[0].colour is colour
        assert again.frames[0].pixels.dtype == pixels.dtype
        assert luma_psnr_db(picture.frames[0], again.frames[0]) >= 40


@pytest.mark.parametrize("size_wh", [(1, 1), (7, 5), (63, 65), (129, 131), (200, 130)])
@pytest.mark.parametrize("alpha", [False, True])
def test_any_size_can_be_encoded_anew(size_wh, alpha):
    width, height = size_wh
    pixels = samples.scene(208, 136)[:height, :width]
    if alpha:
        pixels = np.dstack([pixels, pixels[..., :1]])
    picture = decode(samples.heic(Image.fromarray(np.ascontiguousarray(pixels))), LIMIT)
    again = decode(re_encoded(picture).data, LIMIT)
    assert again.frames[0].size_wh == size_wh
    assert luma_psnr_db(picture.frames[0], again.frames[0]) >= 40


@pytest.mark.parametrize("chroma", ["422", "444"])
def test_chroma_sampling_stays(chroma):
    picture = decode(heic(SCENE, chroma=chroma, quality=90), LIMIT)
    assert untouched(picture).encoding is Encoding.KEPT
    body = only_item(re_encoded(picture).data).body(b"hvcC")
    assert present(body)[16] & 3 == {"422": 2, "444": 3}[chroma]


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_turned_pictures_are_upright(turns, axis):
    def turn(item):
        turned = [Property(b"irot", bytes([turns]), True)]
        turned += [] if axis is None else [Property(b"imir", bytes([axis]), True)]
        return replace(item, properties=(*item.properties, *turned))

    expected = np.rot90(decode(PLAIN, LIMIT).frames[0].pixels, turns)
    if axis is not None:
        expected = expected[:, ::-1] if axis else expected[::-1]
    picture = decode(changed(PLAIN, turn), LIMIT)
    assert np.array_equal(picture.frames[0].pixels, expected)
    assert same(decode(untouched(picture).data, LIMIT), picture)
    anew = re_encoded(picture).data
    assert not only_item(anew).bodies(b"irot")
    assert luma_psnr_db(decode(anew, LIMIT).frames[0], picture.frames[0]) >= 40


def test_several_streams_are_encoded_anew():
    """Each row of blocks has its own end, which anything could follow."""
    out = io.BytesIO()
    pixels = samples.scene(400, 320)
    pillow_heif.encode("RGB", (400, 320), pixels.tobytes(), out, quality=80)
    picture = decode(out.getvalue(), LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.PIXELS
    assert luma_psnr_db(picture.frames[0], decode(written.data, LIMIT).frames[0]) >= 40
    assert untouched(decode(written.data, LIMIT)).encoding is Encoding.KEPT


def test_thumbnails_and_second_pictures_are_gone():
    both = pillow_heif.from_pillow(samples.RGB)
    both.add_from_pillow(Image.fromarray(255 - samples.scene()))
    out = io.BytesIO()
    both.save(out, thumbnails=[32], exif=samples.exif().tobytes(), xmp=samples.XMP)
    for written in (untouched(decode(out.getvalue(), LIMIT)), re_encoded(decode(out.getvalue(), LIMIT))):
        assert len(isobmff.read(written.data).items) == 1
        assert SECRET not in written.data


def test_a_video_without_a_still_is_named():
    moov = struct.pack(">I4s", 8, b"moov")
    data = struct.pack(">I4s4sI4s", 20, b"ftyp", b"hevc", 0, b"hevc") + moov
    with pytest.raises(UnsupportedImage, match="video"):
        decode(data, LIMIT)


def test_a_slice_of_another_picture_parameter_set_is_not_kept():
    item = with_property(only_item(PLAIN), b"hvcC", present(only_item(PLAIN).body(b"hvcC"))[:22] + b"\x00")
    with pytest.raises(UnreadableImage):
        decode(single(item), LIMIT)


def premultiplied(data, brands):
    container = isobmff.read(data)
    alpha = next(each.source for each in container.references if each.kind == b"auxl")
    prem = Reference(b"prem", container.primary, (alpha,))
    return isobmff.write(replace(container, references=(*container.references, prem)), brands)


@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_colours_that_were_multiplied_by_alpha_are_not_kept(kind):
    """Where alpha is 0, viewers that ignore the plane would show what no decoder of ours does."""
    pixels = np.dstack([SCENE, np.zeros(SCENE.shape[:2], np.uint8)])
    if kind == "HEIC":
        data = premultiplied(heic(pixels, quality=95), (b"heic", b"mif1", b"heic"))
    else:
        plain = samples.save(Image.fromarray(pixels), "AVIF", quality=90, autotiling=False)
        data = premultiplied(plain, (b"avif", b"avif", b"mif1"))
    written = untouched(decode(data, LIMIT))
    assert written.encoding is Encoding.PIXELS
    assert not any(each.kind == b"prem" for each in isobmff.read(written.data).references)


def test_premultiplied_alpha_survives_a_round_trip():
    pixels = np.dstack([np.full((64, 128, 3), 100, np.uint8), np.full((64, 128), 200, np.uint8)])
    data = premultiplied(heic(pixels, quality=95), (b"heic", b"mif1", b"heic"))
    picture = decode(data, LIMIT)
    assert np.abs(picture.frames[0].pixels[..., :3].astype(int) - 100 * 255 / 200).max() <= 3
    for written in (untouched(picture), re_encoded(picture)):
        again = decode(written.data, LIMIT)
        assert np.abs(again.frames[0].pixels.astype(int) - picture.frames[0].pixels).max() <= 3
