"""Samples to sRGB through gamma, chromaticities, CICP and ICC profiles, as viewers convert them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from ..detections import RgbImage
from .icc import clean_profile, models, profile_cicp
from .picture import Colour, Pixels, Rendering

__all__ = ["Transform", "ink_transforms", "light_transforms", "row_bands"]

Transform: TypeAlias = Callable[[Pixels], RgbImage]
"""`(H, W, 3)` or, for inks, `(H, W, 4)` in 8 or 16 bits to `(H, W, 3)` uint8 sRGB."""

_Floats: TypeAlias = npt.NDArray[np.float64]

_BAND_PIXELS = 2**18
"""Pixels processed together, so that no full-size copy in floats is needed."""

_GREY_LEVELS = 12
"""A smaller shift of grey makes no difference to a detector. Gamma 2.2 against sRGB moves greys by 9, BT.709
like Apple's or Adobe's 1.8 by 18."""

_TINT, _TINT_LEVELS = 16, 24
"""Largest change of a tint of `_TINT` levels. Adobe RGB and Display P3 stay below it; a matrix that amplifies
faint tints into an image does not."""

_D65 = (0.3127, 0.3290)
_SRGB = (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_PRIMARIES = {
    1: _SRGB,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    10: (1 / 3, 1 / 3, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
"""White, red, green and blue of ITU-T H.273, table 2."""


def light_transforms(rendering: Rendering, colour: Colour) -> Iterator[Transform]:
    """The ways in which viewers show RGB or grey samples, as far as they differ enough for a detector.

    Viewers disagree about which tag to follow if a file has several, so each of them counts.

    Args:
        rendering: the file's description of its samples.
        colour: meaning of the channels; grey is passed as equal red, green and blue.
    """
    found = [_cicp_transform(rendering.cicp)]
    if rendering.icc is not None:
        found += _profile_transforms(rendering.icc, 1 if colour in (Colour.GREY, Colour.GREY_ALPHA) else 3)
    if rendering.gamma or rendering.chromaticities:
        found.append(_gamma_transform(rendering.gamma or 1 / 2.2, rendering.chromaticities or _SRGB))
    return filter(None, found)


def ink_transforms(rendering: Rendering) -> Iterator[Transform]:
    """The ways in which viewers show CMYK samples through the picture's profile."""
    if rendering.icc is not None:
        yield from filter(None, _profile_transforms(rendering.icc, 4))


def row_bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Rows of a picture in bands of a bounded number of pixels.

    Args:
        shape: height, width and more.
    """
    rows = max(1, _BAND_PIXELS // max(1, shape[1]))
    return (slice(top, min(top + rows, shape[0])) for top in range(0, shape[0], rows))


def _moves(transform: Transform) -> bool:
    """Whether a transform shows greys or faint tints differently enough from sRGB for a detector."""
    greys = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, -1, 3)
    base = greys[:, 32:208:8]
    tinted = [base + np.uint8(_TINT) * np.eye(3, dtype=np.uint8)[channel] for channel in range(3)]
    samples = np.concatenate([greys, base, *tinted], axis=1)
    shown = transform(samples).astype(int)
    moved = shown - samples
    if np.abs(moved[:, :256]).max() > _GREY_LEVELS:
        return True
    still, *others = np.split(moved[:, 256:], 4, axis=1)
    return any(np.abs(other - still).max() > _TINT_LEVELS for other in others)


def _profile_transforms(icc: bytes, channels: int) -> list[Transform | None]:
    """A profile's matrix, and its tables for every intent: viewers may use either."""
    profile = clean_profile(icc, channels)
    if profile is None:
        return []
    cicp = profile_cicp(profile)
    found: list[Transform | None] = [_cicp_transform(cicp)]
    for model in models(profile, channels):
        transform = _icc_transform(model.profile, channels, model.intent)
        # Tables can change colours arbitrarily between the samples tried here, so they always count.
        found.append(transform if transform and (model.tables or _moves(transform)) else None)
    return found


def _icc_transform(profile: bytes, channels: int, intent: int) -> Transform | None:
    """A transform by lcms; None for a profile that it rejects, which viewers then ignore, too."""
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[channels]
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        link = ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), mode, "RGB", ImageCms.Intent(intent)
        )
    except (ImageCms.PyCMSError, OSError):
        return None

    def transform(pixels: Pixels) -> RgbImage:
        shown = np.empty((*pixels.shape[:2], 3), np.uint8)
        for rows in row_bands(pixels.shape):
            band = _top_bits(pixels[rows])
            image = Image.fromarray(np.ascontiguousarray(band[..., 0] if channels == 1 else band), mode)
            shown[rows] = np.asarray(ImageCms.applyTransform(image, link))
        return shown

    return transform


