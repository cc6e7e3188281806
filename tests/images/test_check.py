import dataclasses
import io
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

import samples
from checked import kept
from unionveil import AnonymizeConfig, Anonymized, Anonymizer, Detections, OutputDiffers, Rejected, load
from unionveil.content import BytesContent
from unionveil.images import Patch, Picture, Rendering, check_output, decode
from unionveil.redact import load_redactor
from unionveil.select import every_face

ALL = samples.all_samples()
PORTRAIT = Image.open(samples.SCENES / "portrait.jpg").convert("RGB").resize((156, 195))
FACE = Detections.of([[53, 33, 103, 103]], [0.9])
FRAMES = [PORTRAIT, PORTRAIT.transpose(Image.Transpose.FLIP_LEFT_RIGHT), PORTRAIT]
MOVING = {"save_all": True, "append_images": FRAMES[1:], "duration": 100}
ALPHA = PORTRAIT.copy()
ALPHA.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 156).astype(np.uint8), (195, 1))))
SHOWN = {
    "jpeg": samples.save(PORTRAIT, "JPEG", quality=85),
    "jpeg-rough": samples.save(PORTRAIT, "JPEG", quality=10),
    "jpeg-grey": samples.save(PORTRAIT.convert("L"), "JPEG"),
    "jpeg-cmyk": samples.save(PORTRAIT.convert("CMYK"), "JPEG"),
    "png": samples.save(PORTRAIT, "PNG"),
    "png-alpha": samples.save(ALPHA, "PNG"),
    "png-palette": samples.save(PORTRAIT.quantize(200), "PNG"),
    "apng": samples.save(PORTRAIT, "PNG", **MOVING),
    "webp": samples.save(PORTRAIT, "WEBP", quality=60),
    "webp-moving": samples.save(PORTRAIT, "WEBP", quality=60, **MOVING),
    "gif": samples.save(PORTRAIT.quantize(255), "GIF"),
    "gif-moving": samples.save(PORTRAIT, "GIF", **MOVING),
    "bmp": samples.save(PORTRAIT, "BMP"),
    "tiff": samples.save(PORTRAIT, "TIFF", compression="tiff_lzw"),
    "tiff-cmyk": samples.save(PORTRAIT.convert("CMYK"), "TIFF"),
    "tiff-pages": samples.save(PORTRAIT, "TIFF", save_all=True, append_images=FRAMES[1:]),
    "heic": samples.heic(PORTRAIT),
    "avif": samples.save(PORTRAIT, "AVIF", quality=50, speed=9),
    "avif-moving": samples.save(PORTRAIT, "AVIF", quality=50, speed=9, **MOVING),
}
METHODS = ["fill", "pixelate", "gaussian", "overlay"]


def redacted(data, method="fill", shape="box", faces=FACE):
    """A picture, the patches over its faces, and the output."""
    picture = decode(data, 1e7)
    redact = load_redactor(AnonymizeConfig.from_parameters({"method": method, "shape": shape}))
    patches = [redact(frame, faces) for frame in picture.frames]
    return picture, patches, picture.write(patches).data


@pytest.mark.parametrize("shape", ["box", "ellipse"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SHOWN)
def test_outputs_of_our_writers_pass(name, method, shape):
    picture, patches, written = redacted(SHOWN[name], method, shape)
    check_output(written, picture, patches)


@pytest.mark.parametrize("name", ALL)
def test_outputs_of_our_writers_for_odd_files_pass(name):
    picture = decode(ALL[name], 1e7)
    for patches in (
        [()] * len(picture.frames),
        redacted(ALL[name], faces=Detections.of([[3, 5, 30, 20]], [0.9]))[1],
    ):
        check_output(picture.write(patches).data, picture, patches)


@pytest.mark.parametrize("side", [1, 2, 3, 5, 9, 14, 25])
@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "gif"])
def test_covers_of_any_size_pass_and_are_missed(name, side):
    faces = Detections.of([[75, 60, 75 + side, 60 + side]], [0.9])
    picture, patches, written = redacted(SHOWN[name], faces=faces)
    check_output(written, picture, patches)
    with pytest.raises(OutputDiffers):
        check_output(picture.write([()] * len(picture.frames)).data, picture, patches)


def beside_a_tiny_one(method, quality):
    """Two large covers and one of 3 x 5 px."""
    picture = Image.open(samples.SCENES / "market.jpg").convert("RGB")
    faces = Detections.of([[200, 200, 320, 350], [500, 300, 560, 360], [30, 300, 33, 305]], [0.9] * 3)
    return redacted(samples.save(picture, "JPEG", quality=quality), method, faces=faces)


@pytest.mark.parametrize("method", ["pixelate", "overlay"])
@pytest.mark.parametrize("quality", [30, 75])
def test_a_tiny_cover_does_not_make_noise_count_under_large_ones(method, quality):
    """Sharp edges ring by more levels than a mean of 8 x 8 pixels shows."""
    picture, patches, written = beside_a_tiny_one(method, quality)
    check_output(written, picture, patches)


