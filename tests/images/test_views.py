from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

import samples
from checked import present
from profiles import P3_D50, gamma, matrix_profile, modern, parametric, profile, sampled, texts
from unionveil.images import Colour, Frame, Rendering, rgb_views

RGB = samples.scene(320, 240)
FACE = np.asarray(Image.open(samples.SCENES / "portrait.jpg").convert("RGB").resize((104, 130)))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
P3 = matrix_profile()


def views(pixels, colour=Colour.RGB, **rendering):
    return list(rgb_views(Frame(pixels, colour), Rendering(**rendering)))


def likeness(view, picture=FACE):
    """Correlation of a view with a picture of the same size; a detector finds a face above some .9."""
    grey = [cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).ravel() for pixels in (view, picture)]
    return 0.0 if grey[0].std() < 2 else float(np.corrcoef(*grey)[0, 1])


def shown(found, picture=FACE):
    """Whether one of the views shows the picture, in more than a few grey levels."""
    return max(likeness(view, picture) * (np.ptp(view.astype(int)) > 100) for view in found) > 0.9


@pytest.mark.parametrize(
    "rendering",
    [
        {},
        {"icc": SRGB},
        {"icc": P3},
        {"icc": matrix_profile(ADOBE, gamma(2.2))},
        {"gamma": 1 / 2.2},
        {"gamma": 1 / 2.2, "chromaticities": (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)},
        {"cicp": (1, 13, 6, True)},
        {"cicp": (1, 1, 1, False)},
        {"cicp": (12, 13, 6, True)},
        {"cicp": (2, 2, 2, True)},
        {"icc": b"not a profile"},
    ],
    ids=lambda rendering: " and ".join(rendering) or "plain",
)
def test_an_ordinary_photo_has_one_view_with_its_own_samples(rendering):
    photo = np.asarray(Image.open(samples.SCENES / "street.jpg").convert("RGB"))
    (view,) = views(photo, **rendering)
    assert np.array_equal(view, photo)


def test_a_grey_picture_has_one_view():
    (view,) = views(RGB[..., :1].copy(), Colour.GREY)
    assert np.array_equal(view, np.repeat(RGB[..., :1], 3, axis=2))


def test_sixteen_bits_that_use_their_scale_have_one_view():
    """Samples with the same byte twice hold the same picture in their low bytes."""
    (view,) = views(RGB.astype(np.uint16) * 257)
    assert np.array_equal(view, RGB)


def faint(low, high, dtype=np.uint8):
    return (low + FACE.astype(float) * (high - low) / 255).round().astype(dtype)


@pytest.mark.parametrize(
    "pixels",
    [
        faint(0, 12),
        faint(243, 255),
        faint(120, 128),
        faint(0, 40),
        faint(0, 900, np.uint16),
        faint(0, 16000, np.uint16),
        faint(30000, 30200, np.uint16),
    ],
    ids=lambda pixels: f"{pixels.dtype}-{pixels.min()}-{pixels.max()}",
)
@pytest.mark.parametrize("hot", [0, 60])
def test_faint_pictures_are_stretched_despite_a_bright_pixel(pixels, hot):
    pixels = pixels.copy()
    places = np.random.default_rng(0).integers(0, pixels[..., 0].size, hot)
    pixels.reshape(-1, 3)[places] = np.iinfo(pixels.dtype).max
    found = views(pixels)
    assert 2 <= len(found) <= 4
    # The hot pixels by themselves are compared in no view.
    assert max(likeness(cv2.medianBlur(view, 3)) for view in found) > 0.9


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_dark_corner_of_a_bright_picture_is_stretched(dtype):
    white = np.iinfo(dtype).max
    pixels = (np.full((400, 400, 3), 0.6) * white).astype(dtype)
    pixels[:200] = 0
    pixels[20:150, 20:124] = faint(0, 0.045 * white, dtype)
    found = views(pixels)
    assert shown([view[20:150, 20:124] for view in found])
    assert not shown([found[0][20:150, 20:124]])


def test_low_bytes_are_seen():
    noise = np.random.default_rng(0).integers(20, 230, FACE.shape, dtype=np.uint16)
    found = views(noise << 8 | FACE)
    assert shown(found)
    assert not shown(found[:1])


