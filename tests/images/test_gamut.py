"""Luma behind colours that are clipped: which pictures may keep their coded data."""

import io
from dataclasses import replace

import numpy as np
import pillow_heif
import pytest
from PIL import Image

import samples
from checked import present
from containers import heic, untouched
from unionveil.images import Colour, Encoding, Frame, decode, isobmff
from unionveil.images.gamut import can_hide_luma
from unionveil.images.still import read_still, write_still

LIMIT = 1e6


def painted(colour, side=8, at=16):
    """A grey frame with a square of one colour."""
    pixels = np.full((48, 64, 3), 100, np.uint8)
    pixels[at : at + side, at : at + side] = colour
    return Frame(pixels, Colour.RGB)


@pytest.mark.parametrize(
    ("colour", "hides"),
    [
        ((0, 255, 0), True),
        ((255, 0, 255), True),
        ((255, 200, 170), True),
        ((0, 40, 60), True),
        ((255, 255, 255), False),
        ((0, 0, 0), False),
        ((255, 250, 245), False),
        ((1, 254, 1), False),
    ],
)
def test_colours_at_an_end_that_are_not_grey_can_hide_luma(colour, hides):
    assert can_hide_luma(painted(colour)) is hides


def test_less_than_half_of_a_cell_hides_nothing():
    assert not can_hide_luma(painted((0, 255, 0), side=5))
    assert can_hide_luma(painted((0, 255, 0), side=6))


@pytest.mark.parametrize("colour", [Colour.RGB, Colour.RGBA])
def test_deep_pictures_and_those_with_alpha_are_measured_too(colour):
    pixels = np.zeros((20, 20, colour.channels), np.uint16)
    pixels[..., 1] = 65535
    assert can_hide_luma(Frame(pixels, colour))
    assert not can_hide_luma(Frame(np.zeros((20, 20, 1), np.uint8), Colour.GREY))


def scene_with(colour):
    pixels = samples.scene(128, 64).copy()
    pixels[16:48, 32:80] = colour
    return pixels


@pytest.mark.parametrize("kind", ["HEIC", "AVIF", "WEBP"])
def test_coded_data_with_a_colour_that_can_hide_luma_are_not_kept(kind):
    def written(colour):
        pixels = scene_with(colour)
        out = io.BytesIO()
        if kind != "HEIC":
            Image.fromarray(pixels).save(
                out, kind, quality=90, **({"autotiling": False} if kind == "AVIF" else {})
            )
        data = out.getvalue() or heic(pixels, quality=90)
        return untouched(decode(data, LIMIT)).encoding

    assert written((90, 140, 90)) is Encoding.KEPT
    assert written((0, 255, 0)) is Encoding.PIXELS


def luma(data):
    """The luma of a HEIC in 4:4:4: read as if its planes were green, blue and red."""
    still = read_still(isobmff.read(data))
    planes = pillow_heif.open_heif(io.BytesIO(write_still(replace(still, cicp=(1, 13, 0, True)))))
    return np.asarray(planes)[..., 1].astype(int)


def test_luma_behind_a_bright_green_is_gone():
    y, x = np.mgrid[:64, :128]
    hidden = (124 + 51 * ((x // 16 + y // 16) % 2)).astype(np.uint8)
    green_blue_red = np.dstack([np.full_like(hidden, 2), hidden, np.full_like(hidden, 2)])
    textured = np.kron(np.random.default_rng(0).integers(60, 200, (4, 16)), np.ones((8, 8))).astype(np.uint8)
    end = np.dstack([np.full_like(textured, 128), textured, np.full_like(textured, 128)])
    data = heic(
        np.concatenate([green_blue_red, end]),
        quality=95,
        chroma="444",
        matrix_coefficients=0,
        full_range_flag=1,
    )
    data = write_still(replace(read_still(isobmff.read(data)), cicp=(1, 13, 6, True)))
    assert np.ptp(luma(data)[:60]) > 40
    picture = decode(data, LIMIT)
    assert np.ptp(picture.frames[0].pixels[:60].astype(int), axis=(0, 1)).max() < 12
    written = untouched(picture)
    assert written.encoding is Encoding.PIXELS
    again = present(decode(written.data, LIMIT)).frames[0].pixels.astype(int)
    assert np.abs(again - picture.frames[0].pixels)[:60].mean() < 6