@pytest.mark.parametrize("missing", [0, 1, 2])
@pytest.mark.parametrize("quality", [30, 75])
def test_a_missing_cover_beside_a_tiny_one_is_found(quality, missing):
    picture, patches, _ = beside_a_tiny_one("overlay", quality)
    others = [[patch for number, patch in enumerate(patches[0]) if number != missing]]
    with pytest.raises(OutputDiffers):
        check_output(picture.write(others).data, picture, patches)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SHOWN)
def test_a_cover_that_was_not_laid_is_found(name, method):
    picture, patches, _ = redacted(SHOWN[name], method)
    bare = picture.write([()] * len(picture.frames)).data
    with pytest.raises(OutputDiffers):
        check_output(bare, picture, patches)


@pytest.mark.parametrize(
    "name", [name for name in SHOWN if "moving" in name or name in ("apng", "tiff-pages")]
)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_cover_that_one_frame_lacks_is_found(name, index):
    picture, patches, _ = redacted(SHOWN[name])
    some = list(patches)
    some[index] = ()
    with pytest.raises(OutputDiffers):
        check_output(picture.write(some).data, picture, patches)


def moved(patch, by):
    return dataclasses.replace(patch, rows=slice(patch.rows.start + by, patch.rows.stop + by))


def halved(patch):
    middle = (patch.rows.start + patch.rows.stop) // 2
    pixels = patch.pixels if patch.pixels.shape[0] == 1 else patch.pixels[: middle - patch.rows.start]
    return dataclasses.replace(patch, rows=slice(patch.rows.start, middle), pixels=pixels)


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("change", [lambda patch: moved(patch, 16), halved], ids=["moved", "halved"])
def test_a_cover_in_the_wrong_place_is_found(name, change):
    picture, patches, _ = redacted(SHOWN[name])
    wrong = [[change(patch) for patch in some] for some in patches]
    with pytest.raises(OutputDiffers):
        check_output(picture.write(wrong).data, picture, patches)


@pytest.mark.parametrize("ellipse", [False, True])
@pytest.mark.parametrize("name", ["jpeg", "jpeg-grey", "jpeg-cmyk", "webp", "heic"])
def test_of_overlapping_covers_the_last_must_lie_on_top(name, ellipse):
    """Their colours differ, as where a face and a line of text are covered by different methods."""
    picture = decode(SHOWN[name], 1e7)
    (frame,) = picture.frames
    channels = frame.colour.channels - frame.colour.has_alpha
    mask = cv2.ellipse(np.zeros((64, 64), np.uint8), (32, 32), (31, 31), 0, 0, 360, 1, -1).astype(bool)
    dark, bright = (np.full((1, 1, channels), level, np.uint8) for level in (30, 220))
    covers = [
        Patch(slice(16, 80), slice(16, 80), bright, mask if ellipse else None),
        Patch(slice(48, 112), slice(48, 112), dark),
        Patch(slice(64, 80), slice(64, 80), bright),
    ]
    check_output(picture.write([covers]).data, picture, [covers])
    for wrong in (covers[::-1], [covers[0], *covers[:0:-1]], covers[:2]):
        with pytest.raises(OutputDiffers):
            check_output(picture.write([wrong]).data, picture, [covers])


@pytest.mark.parametrize("name", SHOWN)
def test_another_picture_is_found(name):
    picture, patches, _ = redacted(SHOWN[name])
    frames = tuple(
        dataclasses.replace(frame, pixels=np.ascontiguousarray(frame.pixels[::-1]))
        for frame in picture.frames
    )
    turned = Picture(picture.format, frames, picture.write, Rendering())
    with pytest.raises(OutputDiffers):
        check_output(picture.write(patches).data, turned, [()] * len(frames))


@pytest.mark.parametrize("name", SHOWN)
def test_another_size_is_found(name):
    picture, patches, written = redacted(SHOWN[name])
    frames = tuple(dataclasses.replace(frame, pixels=frame.pixels[:-9]) for frame in picture.frames)
    with pytest.raises(OutputDiffers):
        check_output(written, dataclasses.replace(picture, frames=frames), patches)


@pytest.mark.parametrize(
    "name", [name for name in SHOWN if "moving" in name or name in ("apng", "tiff-pages")]
)
def test_a_missing_frame_is_found(name):
    picture, patches, written = redacted(SHOWN[name])
    more = dataclasses.replace(picture, frames=(*picture.frames, picture.frames[0]))
    with pytest.raises(OutputDiffers):
        check_output(written, more, [*patches, patches[0]])


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("keep", [0, 0.1, 0.5])
def test_a_cut_output_is_found(name, keep):
    picture, patches, written = redacted(SHOWN[name])
    with pytest.raises(OutputDiffers):
        check_output(written[: int(keep * len(written))], picture, patches)


