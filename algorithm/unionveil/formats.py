"""The formats of files, recognized by their first bytes, never by their names."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from .errors import UnreadableImage, UnsupportedImage
from .raw import raw_maker

__all__ = [
    "HEAD_BYTES",
    "Encoding",
    "FileType",
    "ImageFormat",
    "Kind",
    "VideoFormat",
    "file_type",
    "sniff",
    "video_format",
]


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

    @property
    def is_exact(self) -> bool:
        """Whether an output shows exactly the redacted pixels; GIF may have to reduce its colours."""
        match self:
            case ImageFormat.PNG | ImageFormat.TIFF | ImageFormat.BMP:
                return True
            case ImageFormat.JPEG | ImageFormat.WEBP | ImageFormat.GIF | ImageFormat.HEIC | ImageFormat.AVIF:
                return False


class VideoFormat(Enum):
    """Containers of videos that are read and written; the value is the extension of an output."""

    MP4 = "mp4"
    MOV = "mov"
    MKV = "mkv"
    WEBM = "webm"


class Encoding(str, Enum):
    """How the coded samples of an output were produced."""

    PIXELS = "pixels"
    """Re-encoded from decoded pixels."""
    COEFFICIENTS = "coefficients"
    """A JPEG's coefficients, rewritten: every block that no patch touches is exactly the input's."""
    KEPT = "kept"
    """The input's coded data, accounted for byte by byte (HEIC, AVIF, lossy WebP)."""


class Kind(Enum):
    """Kinds of files by how they are handled; the value explains why a file is refused."""

    PICTURE = "picture"
    """Handled."""
    PACKED = "{name} files are opened as archives, not as pictures"
    """An archive that is opened, or a single compressed file."""
    OTHER_PICTURE = "{name} files are not handled; export the picture as JPEG, PNG or TIFF"
    RAW = "camera raw files ({name}) are not handled; export the photo as JPEG or TIFF"
    VIDEO = "videos ({name}) are handled by `unionveil anonymize` alone, beside photos in files and folders"
    """Handled by `unionveil anonymize`."""
    OTHER_VIDEO = "{name} videos are not handled; convert the video to MP4, MOV, MKV or WebM"
    SOUND = "the file is sound ({name}), not a picture"
    ARCHIVE = "{name} archives are not opened; unpack it and name the folder"
    DOCUMENT = "{name} documents are not handled; export the pictures in it as JPEG or PNG"
    POINTER = "the file is a {name} pointer, not the picture itself; fetch the picture first"
    PAGE = "the file is a web page, not a picture; download the picture again"
    TEXT = "the file is a text, not a picture"


@dataclass(frozen=True)
class FileType:
    """The type of a file.

    Attributes:
        kind: decides how the file is handled.
        name: the type's common name.
        format: of a picture that is handled.
        video: container of a video that is handled.
    """

    kind: Kind
    name: str
    format: ImageFormat | None = None
    video: VideoFormat | None = None


HEAD_BYTES = 512
"""Number of first bytes from which a file's type is recognized."""

_Parts: TypeAlias = tuple[tuple[int, bytes], ...]


def _starts(kind: Kind, name: str, *magics: bytes, at: int = 0) -> Iterator[tuple[_Parts, FileType]]:
    for magic in magics:
        yield ((at, magic),), FileType(kind, name)


def _picture(image_format: ImageFormat, *parts: tuple[int, bytes]) -> tuple[_Parts, FileType]:
    return parts, FileType(Kind.PICTURE, image_format.name, image_format)


_MOV = FileType(Kind.VIDEO, "QuickTime", video=VideoFormat.MOV)

_EBML = b"\x1a\x45\xdf\xa3"
"""The first element of Matroska and WebM (RFC 8794, 11.2.1)."""

