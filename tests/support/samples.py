"""Small pictures in every format and variant, generated, with a secret in their metadata."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import tifffile
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

SCENES = Path(__file__).parents[1] / "data"
SECRET = b"SECRETNAME"
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + SECRET + b"</x:xmpmeta>"


def scene(width: int = 96, height: int = 64, seed: int = 0) -> np.ndarray:
    """Smooth colours with an asymmetric bright corner, so that every orientation looks different."""
    rng = np.random.default_rng(seed)
    small = rng.integers(30, 200, (height // 8, width // 8, 3), dtype=np.uint8)
    pixels = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    pixels[: height // 4, : width // 3] = [250, 240, 40]
    return pixels


def exif(orientation: int = 1) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    data[0x010F] = SECRET.decode()
    data.get_ifd(0x8825)[1] = "N"
    return data


def save(image: Image.Image, format_name: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_name, **options)
    return out.getvalue()


RGB = Image.fromarray(scene())
RGBA = RGB.copy()
RGBA.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))))
DEEP = np.random.default_rng(1).integers(0, 65536, (40, 50, 4), dtype=np.uint16)


def png(image: Image.Image, **options: Any) -> bytes:
    info = PngInfo()
    info.add_text("Author", SECRET.decode())
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return save(image, "PNG", pnginfo=info, exif=exif(), **options)


def png_deep(channels: int) -> bytes:
    return cv2.imencode(".png", DEEP[..., :channels])[1].tobytes()


def tiff(image: Image.Image, **options: Any) -> bytes:
    return save(image, "TIFF", tiffinfo={270: SECRET.decode(), 271: SECRET.decode()}, **options)


def tiff_deep(**options: Any) -> bytes:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(
            DEEP[..., :3],
            photometric="rgb",
            metadata=None,
            description=SECRET.decode(),
            iccprofile=ICC,
            **options,
        )
    return out.getvalue()


def heic(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, exif=exif().tobytes(), xmp=XMP, **options)
    return out.getvalue()


def heic_deep() -> bytes:
    out = io.BytesIO()
    whole = np.tile(DEEP[..., :3], (2, 2, 1))[:64, :64]  # uncropped blocks can be kept
    deep = pillow_heif.from_bytes("RGB;16", (64, 64), whole.tobytes())
    deep.save(out, exif=exif().tobytes(), quality=90)
    return out.getvalue()


def heic_of_two() -> bytes:
    both = pillow_heif.from_pillow(RGB)
    both.add_from_pillow(Image.fromarray(255 - scene()))
    out = io.BytesIO()
    both.save(out)
    return out.getvalue()


FRAMES = [Image.fromarray(np.roll(scene(), 9 * step, axis=1)) for step in range(4)]
ANIMATION = {"save_all": True, "append_images": FRAMES[1:], "duration": [100, 50, 100, 200]}


def clear_frames() -> list[Image.Image]:
    frames = []
    for step in range(3):
        pixels = np.zeros((40, 50, 4), np.uint8)
        pixels[5 * step : 5 * step + 12, 4 * step : 4 * step + 20] = [200, 10 * step, 90, 255]
        frames.append(Image.fromarray(pixels))
    return frames


def insert_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk after its header."""
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:33] + chunk + data[33:]


