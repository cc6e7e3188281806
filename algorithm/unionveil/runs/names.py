"""Names of outputs: numbers, or the inputs' names with a suffix that is true."""

from __future__ import annotations

from pathlib import PurePosixPath

from ..config import AnonymizeConfig
from ..formats import ImageFormat

__all__ = ["Namer"]

_SUFFIXES = {
    ImageFormat.JPEG: (".jpg", ".jpeg", ".jpe", ".jfif"),
    ImageFormat.PNG: (".png", ".apng"),
    ImageFormat.WEBP: (".webp",),
    ImageFormat.TIFF: (".tif", ".tiff"),
    ImageFormat.BMP: (".bmp", ".dib"),
    ImageFormat.GIF: (".gif",),
    ImageFormat.HEIC: (".heic", ".heif", ".hif"),
    ImageFormat.AVIF: (".avif",),
}


class Namer:
    """Gives every output a name of its own.

    Args:
        config: says whether names are kept.
        flat: whether kept names lose their folders.
    """

    def __init__(self, config: AnonymizeConfig, *, flat: bool) -> None:
        self._keep = config.names == "keep"
        self._flat = flat
        self._used: set[str] = set()

    def name(self, number: int, original: str, image_format: ImageFormat) -> str:
        """The name of an output, which no other has or will have.

        Args:
            number: of the input, from 1.
            original: name of the input, with `/`.
            image_format: format of the output.
        """
        if not self._keep:
            return f"{number:06d}.{image_format.value}"
        path = PurePosixPath("".join(char if char.isprintable() else "_" for char in original))
        if self._flat:
            path = PurePosixPath("_".join(path.parts))
        if path.suffix.lower() not in _SUFFIXES[image_format]:
            path = path.with_name(f"{path.name}.{image_format.value}")
        stem, tries = path.stem, 1
        # Two inputs may share a name, or differ only in case, which some systems do not tell apart.
        while str(path).casefold() in self._used:
            tries += 1
            path = path.with_name(f"{stem}-{tries}{path.suffix}")
        self._used.add(str(path).casefold())
        return str(path)
