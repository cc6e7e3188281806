import io
import struct

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

import samples
from unionveil import ImageTooLarge, UnreadableImage, UnsupportedImage
from unionveil.formats import ImageFormat, sniff
from unionveil.images import Patch, decode
from unionveil.images.orientation import read_orientation, upright

LOSSLESS = samples.lossless()
LOSSY = samples.lossy()
ALL = {**LOSSLESS, **LOSSY}
LIMIT = 1e6


def untouched(picture):
    """The output if nothing is covered."""
    return picture.write([()] * len(picture.frames)).data


def encode(picture):
    """The output if something is covered: patches that cover no pixel, so that all pixels can be compared."""
    nowhere = Patch(slice(0, 1), slice(0, 1), np.zeros((1, 1, 1), np.uint8), np.zeros((1, 1), bool))
    return picture.write([(nowhere,)] * len(picture.frames)).data


def same_pixels(a, b):
    return len(a.frames) == len(b.frames) and all(
        x.colour is y.colour and x.pixels.dtype == y.pixels.dtype and np.array_equal(x.pixels, y.pixels)
        for x, y in zip(a.frames, b.frames, strict=True)
    )


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_come_back_exactly(name):
    picture = decode(LOSSLESS[name], LIMIT)
    again = decode(encode(picture), LIMIT)
    assert again.format is picture.format
    assert same_pixels(picture, again)
    assert [f.duration_ms for f in again.frames] == [f.duration_ms for f in picture.frames]
    assert again.rendering.icc == picture.rendering.icc


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_formats_come_back_nearly(name):
    picture = decode(LOSSY[name], LIMIT)
    again = decode(encode(picture), LIMIT)
    assert again.format is picture.format
    assert len(again.frames) == len(picture.frames)
    assert again.rendering.icc == picture.rendering.icc
    for before, after in zip(picture.frames, again.frames, strict=True):
        assert after.colour is before.colour
        assert after.pixels.dtype == before.pixels.dtype
        error = np.abs(before.pixels.astype(float) - after.pixels) / before.white
        assert error.mean() < 0.02


@pytest.mark.parametrize("name", ALL)
def test_a_clean_file_has_the_same_pixels_and_no_metadata(name):
    original = ALL[name] + b"appended " + samples.SECRET
    picture = decode(original, LIMIT)
    for written in (untouched(picture), encode(picture)):
        assert samples.SECRET not in written
        assert b"xmpmeta" not in written
        with (
            Image.open(io.BytesIO(written))
            if picture.format is not ImageFormat.HEIC
            else Image.new("L", (1, 1)) as image
        ):
            assert not {"exif", "xmp", "comment", "photoshop", "XML:com.adobe.xmp"} & set(image.info)


@pytest.mark.parametrize(
    "name",
    [name for name in ALL if name != "avif-animated"],  # the only one that must be re-encoded lossily
)
def test_a_file_without_a_face_keeps_its_pixels_exactly(name):
    picture = decode(ALL[name], LIMIT)
    assert same_pixels(decode(untouched(picture), LIMIT), picture)


def test_we_read_the_same_pixels_as_pillow():
    for name in ("png-rgb", "png-palette", "tiff-rgb", "bmp-rgb", "jpeg-444", "webp-lossless"):
        with Image.open(io.BytesIO(ALL[name])) as image:
            expected = np.asarray(image.convert("RGB"))
        assert np.abs(decode(ALL[name], LIMIT).frames[0].pixels[..., :3].astype(int) - expected).max() <= 1, (
            name
        )


@pytest.mark.parametrize("name", ["png-16-rgb", "png-16-rgba", "tiff-16-rgb"])
def test_sixteen_bits_are_all_there_in_the_right_order(name):
    pixels = decode(LOSSLESS[name], LIMIT).frames[0].pixels
    assert pixels.dtype == np.uint16
    expected = samples.DEEP[..., : pixels.shape[2]]
    if name.startswith("png"):  # OpenCV wrote these in BGR order
        expected = np.concatenate([expected[..., 2::-1], expected[..., 3:]], axis=2)
    assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "tiff-lzw", "tiff-16", "avif"])
