"""Metadata that a user asked to keep: read from an input, and put into a finished output.

Nothing is copied: values are parsed, and a block of EXIF is written anew from them. BMP and GIF have no place
for it, nor have BigTIFF and animated AVIF.
"""

from __future__ import annotations

import struct
from contextlib import suppress

from ..formats import ImageFormat
from . import isobmff
from .blocks import metadata_blocks
from .coded import NotAccounted
from .exif import Metadata, directories, parse_exif, write_exif, written_entries
from .isobmff import Item, Reference
from .jpeg_markers import exif_segment
from .png_chunks import chunk
from .tiff_structure import with_entries
from .webp import with_exif

__all__ = ["is_our_own", "read_metadata", "with_metadata"]

_AFTER_PNG_HEADER = 33


def read_metadata(data: bytes, form: ImageFormat) -> Metadata:
    """The values of a file that can be kept; broken metadata has none.

    Args:
        data: a whole file.
        form: its format.
    """
    with suppress(ValueError):
        for block in metadata_blocks(data, form).exif[:1]:
            return parse_exif(block)
    return Metadata()


def with_metadata(data: bytes, form: ImageFormat, metadata: Metadata) -> bytes | None:
    """A finished output with a block of EXIF that holds these values; None where its format has no place.

    Args:
        data: as a picture's writer made it, without metadata.
        form: its format.
        metadata: at least one value.
    """
    block = write_exif(metadata)
    match form:
        case ImageFormat.JPEG:
            # Behind the start marker and, where there is one, its JFIF segment.
            length = 4 + struct.unpack_from(">H", data, 4)[0] if data[2:4] == b"\xff\xe0" else 2
            return data[:length] + exif_segment(block) + data[length:]
        case ImageFormat.PNG:
            return data[:_AFTER_PNG_HEADER] + chunk(b"eXIf", block) + data[_AFTER_PNG_HEADER:]
        case ImageFormat.WEBP:
            return with_exif(data, block)
        case ImageFormat.TIFF:
            return with_entries(data, *written_entries(metadata))
        case ImageFormat.HEIC | ImageFormat.AVIF:
            return _with_item(data, block)
        case ImageFormat.GIF | ImageFormat.BMP:
            return None


def _with_item(data: bytes, block: bytes) -> bytes | None:
    """An item of the kind `Exif` that describes the primary picture (ISO/IEC 23008-12, A.2.1)."""
    if b"moov" in isobmff.top_level(data):
        return None
    try:
        container = isobmff.read(data)
    except NotAccounted:
        return None
    number = max(container.items) + 1
    items = {**container.items, number: Item(b"Exif", (), bytes(4) + block, hidden=True)}
    references = (*container.references, Reference(b"cdsc", number, (container.primary,)))
    (length,) = struct.unpack_from(">I", data)
    brands = data[8:12], *(data[place : place + 4] for place in range(16, length, 4))
    return isobmff.write(isobmff.Container(container.primary, items, references), brands)


def is_our_own(data: bytes, form: ImageFormat) -> bool:
    """Whether a file's metadata are one block of EXIF that is exactly what `write_exif` makes of its values.

    Args:
        data: a whole file.
        form: its format.
    """
    try:
        blocks = metadata_blocks(data, form)
    except ValueError:
        return False
    if blocks.xmp or blocks.iptc or blocks.texts:
        return False
    if len(blocks.exif) != 1:
        return False
    block = blocks.exif[0].removeprefix(b"Exif\x00\x00")
    ours = write_exif(parse_exif(block))
    # A TIFF has the tags of its pixels beside its copyright notice.
    return directories(block)[1:] == directories(ours)[1:] if form is ImageFormat.TIFF else block == ours
