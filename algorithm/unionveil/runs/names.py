"""Names of outputs: numbers, or the inputs' names with a correct suffix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from ..compact import NameSet
from ..config import AnonymizeConfig
from ..files.litter import is_system_file
from ..files.names import MOST_PART_BYTES, safe_part, same_file_key, shortened
from ..formats import ImageFormat, VideoFormat
from .schema import MANIFEST, PREVIEWS

__all__ = ["Namer", "preview_name"]

SUFFIXES = {
    ImageFormat.JPEG: (".jpg", ".jpeg", ".jpe", ".jfif"),
    ImageFormat.PNG: (".png", ".apng"),
    ImageFormat.WEBP: (".webp",),
    ImageFormat.TIFF: (".tif", ".tiff"),
    ImageFormat.BMP: (".bmp", ".dib"),
    ImageFormat.GIF: (".gif",),
    ImageFormat.HEIC: (".heic", ".heif", ".hif"),
    ImageFormat.AVIF: (".avif",),
}

_VIDEO_SUFFIXES = {
    VideoFormat.MP4: (".mp4", ".m4v"),
    VideoFormat.MOV: (".mov", ".qt"),
    VideoFormat.MKV: (".mkv",),
    VideoFormat.WEBM: (".webm",),
}

_PREVIEW_SUFFIX = ".jpg"

_MOST_NAME_BYTES = MOST_PART_BYTES - len(_PREVIEW_SUFFIX)
"""Leaves room for the suffix that a preview adds."""

_MOST_PATH_BYTES = 1024
"""Longest path kept below the output folder; systems allow 1024 (macOS) to 4096 (Linux) in total."""


def preview_name(output: str) -> str:
    """The name of an output's preview."""
    return f"{PREVIEWS}/{output}{_PREVIEW_SUFFIX}"


class Namer:
    """Gives every output a unique name that any system can store.

    Args:
        config: says whether names are kept.
        flat: whether kept names are stripped of their folders.
    """

    def __init__(self, config: AnonymizeConfig, *, flat: bool) -> None:
        self._keep = config.names == "keep"
        self._flat = flat
        # The run's own file and folder are reserved from the start.
        self._files = NameSet()
        self._files.update(same_file_key(MANIFEST), same_file_key(PREVIEWS))
        self._folders: dict[str, str] = {}
        self._tries: dict[str, int] = {}

    def name(
        self, number: int, original: str, form: ImageFormat | VideoFormat, key: str | None = None
    ) -> str:
        """The name of an output, which no other output has or will get.

        Args:
            number: of the input, from 1.
            original: the input's name, with `/`.
            form: format of the output.
            key: of the input, in shards: it replaces the number, and follows a name that is kept.
        """
        if not self._keep:
            return f"{key or f'{number:06d}'}.{form.value}"
        parts = [safe_part(part) for part in original.split("/") if part not in ("", ".")] or ["_"]
        *folders, last = ["_".join(parts)] if self._flat else parts
        true = SUFFIXES[form] if isinstance(form, ImageFormat) else _VIDEO_SUFFIXES[form]
        if PurePosixPath(last).suffix.lower() not in true:
            last = f"{last}.{form.value}"
        folders = [_visible(shortened(part)) for part in folders]
        last = _keyed(last, key) if key else shortened(last, _MOST_NAME_BYTES)
        if len("/".join([*folders, last]).encode()) > _MOST_PATH_BYTES:
            folders = []
        if key:  # unique, whatever the other shards contain
            return "/".join([*(_apart(part) for part in folders), last])
        return self._claim(self._folder(folders), last)

    def _folder(self, parts: Sequence[str]) -> str:
        """A folder with `/` at its end; no part of it is the name of a file."""
        place = ""
        for part in parts:
            wanted = same_file_key(place + part)
            if wanted not in self._folders:
                path = self._first_free(place, part, lambda key: key not in self._files)
                self._folders[wanted] = self._folders[same_file_key(path)] = path
            place = self._folders[wanted] + "/"
        return place

    def _claim(self, place: str, last: str) -> str:
        # Two inputs may share a name, or differ only in case, which some systems do not distinguish.
        path = self._first_free(place, last, lambda key: key not in self._files and key not in self._folders)
        self._files.add(same_file_key(path))
        return path

    def _first_free(self, place: str, part: str, is_free: Callable[[str], bool]) -> str:
        """`place` and a name, with the first number after its stem that makes it unique."""
        name, path = PurePosixPath(part), place + part
        wanted = same_file_key(path)
        tries = self._tries.get(wanted, 1)
        while not is_free(same_file_key(path)):
            tries += 1
            end = f"-{tries}{name.suffix}"
            path = place + shortened(name.stem, _MOST_NAME_BYTES - len(end.encode())) + end
        if tries > 1:
            self._tries[wanted] = tries
        return path


def _keyed(last: str, key: str) -> str:
    """A file's name with a key after its stem."""
    name = PurePosixPath(last)
    end = f"-{key}{name.suffix}"
    return shortened(name.stem, _MOST_NAME_BYTES - len(end)) + end


def _visible(folder: str) -> str:
    """A folder's name that is not one of those which systems leave, and sinks ignore."""
    return f"{folder}_" if is_system_file(folder) else folder


def _apart(folder: str) -> str:
    """A folder's name that is not the run's own folder."""
    return f"{folder}-" if same_file_key(folder) == same_file_key(PREVIEWS) else folder