def test_all_eight_orientations_are_baked_in(kind, orientation):
    stored = samples.RGB
    exif = samples.exif(orientation)
    match kind:
        case "jpeg":
            data = samples.save(stored, "JPEG", quality=95, subsampling="4:4:4", exif=exif)
        case "png":
            data = samples.save(stored, "PNG", exif=exif)
        case "webp":
            data = samples.save(stored, "WEBP", lossless=True, exif=exif)
        case "tiff":
            data = (
                samples.tiff(stored)
                if orientation == 1
                else samples.save(stored, "TIFF", tiffinfo={274: orientation})
            )
        case "tiff-lzw":
            data = samples.save(stored, "TIFF", tiffinfo={274: orientation}, compression="tiff_lzw")
        case "tiff-16":
            data = samples.tiff_deep(extratags=[(274, 3, 1, orientation, True)])
        case _:
            data = samples.save(stored, "AVIF", exif=exif, quality=95, subsampling="4:4:4")
    expected = upright(samples.DEEP[..., :3] if kind == "tiff-16" else np.asarray(stored), orientation)
    picture = decode(data, LIMIT)
    for shown in (picture, decode(encode(picture), LIMIT)):
        pixels = shown.frames[0].pixels
        assert pixels.shape == expected.shape
        scale = 257 if kind == "tiff-16" else 1
        assert np.abs(pixels.astype(float) - expected).mean() / scale < 3


def test_upright_agrees_with_pillow():
    from PIL import ImageOps

    for orientation in range(1, 9):
        image = samples.RGB.copy()
        image.getexif()[0x0112] = orientation
        assert np.array_equal(
            upright(np.asarray(samples.RGB), orientation), np.asarray(ImageOps.exif_transpose(image))
        )


@pytest.mark.parametrize(
    "broken",
    [b"", b"Exif\x00\x00", b"Exif\x00\x00II*\x00\xff\xff\xff\x7f", b"II*\x00\x08\x00\x00\x00\xff\xff"],
)
def test_broken_exif_means_upright(broken):
    assert read_orientation(broken) == 1


def quantization(image: Image.Image) -> dict[int, list[int]]:
    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    return image.quantization


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_jpeg_keeps_its_tables_and_subsampling(subsampling):
    data = samples.save(samples.RGB, "JPEG", quality=77, subsampling=subsampling, progressive=True)
    written = encode(decode(data, LIMIT))
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(written)) as after:
        assert quantization(after) == quantization(before)
        assert JpegImagePlugin.get_sampling(after) == JpegImagePlugin.get_sampling(before)
        assert after.info.get("progressive") == before.info.get("progressive")


def test_a_turned_jpeg_has_turned_tables():
    tables = [list(range(1, 65)), list(range(2, 66))]
    data = samples.save(samples.RGB, "JPEG", qtables=tables, exif=samples.exif(6))
    with Image.open(io.BytesIO(encode(decode(data, LIMIT)))) as after:
        turned = np.reshape(quantization(after)[0], (8, 8))
    with Image.open(io.BytesIO(data)) as before:
        assert np.array_equal(turned, np.reshape(quantization(before)[0], (8, 8)).T)


def test_jpeg_thumbnails_second_pictures_and_videos_are_gone():
    thumbnail = samples.save(Image.new("RGB", (16, 16), "red"), "JPEG")
    jfxx = b"\xff\xe0" + struct.pack(">H", 8 + len(thumbnail)) + b"JFXX\x00\x10" + thumbnail
    data = samples.save(samples.RGB, "JPEG")
    data = data[:2] + jfxx + data[2:] + thumbnail + b"\x00\x00\x00\x18ftypmp42" + samples.SECRET
    picture = decode(data, LIMIT)
    for written in (untouched(picture), encode(picture)):
        assert written.count(b"\xff\xd8\xff") == 1
        assert b"ftyp" not in written
        assert written.endswith(b"\xff\xd9")


