"""Accounts for every byte of a video file: its streams, and everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from ..errors import UnreadableImage, UnsupportedImage
from ..formats import VideoFormat

__all__ = ["Contents", "Overlong", "check_input", "contents_of", "size_of"]


class Overlong(str):
    """A finding that a part claims to be longer than the file, in words."""

    __slots__ = ()


@dataclass(frozen=True)
class Contents:
    """The contents of a file.

    Attributes:
        streams: kinds of its streams, "video" and "sound" among them.
        extra: everything that is neither part of a stream nor needed to show one, in words.
    """

    streams: tuple[str, ...]
    extra: tuple[str, ...]


def contents_of(file: BinaryIO, form: VideoFormat) -> Contents:
    """The contents of a video that we have written.

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
    """Makes sure that a video is complete, as far as its container says.

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
    """Width and height of a video, according to its container; None if it does not say.

    Args:
        file: seekable.
        form: its container.
    """
    from .parts_mkv import size_of_mkv
    from .parts_mp4 import size_of_mp4

    size = file.seek(0, 2)
    return (size_of_mp4 if form in (VideoFormat.MP4, VideoFormat.MOV) else size_of_mkv)(file, size)
