"""AVIF: which parts are kept, re-encoded or refused."""

import io
import struct
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

import samples
from checked import present
from containers import AVIF, changed, clap, grid, only_item, re_encoded, save, untouched, with_property
from unionveil import UnreadableImage
from unionveil.errors import OutputDiffers
from unionveil.images import Colour, Encoding, Patch, av1, check_output, decode, isobmff
from unionveil.images.isobmff import Item, Property, Reference
from unionveil.images.lossy import luma_psnr_db

LIMIT = 1e6
SECRET = samples.SECRET
SCENE = samples.scene(128, 64)
PLAIN = save(Image.fromarray(SCENE), "AVIF", quality=80)


def deep(pixels, depth=10, colours=(9, 16)):
    """An AVIF of more than 8 bits; `pixels` in BGR order."""
    options = [cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_QUALITY, 90]
    data = cv2.imencode(".avif", pixels, options)[1].tobytes()
    body = b"nclx" + struct.pack(">HHHB", *colours, 6, 128)
    return changed(data, lambda item: with_property(item, b"colr", body), AVIF)


DEEP = deep(SCENE.astype(np.uint16) * 4 + 1)


def item_with(data):
    return changed(PLAIN, lambda item: replace(item, data=data), AVIF)


def obu(kind, body):
    return bytes([kind << 3 | 2, len(body)]) + body


