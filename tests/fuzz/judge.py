"""What an output gives away: markers, and faces that any of several decoders shows, also where none looks."""

from __future__ import annotations

import io
import re
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import cv2
import numpy as np
import pillow_heif
import tifffile
from PIL import Image, ImageFile, ImageSequence

from .seeds import UNIT, chunks

Find = Callable[[np.ndarray], float]
"""The score of the surest face of `(H, W, 3)` uint8."""

Decoder = Callable[[bytes], Iterator[tuple[str, np.ndarray]]]
"""Bytes to the names of looks and `(H, W, 3)` uint8."""

_SURE = 0.85
"""A face of this score counts as come out: our threshold is lower, so decoders may differ a little."""

_MOST_PIXELS = 4e6
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")


def markers(data: bytes) -> list[str]:
    """Whether a marker is in the bytes, plain or as text, or in a compressed chunk, but not as samples."""
    found = []
    for form, unit in _FORMS.items():
        places = [match.start() for match in re.finditer(re.escape(unit), data)]
        if any(not _is_sample(data, place, len(unit)) for place in places):
            found.append(f"marker as {form}")
    for kind, body in chunks(data) if data.startswith(b"\x89PNG") else ():
        if kind in (b"iCCP", b"zTXt"):
            with suppress(zlib.error, ValueError):
                text = zlib.decompress(body[body.index(b"\0") + 2 :])
                found += [f"marker in {kind!r}" for unit in _FORMS.values() if unit in text]
    return found


_FORMS = {
    "bytes": UNIT,
    "reversed": UNIT[::-1],
    "hex": UNIT.hex().encode(),
    "utf-16-le": UNIT.decode("latin-1").encode("utf-16-le"),
    "utf-16-be": UNIT.decode("latin-1").encode("utf-16-be"),
    "name": b"SECRETNAME",
    "canary": b"Zq7CaNaRy",
}


