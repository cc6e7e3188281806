"""Large pictures with faces, in every format, depth and kind of alpha: `large_picture("png-rgba", 12)`."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pillow_heif
import tifffile
from PIL import Image

from phone_mix import scene, tiled
from samples import save

FRAMES = 3


def pixels(megapixels: float) -> np.ndarray:
    """`(H, W, 3)` uint8 RGB: a crowd with sensor noise, 4:3."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    height = round(megapixels * 1e6 / width)
    image = np.ascontiguousarray(tiled(scene("crowd.jpg", True), (width, height))[..., ::-1])
    rng = np.random.default_rng(0)
    for top in range(0, height, 256):  # the whole picture in 16 bits would take gigabytes
        rows = image[top : top + 256]
        noise = rng.integers(-4, 5, rows.shape, dtype=np.int8)
        rows[...] = np.clip(rows.astype(np.int16) + noise, 0, 255)
    return image


def with_alpha(image: np.ndarray) -> np.ndarray:
    alpha = np.tile(np.linspace(60, 255, image.shape[1]).astype(np.uint8), (image.shape[0], 1))
    return np.concatenate([image, alpha[..., None]], axis=2)


def deep(image: np.ndarray) -> np.ndarray:
    """In 16 bits with noise in the lower eight, which does not compress."""
    low = np.random.default_rng(1).integers(0, 256, image.shape, dtype=np.uint16)
    return image.astype(np.uint16) << 8 | low


def grey(image: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [cv2.cvtColor(image[..., :3].copy(), cv2.COLOR_RGB2GRAY)[..., None], image[..., 3:]], 2
    )


def moving(image: np.ndarray) -> list[Image.Image]:
    return [Image.fromarray(np.roll(image, 40 * step, axis=1)) for step in range(FRAMES)]