@pytest.mark.parametrize(("check_outputs", "kind"), [(True, Rejected), (False, Anonymized)])
def test_the_pipeline_rejects_an_output_that_differs(check_outputs, kind):
    redact = load_redactor(AnonymizeConfig())
    anonymizer = Anonymizer(
        lambda image: FACE, every_face, redact, max_pixels=1e7, check_outputs=check_outputs
    )
    inspection = kept(anonymizer.inspect(BytesContent(SHOWN["png"])))
    bare = inspection.picture.write([()])
    forgetful = dataclasses.replace(inspection.picture, write=lambda patches: bare)
    outcome = anonymizer.redact(dataclasses.replace(inspection, picture=forgetful))
    assert isinstance(outcome, kind)
    if isinstance(outcome, Rejected):
        assert outcome.reason == "output-differs"


@pytest.mark.parametrize("setting", ["yes", "no"])
def test_the_setting_reaches_the_pipeline(setting):
    assert load(AnonymizeConfig(check_outputs=setting))._check_outputs is (setting == "yes")


def test_a_pixel_that_became_transparent_is_found():
    picture = decode(SHOWN["png"], 1e7)
    clear = PORTRAIT.convert("RGBA")
    check_output(samples.save(clear, "PNG"), picture, [()])
    clear.putalpha(
        Image.fromarray(np.where(np.arange(195 * 156) == 9000, 254, 255).astype(np.uint8).reshape(195, 156))
    )
    with pytest.raises(OutputDiffers):
        check_output(samples.save(clear, "PNG"), picture, [()])


def test_colours_out_of_gamut_pass():
    """Their luma differs from the grey of the displayed colours."""
    planes = [Image.new("L", PORTRAIT.size, level) for level in (200, 10, 250)]
    wild = samples.save(Image.merge("YCbCr", planes), "JPEG", quality=95)
    picture, patches, written = redacted(wild)
    check_output(written, picture, patches)
    with pytest.raises(OutputDiffers):
        check_output(wild, picture, patches)


def test_a_patch_of_no_pixels_passes():
    picture = decode(SHOWN["jpeg"], 1e7)
    nowhere = Patch(slice(5, 5), slice(7, 9), np.zeros((1, 1, 3), np.uint8))
    check_output(picture.write([()]).data, picture, [[nowhere]])


def large(channels: int, dtype: type) -> np.ndarray:
    """Decodes to more than four mebibytes: outputs of that size are compared a few rows at a time."""
    side = int((5 * 2**20 / channels / np.dtype(dtype).itemsize) ** 0.5)
    rows, columns = np.mgrid[:side, :side]
    pixels = np.stack([rows * (3 + n) + columns * (5 - n) for n in range(channels)], axis=2)
    return (pixels * (1 if dtype is np.uint8 else 40)).astype(dtype)


def png_of(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def tiff_of(pixels: np.ndarray, **options: Any) -> bytes:
    out = io.BytesIO()
    extra = ["unassalpha"] if pixels.shape[2] == 4 else None
    tifffile.imwrite(out, pixels, photometric="rgb", extrasamples=extra, metadata=None, **options)
    return out.getvalue()


LARGE = {
    "png-grey": lambda: png_of(large(1, np.uint8)),
    "png-rgb": lambda: png_of(large(3, np.uint8)),
    "png-rgba": lambda: png_of(large(4, np.uint8)),
    "png-16-grey": lambda: png_of(large(1, np.uint16)),
    "png-16-rgb": lambda: png_of(large(3, np.uint16)),
    "png-16-rgba": lambda: png_of(large(4, np.uint16)),
    "tiff-16-rgb": lambda: tiff_of(large(3, np.uint16)),
    "tiff-16-rgba": lambda: tiff_of(large(4, np.uint16), rowsperstrip=50),
    "tiff-16-deflate": lambda: tiff_of(large(3, np.uint16), compression="deflate", rowsperstrip=9),
    "tiff-16-differences": lambda: tiff_of(large(4, np.uint16), compression="deflate", predictor=True),
    "tiff-8-differences": lambda: tiff_of(large(3, np.uint8), compression="deflate", predictor=True),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_outputs_are_compared_to_their_last_pixel(name):
    data = LARGE[name]()
    picture = decode(data, 1e8)
    written = picture.write([()]).data
    check_output(written, picture, [()])
    (frame,) = picture.frames
    for row in (-1, 0):
        alpha = frame.pixels[row, -1, -1] if frame.colour.has_alpha else None
        frame.pixels[row, -1] ^= 1
        if alpha is not None:  # transparent pixels are not compared
            frame.pixels[row, -1, -1] = frame.white
        with pytest.raises(OutputDiffers):
            check_output(written, picture, [()])
        frame.pixels[row, -1] ^= 1
        if alpha is not None:
            frame.pixels[row, -1, -1] = alpha
    check_output(written, picture, [()])


def test_an_output_with_rows_missing_is_refused():
    picture = decode(LARGE["png-rgb"](), 1e8)
    shorter = png_of(cv2.cvtColor(picture.frames[0].pixels[:-1], cv2.COLOR_RGB2BGR))
    with pytest.raises(OutputDiffers):
        check_output(shorter, picture, [()])
    pages = decode(LARGE["tiff-16-rgb"](), 1e8)
    with pytest.raises(OutputDiffers):
        check_output(tiff_of(pages.frames[0].pixels[:-1]), pages, [()])