def _top_bits(pixels: Pixels) -> npt.NDArray[np.uint8]:
    return (
        (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels.astype(np.uint8, copy=False)
    )


def _gamma_transform(gamma: float, chromaticities: tuple[float, ...]) -> Transform | None:
    """Samples that are the power `gamma` of light (PNG, third edition, clause 11.3.2)."""
    exponent = 1 / min(max(gamma, 1e-3), 1e3)
    return _from_light(partial(_power_light, exponent=exponent), chromaticities)


def _cicp_transform(cicp: tuple[int, int, int, bool] | None) -> Transform | None:
    """By ITU-T H.273; None if it defines no transfer. White is 203 cd/m2 (ITU-R BT.2408) in PQ and HLG."""
    if cicp is None:
        return None
    to_light = _transfer(cicp[1])
    return _from_light(to_light, _PRIMARIES.get(cicp[0], _SRGB)) if to_light else None


def _transfer(code: int) -> Callable[[_Floats], _Floats] | None:
    """Samples to light by the transfer characteristics of H.273, table 3."""
    match code:
        case 1 | 6 | 7 | 11 | 12 | 13 | 14 | 15:
            return _srgb_light  # screens show the video curve as sRGB
        case 4:
            return partial(_power_light, exponent=2.2)
        case 5:
            return partial(_power_light, exponent=2.8)
        case 8:
            return partial(_power_light, exponent=1)
        case 9:
            return partial(_log_light, decades=2)
        case 10:
            return partial(_log_light, decades=2.5)
        case 16:
            return _pq_light
        case 17:
            return partial(_power_light, exponent=2.6)
        case 18:
            return _hlg_light
        case _:
            return None


def _power_light(samples: _Floats, exponent: float) -> _Floats:
    return samples**exponent


def _log_light(samples: _Floats, decades: float) -> _Floats:
    light: _Floats = 10 ** (decades * (samples - 1))
    return light


def _srgb_light(samples: _Floats) -> _Floats:
    """IEC 61966-2-1."""
    return np.where(samples <= 0.04045, samples / 12.92, ((samples + 0.055) / 1.055) ** 2.4)


def _pq_light(samples: _Floats) -> _Floats:
    """SMPTE ST 2084, over 203 cd/m2."""
    root = samples ** (1 / 78.84375)
    share: _Floats = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return 10000 / 203 * share ** (1 / 0.1593017578125)


def _hlg_light(samples: _Floats) -> _Floats:
    """ITU-R BT.2100 with a system gamma of 1.2 on each channel, over the signal .75."""

    def scene(signal: _Floats) -> _Floats:
        return np.where(
            signal <= 0.5, signal**2 / 3, (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
        )

    light: _Floats = (scene(samples) / scene(np.array(0.75))) ** 1.2
    return light


def _from_light(
    to_light: Callable[[_Floats], _Floats], chromaticities: tuple[float, ...]
) -> Transform | None:
    """A transform by a curve and primaries; None if it changes little, or the primaries are degenerate."""
    matrix = _to_srgb(chromaticities)
    if matrix is None:
        return None
    encode = _srgb_samples()

    def transform(pixels: Pixels) -> RgbImage:
        white = np.iinfo(pixels.dtype).max
        light = to_light(np.arange(white + 1) / white).astype(np.float32)
        shown = np.empty(pixels.shape, np.uint8)
        for rows in row_bands(pixels.shape):
            mixed = light[pixels[rows]] @ matrix.T
            shown[rows] = encode[(mixed.clip(0, 1) * (len(encode) - 1)).astype(np.uint16)]
        return shown

    return transform if _moves(transform) else None


def _srgb_samples() -> npt.NDArray[np.uint8]:
    """4096 evenly spaced light levels as sRGB samples."""
    light = np.arange(4096) / 4095
    samples = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (255 * samples + 0.5).astype(np.uint8)


def _to_srgb(chromaticities: tuple[float, ...]) -> npt.NDArray[np.float32] | None:
    """`(3, 3)`: linear light in given primaries to linear sRGB, white to white (Bradford's adaptation)."""
    source, target = _to_xyz(chromaticities), _to_xyz(_SRGB)
    if source is None or target is None:
        return None
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    whites = bradford @ source.sum(axis=1), bradford @ target.sum(axis=1)
    if np.abs(whites[0]).min() < 1e-6:
        return None
    adapt = np.linalg.inv(bradford) @ np.diag(whites[1] / whites[0]) @ bradford
    return (np.linalg.inv(target) @ adapt @ source).astype(np.float32)


def _to_xyz(chromaticities: tuple[float, ...]) -> _Floats | None:
    """`(3, 3)`: RGB to XYZ from x and y of white, red, green and blue (SMPTE RP 177).

    None if the primaries lie on one line.
    """
    xy = np.array(chromaticities, float).reshape(4, 2)
    columns = np.concatenate([xy, 1 - xy.sum(axis=1, keepdims=True)], axis=1).T
    primaries = columns[:, 1:]
    if abs(xy[0, 1]) < 1e-6 or abs(np.linalg.det(primaries)) < 1e-9:
        return None
    matrix: _Floats = primaries * np.linalg.solve(primaries, columns[:, 0] / xy[0, 1])
    return matrix