@cache
def lossless() -> Mapping[str, bytes]:
    """Files whose pixels survive re-encoding exactly."""
    clear = clear_frames()
    return {
        "png-rgb": png(RGB, icc_profile=ICC),
        "png-grey": png(RGB.convert("L")),
        "png-grey-alpha": png(RGBA.convert("LA")),
        "png-rgba": png(RGBA),
        "png-palette": png(RGB.quantize(40)),
        "png-palette-transparent": png(RGB.quantize(40), transparency=2),
        "png-1-bit": png(RGB.convert("1")),
        "png-colour-key": png(RGB, transparency=(250, 240, 40)),
        "png-16-grey": png_deep(1),
        "png-16-rgb": png_deep(3),
        "png-16-rgba": png_deep(4),
        "apng": save(FRAMES[0], "PNG", loop=2, **ANIMATION),
        "apng-default-image": save(
            FRAMES[0],
            "PNG",
            save_all=True,
            append_images=FRAMES[1:],
            duration=[70, 80, 90],
            default_image=True,
        ),
        "webp-lossless": save(RGBA, "WEBP", lossless=True, exact=True, exif=exif(), xmp=XMP, icc_profile=ICC),
        "webp-animated": save(FRAMES[0], "WEBP", lossless=True, loop=3, exif=exif(), xmp=XMP, **ANIMATION),
        "gif": save(RGB.quantize(200), "GIF", comment=SECRET),
        "gif-animated": save(FRAMES[0].quantize(90), "GIF", loop=0, comment=SECRET, **ANIMATION),
        "gif-transparent": save(
            clear[0], "GIF", save_all=True, append_images=clear[1:], duration=100, disposal=2, loop=1
        ),
        "tiff-rgb": tiff(RGB, icc_profile=ICC),
        "tiff-lzw": tiff(RGB, compression="tiff_lzw"),
        "tiff-jpeg": tiff(RGB, compression="jpeg"),
        "tiff-grey": tiff(RGB.convert("L"), compression="tiff_adobe_deflate"),
        "tiff-palette": tiff(RGB.quantize(30)),
        "tiff-fax": tiff(RGB.convert("1"), compression="group4"),
        "tiff-rgba": tiff(RGBA),
        "tiff-cmyk": tiff(RGB.convert("CMYK")),
        "tiff-16-grey": tiff(Image.fromarray(DEEP[..., 0].copy())),
        "tiff-16-rgb": tiff_deep(),
        "tiff-pages": save(
            FRAMES[0], "TIFF", save_all=True, append_images=[FRAMES[1].convert("L"), FRAMES[2]]
        ),
        "bmp-rgb": save(RGB, "BMP"),
        "bmp-grey": save(RGB.convert("L"), "BMP"),
        "bmp-palette": save(RGB.quantize(30), "BMP"),
        "bmp-rgba": cv2.imencode(".bmp", np.asarray(RGBA)[..., [2, 1, 0, 3]])[1].tobytes(),
    }


@cache
def lossy() -> Mapping[str, bytes]:
    """Files whose pixels change a little in re-encoding."""
    return {
        "jpeg-444": save(
            RGB, "JPEG", quality=90, subsampling="4:4:4", exif=exif(), icc_profile=ICC, comment=SECRET
        ),
        "jpeg-422": save(RGB, "JPEG", quality=85, subsampling="4:2:2", exif=exif(), xmp=XMP),
        "jpeg-420": save(RGB, "JPEG", quality=80, subsampling="4:2:0", exif=exif()),
        "jpeg-progressive": save(RGB, "JPEG", quality=80, progressive=True, exif=exif()),
        "jpeg-grey": save(RGB.convert("L"), "JPEG", quality=80, exif=exif()),
        "jpeg-cmyk": save(RGB.convert("CMYK"), "JPEG", quality=80, exif=exif()),
        "jpeg-rgb": save(RGB, "JPEG", quality=80, keep_rgb=True),
        "webp": save(RGB, "WEBP", quality=80, exif=exif(), xmp=XMP, icc_profile=ICC),
        "webp-alpha": save(RGBA, "WEBP", quality=80, exif=exif()),
        "heic": heic(RGB),
        "heic-alpha": heic(RGBA),
        "heic-grey": heic(RGB.convert("L")),
        "heic-deep": heic_deep(),
        "heic-of-two": heic_of_two(),
        "avif": save(RGB, "AVIF", exif=exif(), xmp=XMP, icc_profile=ICC),
        "avif-alpha": save(RGBA, "AVIF", exif=exif()),
        "avif-animated": save(FRAMES[0], "AVIF", **ANIMATION),
    }


def all_samples() -> dict[str, bytes]:
    return {**lossless(), **lossy()}
