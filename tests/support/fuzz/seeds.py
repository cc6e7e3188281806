"""Small files of all formats with a marker in every place of metadata, and faces where no viewer looks.

Places that make a reader refuse the file are in separate seeds, so that they do not shield the others.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pillow_heif
import tifffile
from PIL import Image

import profiles
import samples
from paths import REPOSITORY
from png_files import passes

UNIT = b"\x51uvMRK\xa7\x13"
"""Eight bytes that no encoder produces by chance; markers repeat them, so that damage leaves one intact."""

MARKER = UNIT * 4
CASES = REPOSITORY / "tests" / "images" / "cases"

_LARGEST_CASE_BYTES = 30_000
"""Larger files take seconds to encode."""

FACE = Image.open(samples.SCENES / "portrait.jpg").convert("RGB").resize((104, 130))
BARE = Image.fromarray(samples.scene(104, 130))
STACKED = Image.fromarray(np.concatenate([np.asarray(BARE), np.asarray(FACE)]))
"""A face below a picture without one, as hidden by a height that is too small."""

MOVING = [BARE, BARE.transpose(Image.Transpose.ROTATE_180), FACE]
SHORT_MOVING = {"save_all": True, "append_images": MOVING[1:], "duration": 90}
ICC = profiles.matrix_profile(
    more={b"priv": MARKER, b"desc": b"text\0\0\0\0" + MARKER}, gap=MARKER, tail=MARKER
)
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + MARKER.hex().encode() + MARKER + b"</x:xmpmeta>"


def alpha(image: Image.Image, level: int) -> Image.Image:
    image = image.copy()
    image.putalpha(level)
    return image


def exif() -> bytes:
    data = Image.Exif()
    data[0x010F] = MARKER
    data[0x927C] = MARKER
    return data.tobytes() + samples.save(FACE, "JPEG")


def all_seeds() -> dict[str, bytes]:
    """Seeds by name: those generated here, the samples of all formats, and files that once caused faults."""
    made = {**jpeg(), **png(), **gif(), **webp(), **tiff(), **bmp(), **iso()}
    small = [path for path in sorted(CASES.iterdir()) if path.stat().st_size <= _LARGEST_CASE_BYTES]
    cases = {f"case-{path.name}": path.read_bytes() for path in small}
    return {**made, **{f"sample-{name}": data for name, data in samples.all_samples().items()}, **cases}


# JPEG


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_segments(data: bytes) -> bytes:
    added = [
        segment(0xE0, b"JFIF\0\1\2\1\0\x48\0\x48\2\4" + MARKER[:24] + MARKER),
        segment(0xE0, b"JFXX\0\x10" + samples.save(FACE, "JPEG")),
        segment(0xE1, exif()),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + MARKER * 3),
        segment(0xE2, b"ICC_PROFILE\0\1\1" + ICC),
        segment(0xE2, b"MPF\0II*\0" + MARKER),
        segment(0xE3, MARKER),
        segment(0xEB, b"JP\0\0" + MARKER),
        segment(0xED, b"Photoshop 3.0\08BIM\4\4\0\0" + MARKER),
        segment(0xEF, MARKER),
        segment(0xFE, MARKER),
        segment(0xDB, bytes([3]) + (MARKER * 2)[:64]),
    ]
    return data[:2] + b"".join(added) + data[2:] + MARKER + samples.save(FACE, "JPEG")


def lower(data: bytes, height: int) -> bytes:
    """A JPEG whose frame header has another height."""
    start = min(at for at in (data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) if at > 0)
    return data[: start + 5] + struct.pack(">H", height) + data[start + 7 :]


def jpeg() -> dict[str, bytes]:
    plain = samples.save(BARE, "JPEG", quality=80)
    restarts = cv2.imencode(
        ".jpg", np.asarray(BARE)[..., ::-1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 3, cv2.IMWRITE_JPEG_QUALITY, 80]
    )[1].tobytes()
    return {
        "jpeg": with_segments(plain),
        "jpeg-face": with_segments(samples.save(FACE, "JPEG", quality=85)),
        "jpeg-444": with_segments(samples.save(FACE, "JPEG", quality=90, subsampling="4:4:4")),
        "jpeg-progressive": with_segments(samples.save(FACE, "JPEG", progressive=True)),
        "jpeg-grey": with_segments(samples.save(FACE.convert("L"), "JPEG")),
        "jpeg-cmyk": with_segments(samples.save(FACE.convert("CMYK"), "JPEG")),
        "jpeg-restarts": with_segments(restarts),
        "jpeg-turned": samples.save(FACE, "JPEG", exif=samples.exif(6)),
        "jpeg-low": lower(samples.save(STACKED, "JPEG"), 130),
        "jpeg-low-progressive": lower(samples.save(STACKED, "JPEG", progressive=True), 130),
        "jpeg-scan-tail": plain[:-2] + MARKER + plain[-2:],
        "jpeg-in-jpeg": plain[:-2] + samples.save(FACE, "JPEG"),
        "jpeg-adobe-tail": plain[:2] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + MARKER) + plain[2:],
        "jpeg-reserved": plain[:2] + segment(0xF4, MARKER) + segment(0xC8, MARKER) + plain[2:],
    }


# PNG


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def join(parts: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in parts)


def with_chunks(data: bytes) -> bytes:
    head, *rest = chunks(data)
    added = [
        (b"gAMA", struct.pack(">I", 45455)),
        (b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),
        (b"iCCP", b"name " + UNIT[1:6] + b"\0\0" + zlib.compress(ICC)),
        (b"sPLT", UNIT[1:6] + b"\0\x08" + MARKER[:30]),
        (b"tEXt", b"Author\0" + MARKER),
        (b"zTXt", b"Author\0\0" + zlib.compress(MARKER)),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
        (b"eXIf", exif()[6:]),
        (b"prVt", MARKER),
        (b"caBX", MARKER),
    ]
    ends = [(b"tEXt", b"End\0" + MARKER), (b"IEND", b"")]
    return join([head, *added, *rest[:-1], *ends]) + MARKER + samples.save(FACE, "PNG")


def replaced(data: bytes, change: dict[bytes, bytes]) -> bytes:
    return join([(kind, change.get(kind, body)) for kind, body in chunks(data)])


def png() -> dict[str, bytes]:
    bare, face = samples.save(BARE, "PNG"), samples.save(FACE, "PNG")
    stacked = samples.save(STACKED, "PNG")
    header, pixels = dict(chunks(bare))[b"IHDR"], dict(chunks(bare))[b"IDAT"]
    parts, face_parts = chunks(bare), chunks(face)
    pixels_at = [kind for kind, _ in parts].index(b"IDAT")
    apng = samples.save(BARE, "PNG", **SHORT_MOVING)
    still = samples.save(
        FACE, "PNG", save_all=True, append_images=MOVING[:2], duration=80, default_image=True
    )
    frame = (b"fdAT", struct.pack(">I", 1) + dict(face_parts)[b"IDAT"])
    deep = cv2.imencode(".png", np.asarray(FACE).astype(np.uint16) * 200)[1].tobytes()
    return {
        "png": with_chunks(bare),
        "png-face": with_chunks(face),
        "png-palette": with_chunks(samples.save(FACE.quantize(60), "PNG")),
        "png-grey": with_chunks(samples.save(FACE.convert("L"), "PNG")),
        "png-alpha": with_chunks(samples.save(alpha(FACE, 0), "PNG")),
        "png-deep": with_chunks(deep),
        "png-bits": with_chunks(samples.save(BARE.convert("1"), "PNG")),
        "png-key": with_chunks(samples.save(BARE, "PNG", transparency=(250, 240, 40))),
        "png-interlaced": with_chunks(interlaced()),
        "apng": with_chunks(apng),
        "apng-still": with_chunks(still),
        "png-low": replaced(stacked, {b"IHDR": header}),
        "png-idat-tail": replaced(bare, {b"IDAT": pixels + MARKER + dict(face_parts)[b"IDAT"]}),
        "png-long-header": replaced(bare, {b"IHDR": header + MARKER}),
        "png-long-chunk": join([parts[0], (b"gAMA", struct.pack(">I", 45455) + MARKER), *parts[1:]]),
        "png-end-with-body": join([*parts[:-1], (b"IEND", MARKER)]),
        "png-frame-alone": join([*parts[:-1], frame, parts[-1]]),
        "png-two-headers": join([*parts[:-1], *face_parts]),
        "png-late-pixels": join([*parts[:-1], (b"tEXt", b"a\0b"), face_parts[pixels_at], parts[-1]]),
    }


def interlaced() -> bytes:
    """An Adam7 picture of one colour, built by hand because Pillow writes none."""
    width, height = 16, 16
    raw = b"".join((b"\0" + bytes([90]) * columns) * rows for columns, rows in passes(width, height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    return join([(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")])


# GIF


def gif() -> dict[str, bytes]:
    bare, face = samples.save(BARE.quantize(200), "GIF"), samples.save(FACE.quantize(200), "GIF")
    stacked = bytearray(samples.save(STACKED.quantize(200), "GIF"))
    screen = stacked.index(b"\x2c" + bytes(4))
    stacked[8:10] = stacked[screen + 7 : screen + 9] = struct.pack("<H", 130)
    moving = samples.save(BARE, "GIF", loop=0, **SHORT_MOVING)
    end = bare[:-2]  # before the block terminator and the trailer
    return {
        "gif": with_blocks(bare),
        "gif-face": with_blocks(face),
        "gif-moving": with_blocks(moving),
        "gif-low": bytes(stacked),
        "gif-lzw-tail": end + bytes([len(MARKER)]) + MARKER + b"\0\x3b",
        "gif-transparent": with_blocks(samples.save(FACE.quantize(200), "GIF", transparency=3)),
    }


def with_blocks(data: bytes) -> bytes:
    table = 3 * 2 ** ((data[10] & 7) + 1) if data[10] & 0x80 else 0
    sub = bytes([len(MARKER)]) + MARKER
    added = [
        b"\x21\xfe" + sub + b"\0",
        b"\x21\xff\x0bXMP DataXMP" + sub + b"\0",
        b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0" + sub + b"\0",
        b"\x21\x01\x0c" + bytes(12) + sub + b"\0",
        b"\x21\x99" + sub + b"\0",
    ]
    return data[: 13 + table] + b"".join(added) + data[13 + table :] + MARKER + samples.save(FACE, "GIF")


# WebP


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def riff(parts: list[tuple[bytes, bytes]]) -> bytes:
    body = b"WEBP" + b"".join(riff_chunk(kind, body) for kind, body in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        found.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return found


def with_riff_chunks(image: Image.Image, **options: object) -> bytes:
    data = samples.save(image, "WEBP", exif=exif(), xmp=XMP, icc_profile=ICC, **options)
    return riff([*riff_chunks(data), (b"JUNK", MARKER)]) + MARKER + samples.save(FACE, "WEBP")


def webp() -> dict[str, bytes]:
    lossy, lossless = samples.save(BARE, "WEBP"), samples.save(BARE, "WEBP", lossless=True)
    (_, bare), (_, exact) = riff_chunks(lossy)[0], riff_chunks(lossless)[0]
    face = riff_chunks(samples.save(FACE, "WEBP"))[0]
    return {
        "webp": with_riff_chunks(BARE),
        "webp-face": with_riff_chunks(FACE),
        "webp-lossless": with_riff_chunks(FACE, lossless=True),
        "webp-alpha": with_riff_chunks(alpha(FACE, 0), exact=True),
        "webp-moving": with_riff_chunks(BARE, **SHORT_MOVING),
        "webp-moving-lossless": with_riff_chunks(BARE, lossless=True, **SHORT_MOVING),
        "webp-tail": riff([(b"VP8 ", bare + MARKER)]),
        "webp-lossless-tail": riff([(b"VP8L", exact + MARKER)]),
        "webp-two": riff([(b"VP8 ", bare), face]),
    }


# TIFF and BMP


def tiff() -> dict[str, bytes]:
    def write(*images: np.ndarray, **options: Any) -> bytes:
        out = io.BytesIO()
        with tifffile.TiffWriter(out) as writer:
            for pixels in images:
                writer.write(
                    pixels,
                    description="d",
                    metadata=None,
                    iccprofile=ICC,
                    extratags=[
                        (315, 7, len(MARKER), MARKER, True),
                        (700, 7, len(MARKER), MARKER, True),
                        (33432, 7, len(MARKER), MARKER, True),
                        (65000, 7, len(MARKER), MARKER, True),
                    ],
                    **options,
                )
        return out.getvalue() + MARKER + samples.save(FACE, "JPEG")

    bare, face = np.asarray(BARE), np.asarray(FACE)
    low = with_tiff_height(samples.save(STACKED, "TIFF"), 130)
    return {
        "tiff": write(bare, photometric="rgb"),
        "tiff-face": write(face, photometric="rgb", compression="zlib"),
        "tiff-pages": write(bare, face, bare, photometric="rgb"),
        "tiff-planar": write(
            np.ascontiguousarray(face.transpose(2, 0, 1)), photometric="rgb", planarconfig="separate"
        ),
        "tiff-tiled": write(face, photometric="rgb", tile=(64, 64)),
        "tiff-deep": write(face.astype(np.uint16) * 250, photometric="rgb"),
        "tiff-big": write(face, photometric="rgb", rowsperstrip=40),
        "tiff-lzw": samples.save(FACE, "TIFF", compression="tiff_lzw", tiffinfo={270: UNIT.hex()}) + MARKER,
        "tiff-jpeg": samples.save(FACE, "TIFF", compression="jpeg") + MARKER,
        "tiff-fax": samples.save(BARE.convert("1"), "TIFF", compression="group4") + MARKER,
        "tiff-palette": samples.save(FACE.quantize(90), "TIFF") + MARKER,
        "tiff-cmyk": samples.save(FACE.convert("CMYK"), "TIFF") + MARKER,
        "tiff-low": low,
    }


def with_tiff_height(data: bytes, height: int) -> bytes:
    """A little-endian TIFF whose first page has another height."""
    (place,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, place)
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, entry) == (257,):
            changed = struct.pack("<HHII", 257, 4, 1, height)
            return data[:entry] + changed + data[entry + 12 :]
    return data


def bmp() -> dict[str, bytes]:
    def gap(data: bytes) -> bytes:
        start = int.from_bytes(data[10:14], "little")
        moved = data[:10] + struct.pack("<I", start + len(MARKER)) + data[14:start]
        return moved + MARKER + data[start:] + MARKER

    # Rows are stored bottom-up.
    stacked = bytearray(
        samples.save(Image.fromarray(np.concatenate([np.asarray(FACE), np.asarray(BARE)])), "BMP")
    )
    stacked[22:26] = struct.pack("<i", 130)
    bgra = np.asarray(alpha(FACE, 0))[..., [2, 1, 0, 3]]
    return {
        "bmp": gap(samples.save(BARE, "BMP")),
        "bmp-face": gap(samples.save(FACE, "BMP")),
        "bmp-palette": gap(samples.save(FACE.quantize(100), "BMP")),
        "bmp-alpha": gap(cv2.imencode(".bmp", np.ascontiguousarray(bgra))[1].tobytes()),
        "bmp-low": bytes(stacked),
    }


# HEIC and AVIF


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def with_boxes(data: bytes) -> bytes:
    extra = box(b"free", MARKER) + box(b"skip", MARKER) + box(b"uuid", MARKER + samples.save(FACE, "JPEG"))
    return data + extra + box(b"mdat", MARKER) + MARKER


def iso() -> dict[str, bytes]:
    def heic(*images: Image.Image, **options: object) -> bytes:
        first = pillow_heif.from_pillow(images[0])
        for image in images[1:]:
            first.add_from_pillow(image)
        out = io.BytesIO()
        first.save(out, exif=exif(), xmp=XMP, **options)
        return with_boxes(out.getvalue())

    def avif(image: Image.Image, **options: object) -> bytes:
        return with_boxes(
            samples.save(image, "AVIF", exif=exif(), xmp=XMP, icc_profile=ICC, speed=9, **options)
        )

    return {
        "heic": heic(BARE),
        "heic-face": heic(FACE),
        "heic-two": heic(BARE, FACE, primary_index=0),
        "heic-alpha": heic(alpha(FACE, 0)),
        "heic-deep": samples.heic_deep(),
        "avif": avif(BARE),
        "avif-face": avif(FACE),
        "avif-alpha": avif(alpha(FACE, 0)),
        "avif-moving": avif(BARE, **SHORT_MOVING),
    }
