"""Files beside photos that are not inputs: files of systems and programs, and sidecars."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import PurePosixPath

__all__ = [
    "Skipped",
    "is_companion",
    "is_litter",
    "is_note",
    "is_system_file",
    "may_be_companion",
    "stem_of",
]


@dataclass(frozen=True)
class Skipped:
    """A file that is not an input: a sidecar, a text, or excluded on request."""


_SYSTEM = frozenset(
    {
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini", ".ds_store"),
        *("@eadir", "__macosx", "lost+found", "$recycle.bin", "system volume information", ".localized"),
        *(".spotlight-v100", ".fseventsd", ".trashes", ".directory", ".picasa.ini"),
    }
)
"""Windows, macOS, Synology, Picasa, KDE; in lower case."""

_NOTES = frozenset(
    {
        *(".json", ".xmp", ".aae", ".txt", ".md", ".csv", ".tsv", ".log", ".ini", ".nfo", ".url", ".rtf"),
        *(".html", ".htm", ".xml", ".yaml", ".yml", ".srt", ".gpx", ".kml", ".m3u", ".css", ".js"),
    }
)
"""Suffixes of texts: edits (Lightroom, Apple), metadata (Google Takeout), lists, pages of an export."""

_COMPANIONS = frozenset({".mov", ".mp4", ".thm", ".lrv"})
"""Suffixes of a live photo's video and of a camera's previews, which belong to a photo with the same stem."""

_PHOTOS = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".heic", ".heif", ".hif", ".avif", ".png", ".webp", ".tif", ".tiff"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
    }
)

_VIDEOS = frozenset({".mov", ".mp4", ".avi", ".mts", ".m2ts", ".mpg", ".360"})


def is_system_file(name: str) -> bool:
    """Whether operating systems leave files or folders of this name in folders of photos."""
    return name.casefold() in _SYSTEM


def is_litter(path: PurePosixPath) -> bool:
    """Whether a file is hidden, is one that systems leave beside photos, or is in such a folder."""
    return any(is_system_file(part) or (part.startswith(".") and part.strip(".")) for part in path.parts)


def may_be_companion(name: str) -> bool:
    """Whether a file is a companion if there is a photo or video beside it with the same stem."""
    return PurePosixPath(name).suffix.casefold() in _COMPANIONS


def stem_of(name: str) -> str:
    """A path without its suffix, case folded: the same for a companion and what it belongs to."""
    return name.removesuffix(PurePosixPath(name).suffix).casefold()


def is_companion(name: str, neighbours: Container[str], *, videos: bool = False) -> bool:
    """Whether a file is the video of a live photo, or a camera's small copy of a photo or video.

    Args:
        name: path with `/`.
        neighbours: paths of the files beside it, case-folded.
        videos: whether videos are inputs, including those of live photos.
    """
    suffix = PurePosixPath(name).suffix.casefold()
    if suffix not in _COMPANIONS or (videos and suffix in _VIDEOS):
        return False
    others = _PHOTOS if suffix in _VIDEOS else _PHOTOS | _VIDEOS
    stem = name[: -len(suffix)].casefold()
    return any(stem + other in neighbours for other in others)


def is_note(name: str, head: bytes) -> bool:
    """Whether a file is a text beside photos, by its name and its first bytes."""
    return PurePosixPath(name).suffix.casefold() in _NOTES and _looks_like_text(head)


def _looks_like_text(head: bytes) -> bool:
    """Whether a file's first bytes are text: UTF-8, UTF-16 with a mark, or an encoding without zeros."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return not any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