def test_noise_in_low_bytes_is_not():
    noise = np.random.default_rng(0).integers(0, 256, RGB.shape, dtype=np.uint16)
    assert len(views(RGB.astype(np.uint16) << 8 | noise)) == 1


def step_curve():
    """Stretches samples 120 to 127 to the whole scale, as in `png-icc-shows-face`."""
    levels = np.clip((np.arange(256) - 120) / 7, 0, 1)
    return sampled((levels**2.2 * 65535).round().astype(int).tolist())


def step_table():
    """The same as a table, for one intent."""
    side = 33
    axis = np.clip((np.linspace(0, 255, side) - 112) / 32, 0, 1)
    lightness = np.meshgrid(axis, axis, axis, indexing="ij")[1]
    lab = np.stack([lightness, np.full_like(lightness, 0.5), np.full_like(lightness, 0.5)], axis=-1)
    return modern(b"mAB ", 3, 3, (lab * 65535).round().astype(int).ravel().tolist(), side)


FLAT_TABLE = modern(b"mAB ", 3, 3, [32768] * 3 * 8, 2)
LAB = b"Lab "
STEPS: dict[str, dict[str, Any]] = {
    "curve": {"icc": matrix_profile(curve=step_curve())},
    "table": {"icc": profile(texts() | {b"A2B0": step_table()}, connection=LAB)},
    "table-for-one-intent": {
        "icc": profile(texts() | {b"A2B0": FLAT_TABLE, b"A2B1": step_table()}, connection=LAB)
    },
    "curve-beside-a-table": {"icc": matrix_profile(curve=step_curve(), more={b"A2B0": FLAT_TABLE})},
    "cicp": {"cicp": (1, 8, 0, True)},
    "cicp-in-a-profile": {"icc": matrix_profile(more={b"cicp": b"cicp\0\0\0\0\x01\x08\0\1"})},
    "gamma": {"gamma": 3.0},
    "profile-of-gamma": {"icc": matrix_profile(curve=parametric(0, 0.25))},
}


@pytest.mark.parametrize("name", ["curve", "table", "table-for-one-intent", "curve-beside-a-table"])
def test_a_face_visible_only_through_the_profile_is_found(name):
    below = np.random.default_rng(0).integers(0, 256, (*FACE.shape[:2], 3)) // 255  # makes it use the scale
    pixels = np.where(
        below > 0, 255, faint(112 if name[:5] == "table" else 120, 144 if name[:5] == "table" else 127)
    )
    found = views(pixels.astype(np.uint8), **STEPS[name])
    plain = views(pixels.astype(np.uint8))
    assert len(found) > len(plain)
    assert any(likeness(view) > 0.85 and np.ptp(view.astype(int)) > 150 for view in found)


@pytest.mark.parametrize("name", ["cicp", "cicp-in-a-profile", "gamma", "profile-of-gamma"])
def test_a_profile_that_moves_mid_grey_adds_a_view(name):
    photo = samples.scene(320, 240)
    plain, *others = views(photo, **STEPS[name])
    assert np.array_equal(plain, photo)
    assert others
    assert all(other.mean() > plain.mean() + 10 for other in others)


def test_gamma_reaches_grey_pictures_too():
    grey = cv2.cvtColor(FACE, cv2.COLOR_RGB2GRAY)[..., None]
    plain, lit = views(grey, Colour.GREY, gamma=1.0)
    assert np.array_equal(plain[..., :1], grey)
    assert np.abs(lit[..., :1] - 255 * (grey / 255) ** (1 / 2.2)).max() < 10


@pytest.mark.parametrize(
    ("transfer", "signal", "light"),
    [
        (16, 0.58069, 1.0),
        (16, 0.50808, 0.4926),
        (18, 0.75, 1.0),
        (8, 0.5, 0.5),
        (4, 0.5, 0.2176),
        (13, 0.5, 0.214),
    ],
)
def test_transfers_by_their_standards(transfer, signal, light):
    """PQ has 203 cd/m2 at 58 % and 100 at 51 % (ITU-R BT.2408); other values by their formulas."""
    from unionveil.images.colour import _transfer

    assert present(_transfer(transfer))(np.array(signal)) == pytest.approx(light, rel=2e-3)


