"""The blocks of metadata in a file: EXIF, XMP, IPTC and texts, found by the structure of its format.

JPEG: ITU-T T.81, annex B; IPTC in Photoshop's resources: Adobe's file format specification, "Image Resource
Blocks". PNG: W3C PNG 3, 11.3. WebP: RFC 9649, 2.7.1.5. HEIC and AVIF: ISO/IEC 23008-12, annex A. TIFF:
Adobe's XMP specification, part 3, 1.1.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import ImageError
from ..formats import ImageFormat
from . import isobmff
from .coded import NotAccounted
from .exif import directories

__all__ = ["Blocks", "metadata_blocks"]

_MOST_TEXT_BYTES = 1 << 20
"""A compressed text of a PNG is read so far."""

_XMP_OF_JPEG, _MORE_XMP_OF_JPEG = (
    b"http://ns.adobe.com/xap/1.0/\x00",
    b"http://ns.adobe.com/xmp/extension/\x00",
)
_XMP_OF_GIF = b"XMP DataXMP"
_XMP_TAG, _IPTC_TAG, _RESOURCES_TAG = 700, 33723, 34377


@dataclass(frozen=True)
class Blocks:
    """The metadata of a file.

    Attributes:
        exif: TIFF structures, with or without their `Exif` prefix; the first counts.
        xmp: packets of XMP.
        iptc: records of IPTC-IIM.
        texts: keyword and text of the chunks of a PNG.
    """

    exif: tuple[bytes, ...] = ()
    xmp: tuple[bytes, ...] = ()
    iptc: tuple[bytes, ...] = ()
    texts: tuple[tuple[str, bytes], ...] = ()


def metadata_blocks(data: bytes, form: ImageFormat) -> Blocks:
    """All blocks of metadata in a file.

    Args:
        data: a whole file, which need not decode.
        form: its format.

    Raises:
        ValueError: the file's structure is broken, so that blocks may be missing.
    """
    try:
        match form:
            case ImageFormat.JPEG:
                return _of_jpeg(data)
            case ImageFormat.PNG:
                return _of_png(data)
            case ImageFormat.WEBP:
                return _of_webp(data)
            case ImageFormat.TIFF:
                return _of_tiff(data)
            case ImageFormat.HEIC | ImageFormat.AVIF:
                return _of_iso(data)
            case ImageFormat.GIF:
                return Blocks(xmp=(data,) if _XMP_OF_GIF in data else ())
            case ImageFormat.BMP:
                return Blocks()
    except (struct.error, IndexError, NotAccounted, zlib.error, ImageError) as error:
        raise ValueError("the file's structure is broken") from error


def _of_jpeg(data: bytes) -> Blocks:
    exif: list[bytes] = []
    xmp: list[bytes] = []
    iptc: list[bytes] = []
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF or data[place + 1] == 0xFF:
            place += 1  # bytes between segments belong to none, as for libjpeg
            continue
        marker, length = data[place + 1], struct.unpack_from(">H", data, place + 2)[0]
        if marker in (0xDA, 0xD9):
            break
        body = data[place + 4 : place + 2 + length]
        if marker == 0xE1 and body.startswith(b"Exif\x00"):
            exif.append(body)
        elif marker == 0xE1 and body.startswith((_XMP_OF_JPEG, _MORE_XMP_OF_JPEG)):
            xmp.append(body)
        elif marker == 0xED:
            iptc += _resources(body.removeprefix(b"Photoshop 3.0\x00"))
        place += 2 + length
    return Blocks(tuple(exif), tuple(xmp), tuple(iptc))


def _resources(data: bytes) -> Iterator[bytes]:
    """Photoshop's resource 0x0404 holds IPTC-IIM."""
    place = 0
    while data[place : place + 4] == b"8BIM" and place + 12 <= len(data):
        (number,) = struct.unpack_from(">H", data, place + 4)
        name = data[place + 6] + 1
        place += 6 + name + name % 2
        (length,) = struct.unpack_from(">I", data, place)
        if number == 0x0404:
            yield data[place + 4 : place + 4 + length]
        place += 4 + length + length % 2


def _of_png(data: bytes) -> Blocks:
    exif, xmp, texts = [], [], []
    place = 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        place += 12 + length
        if kind == b"eXIf":
            exif.append(body)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, text = _png_text(kind, body)
            if keyword == "XML:com.adobe.xmp":
                xmp.append(text)
            else:
                texts.append((keyword, text))
        elif kind == b"IEND":
            break
    return Blocks(tuple(exif), tuple(xmp), texts=tuple(texts))


def _png_text(kind: bytes, body: bytes) -> tuple[str, bytes]:
    keyword, _, rest = body.partition(b"\x00")
    name = keyword.decode("latin-1")
    if kind == b"tEXt":
        return name, rest
    is_packed = True
    if kind == b"iTXt":
        is_packed = rest[:1] == b"\x01"
        rest = rest[2:].partition(b"\x00")[2].partition(b"\x00")[2]
    else:
        rest = rest[1:]
    return name, zlib.decompressobj().decompress(rest, _MOST_TEXT_BYTES) if is_packed else rest


def _of_webp(data: bytes) -> Blocks:
    found: dict[bytes, list[bytes]] = {b"EXIF": [], b"XMP ": []}
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        if kind in found:
            found[kind].append(data[place + 8 : place + 8 + length])
        place += 8 + length + length % 2
    return Blocks(tuple(found[b"EXIF"]), tuple(found[b"XMP "]))


def _of_tiff(data: bytes) -> Blocks:
    if data[2:4] not in (b"*\x00", b"\x00*"):
        return Blocks()  # BigTIFF has directories of another form
    first, _, _ = directories(data)
    opaque = {tag: value for tag, value in first.items() if isinstance(value, bytes)}
    xmp = (opaque[_XMP_TAG],) if _XMP_TAG in opaque else ()
    # Some writers give the type of IPTC as long.
    iptc = (opaque.get(_IPTC_TAG, data),) if _IPTC_TAG in first else ()
    resources = tuple(_resources(opaque[_RESOURCES_TAG])) if _RESOURCES_TAG in opaque else ()
    return Blocks((data,), xmp, (*iptc, *resources))


def _of_iso(data: bytes) -> Blocks:
    if not any(name in data for name in (b"Exif", b"xmpmeta")):
        return Blocks()  # also of sequences, whose items are not read
    exif, xmp = [], []
    for item in isobmff.read(data).items.values():
        if item.kind == b"Exif" and len(item.data) > 4:
            (start,) = struct.unpack_from(">I", item.data)
            exif.append(item.data[4 + start :])
        elif item.kind == b"mime" and b"xmpmeta" in item.data:
            xmp.append(item.data)
    return Blocks(tuple(exif), tuple(xmp))
