"""The formats of pictures, and which of them a file is: by its first bytes, never by its name."""

from __future__ import annotations

from enum import Enum

from .errors import UnreadableImage, UnsupportedImage

__all__ = ["Encoding", "ImageFormat", "sniff"]


class ImageFormat(Enum):
    """Formats that are read and written; the value is the extension of an output."""

    JPEG = "jpg"
    PNG = "png"
    WEBP = "webp"
    TIFF = "tif"
    BMP = "bmp"
    GIF = "gif"
    HEIC = "heic"
    AVIF = "avif"


class Encoding(str, Enum):
    """How the coded samples of an output came about."""

    PIXELS = "pixels"
    """Encoded anew from decoded pixels."""
    COEFFICIENTS = "coefficients"
    """A JPEG's coefficients, written anew: every block that no patch touches is exactly the input's."""
    KEPT = "kept"
    """The input's coded data, accounted for byte by byte (HEIC, AVIF, lossy WebP)."""


_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"8BPS", "Photoshop"),
    (b"\x00\x00\x01\x00", "icon"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"IIRO", "camera raw"),
    (b"IIU\x00", "camera raw"),
    (b"\x1a\x45\xdf\xa3", "Matroska video"),
    (b"\x00\x00\x01\xba", "MPEG video"),
    (b"PK\x03\x04", "zip archive"),
    (b"\x1f\x8b", "gzip archive"),
)


def sniff(data: bytes) -> ImageFormat:
    """Format of a picture by its content.

    Args:
        data: the file, or at least its first 512 bytes.

    Raises:
        UnreadableImage: empty, or not a picture in a known format.
        UnsupportedImage: known, but not handled.
    """
    if not data:
        raise UnreadableImage("the file is empty")
    head = bytes(data[:64])
    if head.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageFormat.PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ImageFormat.WEBP
    if head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        if head[8:10] == b"CR":
            raise UnsupportedImage("camera raw files are not handled; export the photo as JPEG or TIFF")
        return ImageFormat.TIFF
    if head[:2] == b"BM" and len(data) > 26:
        return ImageFormat.BMP
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return ImageFormat.GIF
    if head[4:8] == b"ftyp":
        return _sniff_ftyp(data)
    for magic, name in _OTHERS:
        if head.startswith(magic):
            raise UnsupportedImage(f"{name} files are not handled; export the picture as JPEG, PNG or TIFF")
    raise UnreadableImage("the file is not a picture in a known format")


def _sniff_ftyp(data: bytes) -> ImageFormat:
    length = int.from_bytes(data[:4], "big")
    brands = {data[8:12], *(data[i : i + 4] for i in range(16, min(length, len(data), 256), 4))}
    if brands & _AVIF_BRANDS:
        return ImageFormat.AVIF
    if brands & _HEIC_BRANDS:
        return ImageFormat.HEIC
    raise UnsupportedImage("videos are not handled; only still pictures and animations are")
