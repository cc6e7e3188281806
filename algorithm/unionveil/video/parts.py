"""What a video file holds, byte by byte: its streams, and everything that is not theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from ..errors import UnreadableImage, UnsupportedImage
from ..formats import VideoFormat

__all__ = ["Contents", "check_input", "contents_of", "size_of"]


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes:
        streams: kinds of its streams, "video" and "sound" among them.
        extra: what is not part of a stream or needed to show one, in words.
    """

    streams: tuple[str, ...]
    extra: tuple[str, ...]


def contents_of(file: BinaryIO, form: VideoFormat) -> Contents:
    """What a video that we wrote holds.

    Args:
        file: seekable.
        form: its container.
    """
    from .parts_mkv import contents_of_mkv
    from .parts_mp4 import contents_of_mp4

    size = file.seek(0, 2)
    if form in (VideoFormat.MP4, VideoFormat.MOV):
        return contents_of_mp4(file, size)
    return contents_of_mkv(file, size)


def check_input(file: BinaryIO, form: VideoFormat) -> None:
    """Makes sure that a video can be read whole, as far as its container says.

    Args:
        file: seekable.
        form: its container.

    Raises:
        UnsupportedImage: a stream is encrypted.
        UnreadableImage: the file is cut off.
    """
    from .parts_mkv import is_cut_off_mkv, is_encrypted_mkv
    from .parts_mp4 import is_cut_off_mp4, is_encrypted_mp4

    size = file.seek(0, 2)
    is_mp4 = form in (VideoFormat.MP4, VideoFormat.MOV)
    if (is_cut_off_mp4 if is_mp4 else is_cut_off_mkv)(file, size):
        raise UnreadableImage("the video is cut off")
    if (is_encrypted_mp4 if is_mp4 else is_encrypted_mkv)(file, size):
        raise UnsupportedImage("the video is encrypted; export it without protection")


def size_of(file: BinaryIO, form: VideoFormat) -> tuple[int, int] | None:
    """Width and height of a video, by its container; None where it does not say.

    Args:
        file: seekable.
        form: its container.
    """
    from .parts_mkv import size_of_mkv
    from .parts_mp4 import size_of_mp4

    size = file.seek(0, 2)
    return (size_of_mp4 if form in (VideoFormat.MP4, VideoFormat.MOV) else size_of_mkv)(file, size)