def test_an_ordinary_picture_keeps_its_coded_data_and_nothing_else():
    picture = decode(PLAIN + SECRET, LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.KEPT
    assert np.array_equal(decode(written.data, LIMIT).frames[0].pixels, picture.frames[0].pixels)
    assert SECRET not in written.data
    assert untouched(decode(written.data, LIMIT)).data == written.data


@pytest.mark.parametrize("kind", [2, 5, 15])
@pytest.mark.parametrize("place", ["first", "last"])
def test_delimiters_metadata_and_padding_are_gone(kind, place):
    data = only_item(PLAIN).data
    extra = obu(kind, SECRET)
    picture = decode(item_with(extra + data if place == "first" else data + extra), LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.KEPT
    assert SECRET not in written.data


def test_a_second_picture_inside_the_item_is_gone():
    other = only_item(save(Image.fromarray(255 - SCENE), "AVIF", quality=80)).data
    picture = decode(item_with(only_item(PLAIN).data + other), LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.PIXELS
    assert len(list(av1._units(only_item(written.data).data))) == 2


@pytest.mark.parametrize("kind", [b"pixi", b"pasp", b"colr", b"ispe", b"clli", b"xyzw", b"av1C"])
def test_properties_are_written_from_their_values(kind):
    def longer(item):
        bodies = item.bodies(kind)
        return with_property(item, kind, (bodies[0] if bodies else bytes(8)) + SECRET)

    assert SECRET not in untouched(decode(changed(PLAIN, longer, AVIF), LIMIT)).data


@pytest.mark.parametrize("count", [1, 8, 24, 400])
def test_data_behind_the_last_block_do_not_come_out(count):
    hidden = (SECRET * 40)[:count]
    data = item_with(av1.replace_end(only_item(PLAIN).data, 0, hidden))
    try:
        written = untouched(decode(data, LIMIT))
    except UnreadableImage:
        return
    assert written.encoding is Encoding.PIXELS


@pytest.mark.parametrize("cut", [12, 60, 200])
def test_data_that_end_too_early_are_refused(cut):
    with pytest.raises(UnreadableImage):
        decode(item_with(av1.replace_end(only_item(PLAIN).data, cut, b"")), LIMIT)


def test_several_tiles_are_kept_while_their_decoder_reads_all_of_each():
    image = Image.fromarray(samples.scene(256, 256))
    data = save(image, "AVIF", quality=70, tile_rows=1, tile_cols=1, autotiling=False)
    picture = decode(data, LIMIT)
    assert untouched(picture).encoding is Encoding.KEPT
    units = list(av1._units(only_item(data).data))
    body = units[-1][1]
    for place in range(5, 80):  # the first of four tiles, by their sizes of two bytes
        ends = [place]
        for _ in range(3):
            ends.append(ends[-1] + 3 + int.from_bytes(body[ends[-1] : ends[-1] + 2], "little"))
        if ends[1] - place > 50 and ends[3] < len(body) - 20 and ends[1] < ends[2] < ends[3]:
            break
    size = ends[1] - place - 3 + len(SECRET)
    hiding = body[:place] + size.to_bytes(2, "little") + body[place + 2 : ends[1]] + SECRET + body[ends[1] :]
    coded = b"".join(av1._write_unit(*unit) for unit in [*units[:-1], (units[-1][0], hiding)])
    hidden = decode(changed(data, lambda item: replace(item, data=coded), AVIF), LIMIT)
    assert np.array_equal(hidden.frames[0].pixels, picture.frames[0].pixels)
    assert SECRET not in untouched(hidden).data


def test_a_gain_map_is_dropped_and_the_base_picture_kept():
    base, gains = only_item(PLAIN), only_item(save(Image.fromarray(SCENE[..., 0]), "AVIF"))
    size = Property(b"ispe", present(base.body(b"ispe")))
    items = {1: base, 2: replace(gains, hidden=True), 3: Item(b"tmap", (size,), bytes(40))}
    container = isobmff.Container(1, items, (Reference(b"dimg", 3, (1, 2)),))
    data = isobmff.write(container, (b"avif", b"avif", b"mif1", b"miaf", b"tmap"))
    written = untouched(decode(data, LIMIT))
    assert written.encoding is Encoding.KEPT
    assert list(isobmff.read(written.data).items) == [1]
    assert only_item(written.data).data == base.data.removeprefix(b"\x12\x00")  # a temporal delimiter


def test_a_grid_stays_one_picture():
    tile = only_item(save(Image.fromarray(samples.scene(128, 128)), "AVIF", quality=80))
    picture = decode(grid([tile] * 4, 2, 2, (256, 256), AVIF), LIMIT)
    written = untouched(picture)
    assert written.encoding is Encoding.KEPT
    items = isobmff.read(written.data).items.values()
    assert [item.hidden for item in items] == [False, True, True, True, True]


TALL = save(Image.fromarray(samples.scene(128, 128)), "AVIF", quality=80)


@pytest.mark.parametrize("depth", [8, 10])
def test_pixels_hidden_by_a_crop_are_not_written(depth):
    data = TALL if depth == 8 else deep(samples.scene(128, 128).astype(np.uint16) * 4)
    whole = decode(data, LIMIT).frames[0].pixels
    crop = clap((128, 128), 32, 64, 64, 48)
    data = changed(data, lambda item: with_property(item, b"clap", crop, essential=True), AVIF)
    picture = decode(data, LIMIT)
    assert np.array_equal(picture.frames[0].pixels, whole[64:112, 32:96])
    written = untouched(picture)
    assert written.encoding is Encoding.PIXELS
    assert not only_item(written.data).bodies(b"clap")


@pytest.mark.parametrize(("columns", "canvas_wh"), [(2, (192, 128))])
def test_pixels_hidden_by_a_trimmed_grid_are_not_written(columns, canvas_wh):
    picture = decode(grid([only_item(TALL)] * 2, columns, 1, canvas_wh, AVIF), LIMIT)
    assert picture.frames[0].size_wh == canvas_wh
    assert untouched(picture).encoding is Encoding.PIXELS


@pytest.mark.parametrize(("depth", "factor"), [(10, 4), (12, 16)])
def test_ten_and_twelve_bits_keep_their_depth_and_colours(depth, factor):
    picture = decode(deep(SCENE.astype(np.uint16) * factor + 1, depth), LIMIT)
    assert picture.frames[0].pixels.dtype == np.uint16
    assert picture.frames[0].pixels.max() > 60000
    assert picture.rendering.cicp == (9, 16, 6, True)
    assert untouched(picture).encoding is Encoding.KEPT
    for written in (untouched(picture), re_encoded(picture)):
        again = decode(written.data, LIMIT)
        assert again.frames[0].pixels.dtype == np.uint16
        assert present(only_item(written.data).body(b"av1C"))[2] >> 5 & 3 == {10: 2, 12: 3}[depth]
        assert again.rendering.cicp == (9, 16, 6, True)
        assert luma_psnr_db(picture.frames[0], again.frames[0]) >= 40


def test_the_coded_data_name_the_same_colours_as_the_container():
    written = re_encoded(decode(DEEP, LIMIT)).data
    assert av1.named_colours(only_item(written).data) == (9, 16, 6, True)


@pytest.mark.parametrize("shape", ["grey", "alpha"])
@pytest.mark.parametrize("bits", [8, 10])
def test_grey_and_alpha_come_back(shape, bits):
    pixels = SCENE[..., 0] if shape == "grey" else np.dstack([SCENE, SCENE[..., 0]])
    data = (
        save(Image.fromarray(pixels), "AVIF", quality=90)
        if bits == 8
        else cv2.imencode(".avif", pixels.astype(np.uint16) * 4, [cv2.IMWRITE_AVIF_DEPTH, 10])[1].tobytes()
    )
    picture = decode(data, LIMIT)
    assert picture.frames[0].colour is (Colour.GREY if shape == "grey" else Colour.RGBA)
    for written in (untouched(picture), re_encoded(picture)):
        again = decode(written.data, LIMIT)
        assert again.frames[0].colour is picture.frames[0].colour
        assert again.frames[0].pixels.dtype == picture.frames[0].pixels.dtype
        assert luma_psnr_db(picture.frames[0], again.frames[0]) >= 40


def animation(depth):
    frames = [np.roll(SCENE, 9 * step, axis=1) for step in range(3)]
    if depth == 8:
        first, *others = [Image.fromarray(frame) for frame in frames]
        return save(first, "AVIF", save_all=True, append_images=others, duration=[100, 50, 200])
    moving = cv2.Animation()
    moving.frames = [frame.astype(np.uint16) * 4 + 1 for frame in frames]
    moving.durations = [100, 50, 200]
    options = [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 90]
    return cv2.imencodeanimation(".avif", moving, options)[1].tobytes()


@pytest.mark.parametrize("depth", [8, 10])
def test_animations_keep_depth_durations_and_colours(depth):
    data = animation(depth).replace(b"colrnclx\x00\x01\x00\x0d", b"colrnclx\x00\x09\x00\x10")
    picture = decode(data, LIMIT)
    assert picture.rendering.cicp == (9, 16, 6, True)
    again = decode(untouched(picture).data, LIMIT)
    assert again.rendering.cicp == (9, 16, 6, True)
    assert [frame.duration_ms for frame in again.frames] == [100, 50, 200]
    for before, after in zip(picture.frames, again.frames, strict=True):
        assert after.pixels.dtype == before.pixels.dtype == (np.uint8 if depth == 8 else np.uint16)
        assert luma_psnr_db(before, after) >= 40


def test_animations_do_not_say_when_they_were_made():
    written = untouched(decode(animation(8), LIMIT)).data
    for kind in (b"mvhd", b"tkhd", b"mdhd"):
        place = written.index(kind) + 8
        assert written[place : place + 16] == bytes(16)


def test_a_profile_stays():
    data = save(Image.fromarray(SCENE), "AVIF", icc_profile=samples.ICC)
    picture = decode(data, LIMIT)
    assert picture.rendering.icc
    for written in (untouched(picture), re_encoded(picture)):
        with Image.open(io.BytesIO(written.data)) as image:
            assert image.info["icc_profile"] == picture.rendering.icc


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("data", [PLAIN, DEEP], ids=["8", "10"])
def test_turned_pictures_are_upright_and_pass_the_check(turns, axis, data):
    def turn(item):
        turned = [Property(b"irot", bytes([turns]), True)]
        turned += [] if axis is None else [Property(b"imir", bytes([axis]), True)]
        return replace(item, properties=(*item.properties, *turned))

    expected = np.rot90(decode(data, LIMIT).frames[0].pixels, turns)
    if axis is not None:
        expected = expected[:, ::-1] if axis else expected[::-1]
    picture = decode(changed(data, turn, AVIF), LIMIT)
    assert np.array_equal(picture.frames[0].pixels, expected)
    black = Patch(slice(8, 32), slice(8, 32), np.zeros((1, 1, 3), expected.dtype))
    for patches in ([()], [(black,)]):
        written = picture.write(patches)
        check_output(written.data, picture, patches)
        assert (written.encoding is Encoding.KEPT) is (patches == [()])
    with pytest.raises(OutputDiffers):
        check_output(picture.write([()]).data, picture, [(black,)])