def test_primaries_by_their_standards():
    """BT.2020 to BT.709 by ITU-R BT.2087; Display P3 by its profile."""
    from unionveil.images.colour import _PRIMARIES, _to_srgb, _to_xyz

    expected = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    assert np.allclose(present(_to_srgb(_PRIMARIES[9])), expected, atol=2e-3)
    assert np.allclose(present(_to_xyz(_PRIMARIES[12])).sum(axis=1), [0.9505, 1, 1.0891], atol=1e-3)
    assert np.allclose(present(_to_srgb(_PRIMARIES[10])) @ [1, 1, 1], 1, atol=1e-5)
    assert np.allclose(np.array(P3_D50).sum(axis=0), [0.9642, 1, 0.8249], atol=1e-3)


@pytest.mark.parametrize(
    "chromaticities",
    [
        (0, 0, 0, 0, 0, 0, 0, 0),
        (0.3, 0.3, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3),
        (0.3127, 0, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
    ],
)
def test_chromaticities_without_a_space_are_ignored(chromaticities):
    assert len(views(RGB, chromaticities=chromaticities)) == 1


def test_a_matrix_that_turns_faint_tints_into_light_adds_a_view():
    strong = ((10.0, 9.0, 9.0), (-8.5, -7.5, -8.0), (-0.5358, -0.5, -0.1751))
    assert len(views(RGB, icc=matrix_profile(strong))) > 1


def test_colours_under_transparent_pixels_are_seen():
    alpha = np.zeros((*FACE.shape[:2], 1), np.uint8)
    found = views(np.concatenate([FACE, alpha], axis=2), Colour.RGBA)
    assert np.array_equal(found[0], FACE)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_face_drawn_only_in_alpha_is_found_on_any_colour(level, dtype):
    scale = 257 if dtype is np.uint16 else 1
    alpha = cv2.cvtColor(FACE, cv2.COLOR_RGB2GRAY)[..., None]
    pixels = np.concatenate([np.full(alpha.shape, level), alpha], axis=2).astype(dtype) * scale
    found = views(pixels, Colour.GREY_ALPHA)
    assert max(abs(likeness(view)) for view in found) > 0.9


def test_opaque_pixels_have_no_blend():
    opaque = np.full((*RGB.shape[:2], 1), 255, np.uint8)
    assert len(views(np.concatenate([RGB, opaque], axis=2), Colour.RGBA)) == 1


def inks(k):
    black = np.full((*FACE.shape[:2], 1), k, np.uint8)
    return np.concatenate([255 - FACE, black], axis=2)


@pytest.mark.parametrize(
    "pixels",
    [inks(0), inks(255), 255 - inks(0), 255 - inks(255)],
    ids=["plain", "under-black", "other", "other-black"],
)
def test_inks_are_seen_with_and_without_black_and_in_both_polarities(pixels):
    found = views(pixels, Colour.CMYK)
    assert shown(found)
    assert len(found) <= 4


def test_inks_are_seen_through_their_profile():
    """A profile in which only the black ink darkens the picture, while the naive sum is black everywhere."""
    grid = [65535, 32768, 32768, 0, 32768, 32768]
    table = [value for index in range(16) for value in grid[3 * (index & 1) :][:3]]
    icc = profile(
        texts() | {b"A2B0": modern(b"mAB ", 4, 3, table, 2)}, space=b"CMYK", kind=b"prtr", connection=LAB
    )
    black = 255 - cv2.cvtColor(FACE, cv2.COLOR_RGB2GRAY)[..., None]
    pixels = np.concatenate([np.full((*FACE.shape[:2], 3), 255, np.uint8), black], axis=2)
    assert not shown(views(pixels, Colour.CMYK)[:1])
    assert shown(views(pixels, Colour.CMYK, icc=icc))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2)])
@pytest.mark.parametrize("colour", Colour)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_size_has_a_view(shape, colour, dtype):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (*shape, colour.channels), dtype=dtype)
    for view in views(pixels, colour, icc=P3, gamma=2.0, cicp=(9, 16, 0, True)):
        assert view.shape == (*shape, 3)
        assert view.dtype == np.uint8
