"""JPEG through libturbojpeg: decodes pixels and reports every warning, and rewrites coefficients.

This is the only user of the library. Its lossless transform (`tjTransform`, in version 3 `tj3Transform`)
reads all coefficients, can rotate and flip the image, passes every row of blocks to a filter and encodes the
result. The interface is that of `turbojpeg.h`, versions 2.0 to 3.x; `tj3*` is used where available.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import UnreadableImage
from .jpeg_markers import has_standard_tables
from .jpeg_rows import Coefficients, Edit, NotTransformable, Reading, Shown, Writing
from .picture import Colour, Pixels

__all__ = ["Coding", "TurboJpeg", "check_warning", "load"]

_TRANSFORM_OF_ORIENTATION = {1: 0, 2: 1, 3: 6, 4: 2, 5: 3, 6: 5, 7: 4, 8: 7}
"""EXIF orientation to `TJXOP_*`: none, hflip, vflip, transpose, transverse, rot90, rot180, rot270."""

_PERFECT, _NO_OUTPUT, _PROGRESSIVE, _COPY_NONE, _OPTIMIZE = 1, 16, 32, 64, 256
"""`TJXOPT_*`; the last one since 3.0."""

_RGB, _GREY, _CMYK = 0, 6, 11
"""`TJPF_*`."""

_INIT_DECOMPRESS, _INIT_TRANSFORM = 1, 2
_PARAM_WIDTH, _PARAM_HEIGHT = 5, 6
"""`TJINIT_*` and `TJPARAM_*`, version 3."""

_WARNING = 0
"""`TJERR_WARNING`."""

_EXTRANEOUS = re.compile(r"\d+ extraneous bytes before marker 0xd9")


@dataclass(frozen=True)
class Coding:
    """How to write the coefficients.

    Attributes:
        orientation: EXIF orientation of the input, 1 to 8; the output is upright.
        progressive: whether to write a progressive file.
        standard_tables: whether to write the Huffman tables of T.81, annex K, which have a code for every
            accepted coefficient. Otherwise tables are made for the file: in a baseline file if the library
            can optimize it, else in a progressive one.
        tables: quantisation table of each component, `(8, 8)`, upright.
    """

    orientation: int
    progressive: bool
    standard_tables: bool
    tables: tuple[npt.NDArray[np.int32], ...]


def check_warning(message: str) -> None:
    """Separates libjpeg's harmless warnings from damage.

    libjpeg reports only the first warning of a file. Extra bytes before the end marker are the last thing
    that it can warn about, so this warning hides no other.

    Raises:
        UnreadableImage: the warning means damage.
    """
    if not _EXTRANEOUS.search(message):
        raise UnreadableImage(
            f"the JPEG is damaged: {_printable(message)}; open and save it again, or leave it out"
        )


def _printable(message: str) -> str:
    words = message.removeprefix("Corrupt JPEG data:").strip().rstrip(".")
    return "".join(letter for letter in words if letter.isprintable())[:100]


class _Region(ctypes.Structure):
    """`tjregion`, in samples."""

    _fields_ = (
        ("x", ctypes.c_int),
        ("y", ctypes.c_int),
        ("w", ctypes.c_int),
        ("h", ctypes.c_int),
    )


_Filter = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, _Region, _Region, ctypes.c_int, ctypes.c_int, ctypes.c_void_p
)


class _Factor(ctypes.Structure):
    """`tjscalingfactor`."""

    _fields_ = (("num", ctypes.c_int), ("denom", ctypes.c_int))


class _Transform(ctypes.Structure):
    """`tjtransform`."""

    _fields_ = (
        ("r", _Region),
        ("op", ctypes.c_int),
        ("options", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("customFilter", _Filter),
    )


_Row: TypeAlias = Callable[[int, int, Coefficients], None]
"""Receives the component's index, the row of blocks and its coefficients, which it may change."""