_MAGICS: tuple[tuple[_Parts, FileType], ...] = (
    # A tar begins with the name of its first member, which may be anything.
    *_starts(Kind.PACKED, "tar", b"ustar", at=257),
    # Raw files that begin like pictures are listed before them.
    (((0, b"II*\0"), (8, b"CR")), FileType(Kind.RAW, "Canon CR2")),
    (((0, b"MM\0*"), (8, b"CR")), FileType(Kind.RAW, "Canon CR2")),
    (((0, b"II*\0"), (8, b"IIII")), FileType(Kind.RAW, "Phase One IIQ")),
    (((0, b"MM\0*"), (8, b"MMMM")), FileType(Kind.RAW, "Phase One IIQ")),
    _picture(ImageFormat.JPEG, (0, b"\xff\xd8\xff")),
    _picture(ImageFormat.PNG, (0, b"\x89PNG\r\n\x1a\n")),
    _picture(ImageFormat.WEBP, (0, b"RIFF"), (8, b"WEBP")),
    _picture(ImageFormat.TIFF, (0, b"II*\0")),
    _picture(ImageFormat.TIFF, (0, b"MM\0*")),
    _picture(ImageFormat.TIFF, (0, b"II+\0")),
    _picture(ImageFormat.TIFF, (0, b"MM\0+")),
    _picture(ImageFormat.GIF, (0, b"GIF87a")),
    _picture(ImageFormat.GIF, (0, b"GIF89a")),
    *_starts(Kind.PACKED, "zip", b"PK\3\4", b"PK\5\6", b"PK\7\x08", b"PK00PK\3\4"),
    *_starts(Kind.PACKED, "gzip", b"\x1f\x8b"),
    (((0, b"BZh"), (4, b"1AY&SY")), FileType(Kind.PACKED, "bzip2")),
    *_starts(Kind.PACKED, "xz", b"\xfd7zXZ\0"),
    *_starts(Kind.ARCHIVE, "7-Zip", b"7z\xbc\xaf\x27\x1c"),
    *_starts(Kind.ARCHIVE, "RAR", b"Rar!\x1a\7"),
    *_starts(Kind.ARCHIVE, "Zstandard", b"\x28\xb5\x2f\xfd"),
    *_starts(Kind.ARCHIVE, "LZ4", b"\x04\x22\x4d\x18"),
    *_starts(Kind.ARCHIVE, "lzip", b"LZIP"),
    *_starts(Kind.ARCHIVE, "compress (.Z)", b"\x1f\x9d"),
    *_starts(Kind.ARCHIVE, "cabinet", b"MSCF"),
    *_starts(Kind.RAW, "Canon CRW", b"II\x1a\0\0\0HEAPCCDR"),
    *_starts(Kind.RAW, "Fujifilm RAF", b"FUJIFILMCCD-RAW"),
    *_starts(Kind.RAW, "Olympus ORF", b"IIRO", b"IIRS", b"MMOR"),
    *_starts(Kind.RAW, "Panasonic RW2", b"IIU\0"),
    *_starts(Kind.RAW, "Sigma X3F", b"FOVb"),
    *_starts(Kind.RAW, "Minolta MRW", b"\0MRM"),
    *_starts(Kind.OTHER_PICTURE, "JPEG 2000", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    *_starts(Kind.OTHER_PICTURE, "JPEG XL", b"\xff\x0a", b"\0\0\0\x0cJXL "),
    *_starts(Kind.OTHER_PICTURE, "JPEG XR", b"II\xbc\1"),
    *_starts(Kind.OTHER_PICTURE, "Photoshop", b"8BPS"),
    *_starts(Kind.OTHER_PICTURE, "GIMP", b"gimp xcf"),
    *_starts(Kind.OTHER_PICTURE, "icon", b"\0\0\1\0", b"icns"),
    *_starts(Kind.OTHER_PICTURE, "Targa or cursor", b"\0\0\2\0"),
    *_starts(Kind.OTHER_PICTURE, "OpenEXR", b"\x76\x2f\x31\1"),
    *_starts(Kind.OTHER_PICTURE, "Radiance HDR", b"#?RADIANCE", b"#?RGBE"),
    *_starts(Kind.OTHER_PICTURE, "QOI", b"qoif"),
    *_starts(Kind.OTHER_PICTURE, "DDS", b"DDS "),
    *_starts(Kind.OTHER_PICTURE, "BPG", b"BPG\xfb"),
    *_starts(Kind.OTHER_PICTURE, "FLIF", b"FLIF"),
    *_starts(Kind.OTHER_PICTURE, "MNG", b"\x8aMNG", b"\x8bJNG"),
    *_starts(Kind.OTHER_PICTURE, "portable anymap", *(b"P%d\n" % n for n in range(1, 8))),
    *_starts(Kind.OTHER_PICTURE, "FITS", b"SIMPLE  ="),
    *_starts(Kind.OTHER_PICTURE, "DICOM", b"DICM", at=128),
    *_starts(Kind.OTHER_PICTURE, "Windows metafile", b"\xd7\xcd\xc6\x9a", b"\1\0\x09\0\0\3"),
    *_starts(Kind.OTHER_PICTURE, "Windows metafile", b" EMF", at=40),
    *_starts(Kind.OTHER_VIDEO, "Windows Media", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    *_starts(Kind.OTHER_VIDEO, "MPEG", b"\0\0\1\xba", b"\0\0\1\xb3"),
    *_starts(Kind.OTHER_VIDEO, "Flash", b"FLV\1"),
    *_starts(Kind.OTHER_VIDEO, "RealMedia", b".RMF"),
    (((0, b"RIFF"), (8, b"AVI ")), FileType(Kind.OTHER_VIDEO, "AVI")),
    (((0, b"\x47"), (188, b"\x47"), (376, b"\x47")), FileType(Kind.OTHER_VIDEO, "MPEG transport stream")),
    (((4, b"\x47"), (196, b"\x47"), (388, b"\x47")), FileType(Kind.OTHER_VIDEO, "AVCHD")),
    *((((0, b"\0"), (4, atom)), _MOV) for atom in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")),
    (((0, b"RIFF"), (8, b"WAVE")), FileType(Kind.SOUND, "WAV")),
    *_starts(Kind.SOUND, "MP3", b"ID3", b"\xff\xfb", b"\xff\xf3"),
    *_starts(Kind.SOUND, "FLAC", b"fLaC"),
    *_starts(Kind.SOUND, "AMR", b"#!AMR"),
    *_starts(Kind.OTHER_VIDEO, "Ogg", b"OggS"),
    *_starts(Kind.DOCUMENT, "PDF", b"%PDF"),
    *_starts(Kind.DOCUMENT, "PostScript", b"%!PS", b"\xc5\xd0\xd3\xc6"),
    *_starts(Kind.DOCUMENT, "Office", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    *_starts(Kind.DOCUMENT, "DjVu", b"AT&TFORM"),
    *_starts(Kind.DOCUMENT, "SQLite", b"SQLite format 3\0"),
    *_starts(Kind.POINTER, "Git LFS", b"version https://git-lfs.github.com/spec/"),
    *_starts(Kind.POINTER, "git-annex", b"/annex/objects/"),
)
"""Bytes at offsets of a file's head, and the type that they identify; the first match counts. Sources: the
formats' specifications, and the magic file of file(1) for formats without a public one."""

_BRANDS: tuple[tuple[frozenset[bytes], FileType], ...] = (
    (
        frozenset({b"avif", b"avis"}),
        FileType(Kind.PICTURE, "AVIF", ImageFormat.AVIF),
    ),
    (
        frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}),
        FileType(Kind.PICTURE, "HEIC", ImageFormat.HEIC),
    ),
    (frozenset({b"crx "}), FileType(Kind.RAW, "Canon CR3")),
    (frozenset({b"jp2 ", b"jpx ", b"jph "}), FileType(Kind.OTHER_PICTURE, "JPEG 2000")),
    (frozenset({b"jxl "}), FileType(Kind.OTHER_PICTURE, "JPEG XL")),
    (frozenset({b"M4A ", b"M4B "}), FileType(Kind.SOUND, "M4A")),
    (frozenset({b"qt  "}), _MOV),
)
"""Brands of ISO base media files (ISO/IEC 14496-12, 4.3); all others are videos."""

_BMP = FileType(Kind.PICTURE, "BMP", ImageFormat.BMP)
_LEAST_BMP = 26
"""Total length of its two shortest headers."""

_PAGE = FileType(Kind.PAGE, "HTML")
_TEXT = FileType(Kind.TEXT, "text")
_SVG = FileType(Kind.OTHER_PICTURE, "SVG")


def file_type(data: bytes) -> FileType | None:
    """The type of a file by its content; None if unknown.

    Args:
        data: the file, or at least its first 512 bytes.
    """
    head = bytes(data[:HEAD_BYTES])
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    if head.startswith(_EBML):
        return _of_document(head)
    for parts, found in _MAGICS:
        if all(head[place : place + len(magic)] == magic for place, magic in parts):
            raw = raw_maker(data) if found.format is ImageFormat.TIFF else None
            return FileType(Kind.RAW, raw) if raw else found
    text = _of_text(head)
    # Two letters alone are weak evidence.
    return _BMP if text is None and head.startswith(b"BM") and len(head) > _LEAST_BMP else text


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
    found = file_type(data)
    if found is None:
        raise UnreadableImage("the file is not a picture in a known format")
    if found.format is not None:
        return found.format
    sentence = found.kind.value.format(name=found.name)
    raise UnreadableImage(sentence) if found.kind is Kind.TEXT else UnsupportedImage(sentence)


def video_format(data: bytes) -> VideoFormat | None:
    """The container of a video that is handled, by its content; None for everything else.

    Args:
        data: the file, or at least its first 512 bytes.
    """
    found = file_type(data)
    return found.video if found else None


def _of_brands(head: bytes) -> FileType:
    length = int.from_bytes(head[:4], "big")
    brands = {head[8:12], *(head[i : i + 4] for i in range(16, min(length, len(head), 256), 4))}
    for known, found in _BRANDS:
        if brands & known:
            return found
    return FileType(Kind.VIDEO, "MP4", video=VideoFormat.MP4)


def _of_document(head: bytes) -> FileType:
    """Matroska or WebM, by the DocType in the EBML header (RFC 8794, 11.2.6)."""
    if b"\x42\x82\x84webm" in head:
        return FileType(Kind.VIDEO, "WebM", video=VideoFormat.WEBM)
    return FileType(Kind.VIDEO, "Matroska", video=VideoFormat.MKV)


def _of_text(head: bytes) -> FileType | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return _PAGE
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")) and (b"<svg" in text or b"doctype svg" in text):
        return _SVG
    if text.startswith((b"<?xml", b"{\n", b'{"', b"{\r", b"[{", b"error", b"not found", b"<!--")):
        return _PAGE if b"<html" in text else _TEXT
    return _TEXT if len(head) >= _LEAST_TEXT and _is_text(head) else None


_LEAST_TEXT = 16
"""Shorter files may look like text by chance."""


def _is_text(head: bytes) -> bool:
    try:
        # Incremental: a character may be cut at the end of the head.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\t\n\r\f" for char in text)