def _is_sample(data: bytes, place: int, length: int) -> bool:
    """Whether a decoder turns these bytes into pixels, or they are a JPEG's quantization steps.

    Damage can move a marker into coded samples, where it becomes a part of the picture that was seen. Each
    bit of such bytes matters to what a decoder shows, or to whether it shows anything.
    """
    if data.startswith(b"\xff\xd8") and _in_quantization_table(data, place, length):
        return True
    shown = _digest(data)
    for at in (place, place + length // 2):
        changed = bytearray(data)
        changed[at] ^= 0x55
        if _digest(bytes(changed)) == shown:
            return False
    return True


def _in_quantization_table(data: bytes, place: int, length: int) -> bool:
    at = 2
    while data[at : at + 1] == b"\xff" and at < place:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xDB and at + 5 <= place and place + length <= end:
            return True
        at = end
    return False


def _digest(data: bytes) -> list[tuple[str, int]]:
    return [(way, zlib.crc32(pixels.tobytes())) for way, pixels in _decoded(data, *_DECODERS)]


def faces(data: bytes, find: Find) -> list[str]:
    """The decoders, and the ways to look behind a header, that show a face."""
    found, seen = [], []
    for way, pixels in _looks(data):
        small = cv2.resize(pixels, (32, 32), interpolation=cv2.INTER_AREA).astype(int)
        if any(np.abs(small - other).mean() < 1 for other in seen):
            continue
        seen.append(small)
        if find(pixels) >= _SURE:
            found.append(f"face by {way}")
    return found


def brightest(data: bytes) -> int:
    """The brightest level that any decoder shows where all was covered with black."""
    # OpenCV and tifffile give the inks of a TIFF as they are.
    decoders = (_by_pillow, _by_libheif, _by_ffmpeg) if data[:2] in (b"II", b"MM") else _DECODERS
    return max(
        (int(pixels.max()) for way, pixels in _decoded(data, *decoders) if not way.endswith("alpha")),
        default=0,
    )


def _looks(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    yield from _decoded(data, *_DECODERS)
    for way, changed in _unhidden(data):
        for name, pixels in _decoded(changed, _by_pillow, _by_opencv):
            yield f"{name} {way}", pixels


def _decoded(data: bytes, *decoders: Decoder) -> Iterator[tuple[str, np.ndarray]]:
    for decoder in decoders:
        with suppress(Exception), _quiet():  # what a decoder cannot read it does not show
            yield from decoder(data)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _tolerant() -> Iterator[None]:
    """Pillow shows what it can read of damaged files; our own readers run outside of this."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _rgb(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return np.ascontiguousarray(
        np.broadcast_to(pixels[..., : 3 if pixels.shape[2] >= 3 else 1], (*pixels.shape[:2], 3))
    )


def _by_pillow(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    with _tolerant(), Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > _MOST_PIXELS:
            return
        for frame in ImageSequence.Iterator(image):
            with suppress(Exception):
                frame.load()
            yield "pillow", np.asarray(frame.convert("RGB"))
            if frame.mode in ("RGBA", "LA", "PA", "P"):
                pixels = np.asarray(frame.convert("RGBA"))
                yield "pillow", _rgb(pixels)
                yield "pillow's alpha", _rgb(pixels[..., 3])


def _by_opencv(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    buffer = np.frombuffer(data, np.uint8)
    decoded = [cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)]
    if data.startswith((b"II", b"MM")):
        decoded += cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED)[1]
    elif data.startswith((b"GIF", b"RIFF", b"\x89PNG")) or data[4:8] == b"ftyp":
        animation = cv2.imdecodeanimation(buffer.reshape(1, -1))[1]
        decoded += [*animation.frames, animation.still_image]
    for pixels in decoded:
        if pixels is not None and pixels.size:
            rgb = _rgb(pixels)
            yield "opencv", np.ascontiguousarray(rgb[..., ::-1])
            if pixels.ndim == 3 and pixels.shape[2] == 4:
                yield "opencv's alpha", _rgb(pixels[..., 3])


def _by_tifffile(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    if not data.startswith((b"II", b"MM")):
        return
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        for page in file.pages:
            for part in (page, *(page.pages or ())):
                pixels = part.asarray()
                if pixels.ndim == 3 and pixels.shape[0] in (3, 4) and pixels.shape[2] > 4:
                    pixels = pixels.transpose(1, 2, 0)
                yield "tifffile", _rgb(pixels.astype(np.uint8 if pixels.dtype == bool else pixels.dtype))


def _by_libheif(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    if data[4:8] != b"ftyp":
        return
    for image in pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True):
        yield "libheif", _rgb(np.asarray(image))
        for thumbnail in image.info.get("thumbnails", ()):
            yield f"libheif thumbnail {thumbnail}", _rgb(np.asarray(image))


def _by_ffmpeg(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """FFmpeg, which OpenCV brings, reads files alone."""
    if data[4:8] != b"ftyp":
        return
    with tempfile.NamedTemporaryFile(suffix=".heic") as file:
        file.write(data)
        file.flush()
        capture = cv2.VideoCapture(file.name, cv2.CAP_FFMPEG)
        for _ in range(8):
            done, pixels = capture.read()
            if not done:
                break
            yield "ffmpeg", np.ascontiguousarray(pixels[..., ::-1])
        capture.release()


def _unhidden(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Files that a curious person makes of a file: embedded ones, and ones of more rows."""
    for signature in _SIGNATURES:
        place = data.find(signature, 1)
        tries = 0
        while place > 0 and tries < 4:
            if not _is_sample(data, place, len(signature)):
                yield "embedded", data[place:]
            place, tries = data.find(signature, place + 1), tries + 1
    if data.startswith(b"\xff\xd8"):
        for marker in (b"\xff\xc0", b"\xff\xc1", b"\xff\xc2"):
            place = data.find(marker)
            if 0 < place < len(data) - 9:
                (height,) = struct.unpack_from(">H", data, place + 5)
                yield (
                    "with more rows",
                    data[: place + 5] + struct.pack(">H", min(65000, height * 2 + 16)) + data[place + 7 :],
                )
        # Later scans of a file that was baseline are another picture.
        start, last = data.find(b"\xff\xda"), data.rfind(b"\xff\xda")
        if data.find(b"\xff\xc2") < 0 < start < last:
            yield "with its last scan", data[:start] + data[last:]
    if data.startswith(b"\x89PNG"):
        yield from _more_rows_of_png(data)
    if data.startswith(b"GIF8"):
        place = data.find(b"\x2c" + bytes(4))
        if place > 0:
            taller = struct.pack("<H", 520)
            yield "with more rows", data[:8] + taller + data[10 : place + 7] + taller + data[place + 9 :]


def _more_rows_of_png(data: bytes) -> Iterator[tuple[str, bytes]]:
    from .seeds import join

    parts = chunks(data)
    header = dict(parts).get(b"IHDR", b"")
    if len(header) == 13:
        taller = header[:4] + struct.pack(">I", 2 * int.from_bytes(header[4:8], "big")) + header[8:]
        yield "with more rows", join([(kind, taller if kind == b"IHDR" else body) for kind, body in parts])


_DECODERS = (_by_pillow, _by_opencv, _by_tifffile, _by_libheif, _by_ffmpeg)
