"""Outputs in another format, or at another quality, than their inputs."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

import samples
from unionveil.config import AnonymizeConfig
from unionveil.detections import Detections
from unionveil.errors import UnsupportedImage
from unionveil.formats import ImageFormat, sniff
from unionveil.images import Colour, decode
from unionveil.images.convert import converted
from unionveil.measure.parts import extra_parts
from unionveil.outcomes import Anonymized, Rejected
from unionveil.outputs import OutputOptions
from unionveil.pipeline import Anonymizer
from unionveil.redact import load_redactor
from unionveil.select import every_face

SAMPLES = samples.all_samples()
PICTURES = {name: decode(data, 1e9) for name, data in SAMPLES.items()}
SEVERAL = [name for name, picture in PICTURES.items() if len(picture.frames) > 1]
INKS = [name for name, picture in PICTURES.items() if picture.frames[0].colour is Colour.CMYK]
STILLS = [name for name in SAMPLES if name not in {*SEVERAL, *INKS}]
TARGETS = (ImageFormat.JPEG, ImageFormat.PNG, ImageFormat.WEBP)
BOX = np.array([[8.2, 8.7, 30.1, 29.9]], np.float32)


def anonymized(data, options):
    line = Anonymizer(
        lambda _: Detections.of(BOX, np.ones(1)),
        every_face,
        load_redactor(AnonymizeConfig()),
        max_pixels=1e9,
        options=options,
    )
    return line(data)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("name", STILLS)
def test_an_output_has_the_requested_format_and_shows_the_covered_picture(name, target):
    out = anonymized(SAMPLES[name], OutputOptions(target))
    assert isinstance(out, Anonymized), out
    assert out.format is target is sniff(out.data)
    again = decode(out.data, 1e9)
    assert again.frames[0].size_wh == PICTURES[name].frames[0].size_wh
    assert samples.SECRET not in out.data
    clean = again.write([()]).data
    assert clean == out.data or not extra_parts(out.data, clean, target)
    shown = np.asarray(Image.open(io.BytesIO(out.data)).convert("RGB"))
    assert shown[12:26, 12:26].max() <= 24  # the cover


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_pixels_stay_the_same(target):
    for name in ("png-rgb", "bmp-rgb", "jpeg-444"):
        out = anonymized(SAMPLES[name], OutputOptions(target, quality=95))
        before, after = (
            np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int16)[32:]
            for data in (SAMPLES[name], out.data)
        )
        assert np.abs(before - after).mean() < 4, name  # WebP halves the chroma


def test_png_keeps_every_bit():
    before = PICTURES["tiff-16-rgb"].frames[0].pixels
    out = anonymized(SAMPLES["tiff-16-rgb"], OutputOptions(ImageFormat.PNG))
    after = decode(out.data, 1e9).frames[0].pixels
    assert after.dtype == np.uint16
    assert np.array_equal(before[35:], after[35:])


def test_jpeg_shows_clear_pixels_over_white():
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[32:, :] = [200, 10, 10, 255]
    ok, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA))
    assert ok
    out = anonymized(data.tobytes(), OutputOptions(ImageFormat.JPEG))
    shown = np.asarray(Image.open(io.BytesIO(out.data)).convert("RGB"), np.int16)
    assert shown[:4, 40:].min() > 245
    assert np.abs(shown[50:, 40:] - [200, 10, 10]).max() < 12


@pytest.mark.parametrize("target", [ImageFormat.JPEG, ImageFormat.WEBP], ids=lambda target: target.name)
def test_a_profile_goes_with_its_samples(target):
    out = anonymized(SAMPLES["png-rgb"], OutputOptions(target))
    assert decode(out.data, 1e9).rendering.icc == PICTURES["png-rgb"].rendering.icc is not None


def test_quality_decides_the_size():
    sizes = [len(anonymized(SAMPLES["jpeg-420"], OutputOptions(quality=q)).data) for q in (30, 60, 95)]
    assert sizes == sorted(sizes) and len(set(sizes)) == 3


def test_quality_applies_only_to_lossy_formats():
    assert OutputOptions(quality=50).converts(ImageFormat.JPEG)
    assert OutputOptions(quality=50).converts(ImageFormat.WEBP)
    for form in set(ImageFormat) - {ImageFormat.JPEG, ImageFormat.WEBP}:
        assert not OutputOptions(quality=50).converts(form)


@pytest.mark.parametrize("name", ["png-rgb", "jpeg-420", "gif-animated"])
def test_nothing_changes_without_options(name):
    assert converted(PICTURES[name], OutputOptions()) is PICTURES[name]
    assert converted(PICTURES[name], OutputOptions(PICTURES[name].format)) is PICTURES[name]


@pytest.mark.parametrize(("names", "words"), [(SEVERAL, "several pages"), (INKS, "inks")])
def test_pictures_that_cannot_be_converted_are_refused_with_a_reason(names, words):
    assert names
    for name in names:
        target = ImageFormat.PNG if PICTURES[name].format is not ImageFormat.PNG else ImageFormat.JPEG
        with pytest.raises(UnsupportedImage, match=words):
            converted(PICTURES[name], OutputOptions(target))
        assert isinstance(anonymized(SAMPLES[name], OutputOptions(target)), Rejected)


@pytest.mark.parametrize(("target", "most"), [(ImageFormat.JPEG, 65_500), (ImageFormat.WEBP, 16_383)])
def test_a_picture_that_is_too_long_for_a_format_is_refused_in_one_sentence(target, most, capfd):
    data = samples.save(Image.new("L", (most + 1, 1)), "PNG")
    refused = anonymized(data, OutputOptions(target))
    assert isinstance(refused, Rejected) and refused.reason == "unsupported"
    assert refused.detail.startswith(f"a picture with a side of more than {most} pixels cannot become")
    assert "choose another output format" in refused.detail
    assert capfd.readouterr().err == ""
    fits = anonymized(samples.save(Image.new("L", (most, 1)), "PNG"), OutputOptions(target))
    assert isinstance(fits, Anonymized)