class TurboJpeg:
    """A loaded libturbojpeg.

    Args:
        library: version 2.0 or later.

    Attributes:
        optimizes: whether it can write baseline files with their own Huffman tables (since 3.0).
        scales: whether it can decode at a fraction of the size.
    """

    scales = True

    def __init__(self, library: ctypes.CDLL) -> None:
        self.optimizes = hasattr(library, "tj3Transform")
        self._call: _Version = _Version3(library) if self.optimizes else _Version2(library)

    def decode(self, data: bytes, size_wh: tuple[int, int], colour: Colour, scale: int = 1) -> Pixels:
        """Decodes a JPEG as stored.

        Args:
            data: a whole file without metadata.
            size_wh: width and height that its header gives.
            colour: GREY, RGB or CMYK.
            scale: 1, 2, 4 or 8, the divisor of the size. All coefficients are read at any scale, so all
                damage is detected.

        Returns:
            `(H, W, C)` uint8, sides divided by `scale` and rounded up; CMYK in the polarity of the file.

        Raises:
            UnreadableImage: an error, or a warning that means damage.
        """
        width, height = (-(-side // scale) for side in size_wh)
        pixels = np.empty((height, width, colour.channels), np.uint8)
        form = {Colour.GREY: _GREY, Colour.RGB: _RGB, Colour.CMYK: _CMYK}[colour]
        with self._call.handle(_INIT_DECOMPRESS) as handle:
            if self._call.decode(handle, data, pixels, form, size_wh, scale):
                message, warned = self._call.failure(handle)
                if not warned:
                    raise UnreadableImage(f"the JPEG is damaged: {_printable(message)}")
                check_warning(message)
        return pixels

    def rewrite(self, data: bytes, edits: Sequence[Edit], coding: Coding, shown: Shown | None) -> bytes:
        """Rewrites the coefficients of a JPEG, turned upright, with some blocks replaced.

        Every other block keeps its 64 coefficients. Blocks entirely outside the declared size hold nothing of
        the input; libjpeg fills them in.

        Args:
            data: a whole file without metadata.
            edits: in the order in which they are applied.
            coding: how to write the output.
            shown: the first component as the picture shows it; None for colours that are not clipped.

        Raises:
            NotTransformable: sides that are not multiples of the blocks, a sampling that the library refuses,
                coefficients outside the range of 8-bit samples, luma that the picture does not show, or an
                output that does not read back as written.
            UnreadableImage: a warning that means damage.
        """
        own_tables = not coding.standard_tables
        options = _PERFECT | _COPY_NONE
        options |= _PROGRESSIVE if coding.progressive or (own_tables and not self.optimizes) else 0
        options |= _OPTIMIZE if own_tables and self.optimizes else 0
        writing = Writing(edits, coding.tables, shown, keeps=own_tables)
        output = self._transform(data, _TRANSFORM_OF_ORIENTATION[coding.orientation], options, writing)
        # A code that a Huffman table lacks is not an error: the stream then decodes as something else. The
        # standard tables have a code for every accepted coefficient; with other tables, the output is read
        # back.
        if not has_standard_tables(output):
            reading = Reading(writing)
            self._transform(output, 0, _COPY_NONE | _NO_OUTPUT, reading)
            if not reading.same:
                raise NotTransformable("the output does not read back as it was written")
        return output

    def _transform(self, data: bytes, operation: int, options: int, each_row: _Row) -> bytes:
        caught: list[BaseException] = []

        def call(address: int, part: Any, plane: Any, component: int, _number: int, _transform: int) -> int:
            if part.y >= plane.h:
                return 0  # fills the last row of minimum coded units; it is never written
            try:
                samples = (ctypes.c_short * (part.w * 8)).from_address(address)
                each_row(component, part.y // 8, np.frombuffer(samples, np.int16).reshape(-1, 64))
            except BaseException as error:  # no exception can pass through C
                caught.append(error)
                return -1
            return 0

        transform = _Transform(_Region(0, 0, 0, 0), operation, options, None, _Filter(call))
        with self._call.handle(_INIT_TRANSFORM) as handle:
            output, failed = self._call.transform(handle, data, transform)
            if caught:
                raise caught[0]
            if failed:
                message, warned = self._call.failure(handle)
                if not warned:
                    raise NotTransformable(_printable(message))
                check_warning(message)
        return output


class _Version2:
    """Functions of 2.x. Their sizes are `unsigned long`."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = _declared(
            library,
            tjInitDecompress=(ctypes.c_void_p,),
            tjInitTransform=(ctypes.c_void_p,),
            tjDestroy=(ctypes.c_int, ctypes.c_void_p),
            tjFree=(None, ctypes.c_void_p),
            tjGetErrorStr2=(ctypes.c_char_p, ctypes.c_void_p),
            tjGetErrorCode=(ctypes.c_int, ctypes.c_void_p),
            # handle, data, size, destination, width, pitch, height, format, flags
            tjDecompress2=(
                ctypes.c_int,
                ctypes.c_void_p,
                ctypes.c_char_p,
                ctypes.c_ulong,
                ctypes.c_void_p,
                *[ctypes.c_int] * 5,
            ),
            # handle, data, size, number of transforms, destinations, their sizes, transforms, flags
            tjTransform=(
                ctypes.c_int,
                ctypes.c_void_p,
                ctypes.c_char_p,
                ctypes.c_ulong,
                ctypes.c_int,
                ctypes.POINTER(ctypes.c_void_p),
                ctypes.POINTER(ctypes.c_ulong),
                ctypes.POINTER(_Transform),
                ctypes.c_int,
            ),
        )

    @contextmanager
    def handle(self, kind: int) -> Iterator[int]:
        """A separate instance for each file, so that no table of another file is left in it."""
        init = self._library.tjInitTransform if kind == _INIT_TRANSFORM else self._library.tjInitDecompress
        made = _made(init())
        try:
            yield made
        finally:
            self._library.tjDestroy(made)

    def decode(
        self, handle: int, data: bytes, pixels: Pixels, form: int, _: tuple[int, int], _scale: int
    ) -> int:
        # The requested size determines the scale: the largest image that fits into it.
        height, width, channels = pixels.shape
        sizes = width, width * channels, height
        return self._library.tjDecompress2(handle, data, len(data), pixels.ctypes.data, *sizes, form, 0)

    def transform(self, handle: int, data: bytes, transform: _Transform) -> tuple[bytes, int]:
        place, size = ctypes.c_void_p(), ctypes.c_ulong()
        try:
            failed = self._library.tjTransform(handle, data, len(data), 1, place, size, transform, 0)
            return ctypes.string_at(place, size.value) if place else b"", failed
        finally:
            self._library.tjFree(place)

    def failure(self, handle: int) -> tuple[str, bool]:
        """The message of the last failure, and whether it is a warning."""
        warned = self._library.tjGetErrorCode(handle) == _WARNING
        return self._library.tjGetErrorStr2(handle).decode("ascii", "replace"), warned


class _Version3:
    """Functions of 3.x. Their sizes are `size_t`."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = _declared(
            library,
            tj3Init=(ctypes.c_void_p, ctypes.c_int),
            tj3Destroy=(None, ctypes.c_void_p),
            tj3Free=(None, ctypes.c_void_p),
            tj3Get=(ctypes.c_int, ctypes.c_void_p, ctypes.c_int),
            tj3GetErrorStr=(ctypes.c_char_p, ctypes.c_void_p),
            tj3GetErrorCode=(ctypes.c_int, ctypes.c_void_p),
            tj3DecompressHeader=(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t),
            tj3SetScalingFactor=(ctypes.c_int, ctypes.c_void_p, _Factor),
            # handle, data, size, destination, pitch, format
            tj3Decompress8=(
                ctypes.c_int,
                ctypes.c_void_p,
                ctypes.c_char_p,
                ctypes.c_size_t,
                ctypes.c_void_p,
                ctypes.c_int,
                ctypes.c_int,
            ),
            # handle, data, size, number of transforms, destinations, their sizes, transforms
            tj3Transform=(
                ctypes.c_int,
                ctypes.c_void_p,
                ctypes.c_char_p,
                ctypes.c_size_t,
                ctypes.c_int,
                ctypes.POINTER(ctypes.c_void_p),
                ctypes.POINTER(ctypes.c_size_t),
                ctypes.POINTER(_Transform),
            ),
        )

    @contextmanager
    def handle(self, kind: int) -> Iterator[int]:
        """A separate instance for each file, so that no table of another file is left in it."""
        made = _made(self._library.tj3Init(kind))
        try:
            yield made
        finally:
            self._library.tj3Destroy(made)

    def decode(
        self, handle: int, data: bytes, pixels: Pixels, form: int, size_wh: tuple[int, int], scale: int
    ) -> int:
        if self._library.tj3DecompressHeader(handle, data, len(data)) and not self.failure(handle)[1]:
            return -1
        get = self._library.tj3Get
        if (get(handle, _PARAM_WIDTH), get(handle, _PARAM_HEIGHT)) != size_wh:
            raise UnreadableImage("the JPEG is damaged: it gives two sizes")
        if self._library.tj3SetScalingFactor(handle, _Factor(1, scale)):
            return -1
        pitch = pixels.shape[1] * pixels.shape[2]
        return self._library.tj3Decompress8(handle, data, len(data), pixels.ctypes.data, pitch, form)

    def transform(self, handle: int, data: bytes, transform: _Transform) -> tuple[bytes, int]:
        place, size = ctypes.c_void_p(), ctypes.c_size_t()
        try:
            failed = self._library.tj3Transform(handle, data, len(data), 1, place, size, transform)
            return ctypes.string_at(place, size.value) if place else b"", failed
        finally:
            self._library.tj3Free(place)

    def failure(self, handle: int) -> tuple[str, bool]:
        """The message of the last failure, and whether it is a warning."""
        warned = self._library.tj3GetErrorCode(handle) == _WARNING
        return self._library.tj3GetErrorStr(handle).decode("ascii", "replace"), warned


_Version: TypeAlias = _Version2 | _Version3


def _declared(library: ctypes.CDLL, **functions: tuple[Any, ...]) -> ctypes.CDLL:
    for name, (result, *arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _made(handle: int | None) -> int:
    if not handle:
        raise MemoryError("libturbojpeg has no memory for another instance")
    return handle


@lru_cache(maxsize=1)
def load() -> TurboJpeg | None:
    """The libturbojpeg of the system, of Homebrew or of conda; None if it is not installed."""
    return next(filter(None, map(_opened, _candidates())), None)


def _opened(name: str) -> TurboJpeg | None:
    try:
        return TurboJpeg(ctypes.CDLL(name))
    except (OSError, AttributeError):  # missing, or older than 2.0
        return None


def _candidates() -> Iterator[str]:
    """File names with the ABI version; `ctypes.util` would start other programs."""
    match sys.platform:
        case "darwin":
            folders = [
                Path(sys.prefix) / "lib",
                *map(Path, ("/opt/homebrew/opt/jpeg-turbo/lib", "/usr/local/opt/jpeg-turbo/lib")),
            ]
            yield from (str(folder / "libturbojpeg.0.dylib") for folder in folders)
        case "win32":
            yield from (str(Path(sys.prefix) / "Library" / "bin" / "turbojpeg.dll"), "turbojpeg.dll")
        case _:
            yield from (str(Path(sys.prefix) / "lib" / "libturbojpeg.so.0"), "libturbojpeg.so.0")