def png(image: np.ndarray) -> bytes:
    order = [2, 1, 0, 3][: image.shape[2]] if image.shape[2] > 2 else slice(None)
    return cv2.imencode(".png", image[..., order], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def tiff(image: np.ndarray, photometric: str = "rgb", **options: Any) -> bytes:
    out = io.BytesIO()
    extra = ["unassalpha"] if photometric == "rgb" and image.shape[2] == 4 else None
    stored = image if image.shape[2] > 1 else image[..., 0]
    tifffile.imwrite(out, stored, photometric=photometric, extrasamples=extra, metadata=None, **options)
    return out.getvalue()


def tiff_in_planes(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    planes = image.transpose(2, 0, 1)
    tifffile.imwrite(out, planes, photometric="rgb", planarconfig="separate", metadata=None)
    return out.getvalue()


def heic(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    size = (image.shape[1], image.shape[0])
    mode = {3: "RGB", 4: "RGBA"}[image.shape[2]] + (";16" if image.dtype == np.uint16 else "")
    options = {"preset": "ultrafast"}
    pillow_heif.from_bytes(mode, size, image.tobytes()).save(out, quality=60, enc_params=options)
    return out.getvalue()


def avif(image: np.ndarray, **options: Any) -> bytes:
    if image.dtype == np.uint16:
        settings = [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 60, cv2.IMWRITE_AVIF_SPEED, 10]
        return cv2.imencode(".avif", (image >> 6)[..., ::-1].copy(), settings)[1].tobytes()
    return save(Image.fromarray(image), "AVIF", quality=60, speed=10, **options)


def of(image: np.ndarray, mode: str | None = None) -> Image.Image:
    made = Image.fromarray(image)
    return made.convert(mode) if mode else made


def animation(image: np.ndarray) -> dict[str, Any]:
    return {"save_all": True, "append_images": moving(image)[1:], "duration": 100}


KINDS: dict[str, Callable[[np.ndarray], bytes]] = {
    "jpeg-420": lambda x: save(of(x), "JPEG", quality=90),
    "jpeg-444": lambda x: save(of(x), "JPEG", quality=95, subsampling=0),
    "jpeg-progressive": lambda x: save(of(x), "JPEG", quality=95, subsampling=0, progressive=True),
    "jpeg-grey": lambda x: save(of(x, "L"), "JPEG", quality=90),
    "jpeg-cmyk": lambda x: save(of(x, "CMYK"), "JPEG", quality=90),
    "png-1-bit": lambda x: save(of(x, "1"), "PNG", compress_level=1),
    "png-grey": lambda x: png(grey(x)),
    "png-grey-alpha": lambda x: save(of(grey(with_alpha(x))), "PNG", compress_level=1),
    "png-palette": lambda x: save(of(x).quantize(200, Image.Quantize.FASTOCTREE), "PNG", compress_level=1),
    "png-rgb": png,
    "png-rgba": lambda x: png(with_alpha(x)),
    "png-16-grey": lambda x: png(deep(grey(x))),
    "png-16-rgb": lambda x: png(deep(x)),
    "png-16-rgba": lambda x: png(deep(with_alpha(x))),
    "apng": lambda x: save(of(x), "PNG", compress_level=1, **animation(x)),
    "webp": lambda x: save(of(x), "WEBP", quality=80, method=0),
    "webp-alpha": lambda x: save(of(with_alpha(x)), "WEBP", quality=80, method=0),
    "webp-lossless": lambda x: save(of(x), "WEBP", lossless=True, quality=0, method=0),
    "webp-lossless-alpha": lambda x: save(of(with_alpha(x)), "WEBP", lossless=True, quality=0, method=0),
    "webp-animated": lambda x: save(of(x), "WEBP", quality=80, method=0, **animation(x)),
    "tiff-rgb": tiff,
    "tiff-lzw": lambda x: save(of(x), "TIFF", compression="tiff_lzw"),
    "tiff-rgba": lambda x: tiff(with_alpha(x), compression="deflate", predictor=True),
    "tiff-one-strip": lambda x: tiff(x, compression="deflate", predictor=True, rowsperstrip=x.shape[0]),
    "tiff-tiles": lambda x: tiff(x, tile=(256, 256), compression="deflate"),
    "tiff-planes": tiff_in_planes,
    "tiff-jpeg": lambda x: save(of(x), "TIFF", compression="jpeg"),
    "tiff-grey": lambda x: tiff(grey(x), "minisblack"),
    "tiff-palette": lambda x: save(of(x).quantize(200, Image.Quantize.FASTOCTREE), "TIFF"),
    "tiff-fax": lambda x: save(of(x, "1"), "TIFF", compression="group4"),
    "tiff-cmyk": lambda x: save(of(x, "CMYK"), "TIFF", compression="tiff_lzw"),
    "tiff-16-grey": lambda x: tiff(deep(grey(x)), "minisblack"),
    "tiff-16-rgb": lambda x: tiff(deep(x)),
    "tiff-16-rgba": lambda x: tiff(deep(with_alpha(x)), compression="deflate", predictor=True),
    "tiff-pages": lambda x: save(of(x), "TIFF", save_all=True, append_images=moving(x)[1:]),
    "bmp-rgb": lambda x: save(of(x), "BMP"),
    "bmp-rgba": lambda x: cv2.imencode(".bmp", with_alpha(x)[..., [2, 1, 0, 3]])[1].tobytes(),
    "bmp-palette": lambda x: save(of(x).quantize(200, Image.Quantize.FASTOCTREE), "BMP"),
    "gif": lambda x: save(of(x).quantize(200, Image.Quantize.FASTOCTREE), "GIF"),
    "gif-animated": lambda x: save(of(x), "GIF", **animation(x)),
    "heic": heic,
    "heic-alpha": lambda x: heic(with_alpha(x)),
    "heic-deep": lambda x: heic(deep(x)),
    "avif": avif,
    "avif-alpha": lambda x: avif(with_alpha(x)),
    "avif-deep": lambda x: avif(deep(x)),
}


def frames_of(kind: str) -> int:
    return FRAMES if kind in ("apng", "webp-animated", "tiff-pages", "gif-animated") else 1


def large_picture(kind: str, megapixels: float) -> bytes:
    """A file of `megapixels`, all frames together."""
    return KINDS[kind](pixels(megapixels / frames_of(kind)))
