"""The photos of a folder, by name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..content import BytesContent, Content
from ..errors import ImageError, InputError
from ..files.sources import PathSource, Skipped
from ..formats import HEAD_BYTES, sniff
from ..outcomes import Rejected
from ..runs.headers import read_header
from ..runs.needs import needed_bytes
from ..text import printable

__all__ = ["Photos", "memory_for", "photos_in"]


@dataclass(frozen=True)
class Photos:
    """Photos by name, and the reasons why others cannot be read.

    Attributes:
        contents: of files that may be photos, in order.
        rejected: reasons by name.
    """

    contents: dict[str, Content]
    rejected: dict[str, Rejected]


def photos_in(paths: Sequence[Path]) -> Photos:
    """Lists photos.

    Raises:
        InputError: there is no photo, two have the same name, or there is an archive, whose photos cannot be
            read in any order.
    """
    contents: dict[str, Content] = {}
    rejected: dict[str, Rejected] = {}
    for item in PathSource(paths):
        if isinstance(item.content, BytesContent):
            archive = item.name.partition("/")[0]
            raise InputError(f"{printable(archive)} is an archive; unpack it, and name its folder")
        if item.name in contents or item.name in rejected:
            raise InputError(
                f"several photos are named {printable(item.name)}; rename them, or name the folder that "
                "holds them all"
            )
        if isinstance(item.content, Rejected):
            rejected[item.name] = item.content
        elif not isinstance(item.content, Skipped):
            contents[item.name] = item.content
    if not contents:
        shown = ", ".join(printable(str(path)) for path in paths)
        raise InputError(f"there is no photo in {shown}; name a folder of photos")
    return Photos(contents, rejected)


def memory_for(content: Content) -> int:
    """Memory for reading a photo, estimated from its header; 0 if that is not possible."""
    with suppress(OSError, ImageError), content.open() as file:
        form = sniff(file.read(HEAD_BYTES))
        header = read_header(form, file)
        return needed_bytes(form, header, content.size_bytes) if header else 0
    return 0