def test_a_png_that_holds_more_than_its_picture_is_written_anew():
    """A cropped file can keep the rest of a screenshot after the new picture, inside the compressed data."""
    import zlib

    raw = b"".join(b"\x00" + bytes([40, 50, 60]) * 8 for _ in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    def build(extra):
        packed = zlib.compress(raw + extra, 0)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")

    hiding = decode(build(samples.SECRET * 3), LIMIT)
    for written in (untouched(hiding), encode(hiding)):
        assert samples.SECRET not in zlib.decompress(written[written.index(b"IDAT") + 4 : -16])


def test_png_rendering_chunks_stay():
    data = samples.insert_chunk(samples.save(samples.RGB, "PNG"), b"gAMA", struct.pack(">I", 45455))
    for written in (untouched(decode(data, LIMIT)), encode(decode(data, LIMIT))):
        assert b"gAMA" in written


def test_one_bit_stays_one_bit_while_it_is_black_and_white():
    with Image.open(io.BytesIO(encode(decode(LOSSLESS["png-1-bit"], LIMIT)))) as image:
        assert image.mode == "1"


def test_loops_stay():
    for name, loop in (("gif-animated", 0), ("gif-transparent", 1), ("webp-animated", 3), ("apng", 2)):
        with Image.open(io.BytesIO(encode(decode(LOSSLESS[name], LIMIT)))) as image:
            assert image.info["loop"] == loop, name


def test_a_heic_keeps_only_its_primary_picture():
    import pillow_heif

    picture = decode(LOSSY["heic-of-two"], LIMIT)
    for written in (untouched(picture), encode(picture)):
        assert len(pillow_heif.open_heif(io.BytesIO(written))) == 1
    assert len(untouched(picture)) < 0.7 * len(LOSSY["heic-of-two"])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.97])
def test_a_file_that_is_cut_off_is_refused(name, share):
    data = ALL[name]
    with pytest.raises((UnreadableImage, UnsupportedImage)):
        decode(data[: int(len(data) * share)], LIMIT)


@pytest.mark.parametrize("name", ALL)
def test_more_pixels_than_the_limit_are_refused(name):
    picture = decode(ALL[name], LIMIT)
    pixels = sum(frame.pixels.shape[0] * frame.pixels.shape[1] for frame in picture.frames)
    with pytest.raises(ImageTooLarge) as caught:
        decode(ALL[name], pixels - 1)
    assert caught.value.pixels >= pixels


def test_sides_of_65535_are_refused_before_anything_is_decoded():
    data = bytearray(samples.save(samples.RGB, "JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(ImageTooLarge, match="4295 megapixels"):
        decode(bytes(data), 200e6)


@pytest.mark.parametrize(
    ("head", "error", "word"),
    [
        (b"", UnreadableImage, "empty"),
        (b"hello, this is text", UnreadableImage, "not a picture"),
        (b"%PDF-1.7 ......................", UnsupportedImage, "PDF"),
        (b"\x00\x00\x00\x20ftypisomxxxxisommp42........", UnsupportedImage, "video"),
        (b"II*\x00\x10\x00\x00\x00CR\x02\x00........", UnsupportedImage, "raw"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", UnsupportedImage, "JPEG 2000"),
        (b"8BPS\x00\x01", UnsupportedImage, "Photoshop"),
    ],
)
def test_files_that_are_not_pictures_are_named(head, error, word):
    with pytest.raises(error, match=word):
        decode(head, LIMIT)


def test_content_decides_never_a_name():
    for name, data in ALL.items():
        expected = {"jpeg": "JPEG", "apng": "PNG"}.get(name.split("-")[0], name.split("-")[0].upper())
        assert sniff(data).name == expected
