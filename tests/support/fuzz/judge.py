"""Finds leaks in an output: markers, and faces that any of several decoders shows, hidden places included."""

from __future__ import annotations

import io
import re
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

import cv2
import numpy as np
import pillow_heif
import tifffile
from PIL import Image, ImageFile, ImageSequence

from .seeds import UNIT, chunks, join, riff, riff_chunks, with_tiff_height

Find = Callable[[np.ndarray], float]
"""The highest score of a face in `(H, W, 3)` uint8."""

Decoder = Callable[[bytes], Iterator[tuple[str, np.ndarray]]]
"""Bytes to names of views and `(H, W, 3)` uint8."""

_SURE = 0.97
"""A face with this score counts as leaked: our threshold is lower, so decoders may differ a little.
The network's own score of .85 becomes this if six candidates agree."""

_MOST_PIXELS = 4e6
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"RIFF", b"II*\0", b"MM\0*")


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

    Damage can move a marker into coded samples, where it becomes a part of the picture that the detector saw.
    Each bit of such bytes changes what a decoder shows, or whether it shows anything.
    """
    if data.startswith(b"\xff\xd8") and _in_quantization_table(data, place, length):
        return True
    shown = _digest(data)
    return all(_digest(_flipped(data, at)) != shown for at in (place, place + length // 2))


def _flipped(data: bytes, at: int) -> bytes:
    """The file with one byte changed, and a PNG's checksum corrected."""
    changed = bytearray(data)
    changed[at] ^= 0x55
    if not data.startswith(b"\x89PNG"):
        return bytes(changed)
    start = 8
    while start + 8 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        if start + 4 <= at < end <= len(data) - 4:
            changed[end : end + 4] = zlib.crc32(changed[start + 4 : end]).to_bytes(4, "big")
        start = end + 4
    return bytes(changed)


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
    """The decoders, and the changes of a header, that show a face."""
    found: list[str] = []
    seen: list[np.ndarray] = []
    for way, pixels in _looks(data):
        small = cv2.resize(pixels, (32, 32), interpolation=cv2.INTER_AREA).astype(int)
        if any(np.abs(small - other).mean() < 1 for other in seen):
            continue
        seen.append(small)
        if find(pixels) >= _SURE:
            found.append(f"face by {way}")
    return found


def brightest(data: bytes) -> int:
    """The brightest level that any decoder shows although everything was covered with black."""
    # OpenCV and tifffile return the inks of a TIFF unchanged.
    decoders = (_by_pillow, _by_libheif, _by_ffmpeg) if data[:2] in (b"II", b"MM") else _DECODERS
    return max(
        (int(pixels.max()) for way, pixels in _decoded(data, *decoders) if "'" not in way),
        default=0,
    )


def _looks(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    yield from _decoded(data, *_DECODERS)
    for way, changed, top in _unhidden(data):
        for name, pixels in _decoded(changed, _by_pillow, _by_opencv):
            if pixels.shape[0] > top:
                yield f"{name} {way}", np.ascontiguousarray(pixels[top:])


def _decoded(data: bytes, *decoders: Decoder) -> Iterator[tuple[str, np.ndarray]]:
    for decoder in decoders:
        with suppress(Exception), _quiet():  # a decoder that cannot read a file shows nothing
            yield from decoder(data)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _tolerant() -> Iterator[None]:
    """Pillow shows as much as it can read of damaged files; our own readers run outside this context."""
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
            if pixels.dtype == np.uint16:
                yield "opencv's low bytes", _rgb(pixels.astype(np.uint8))


def _by_tifffile(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    if not data.startswith((b"II", b"MM")):
        return
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        for page in file.pages:
            for part in (page, *(page.pages or ())):
                pixels = part.asarray()
                if pixels.ndim == 3 and pixels.shape[0] in (3, 4) and pixels.shape[2] > 4:
                    pixels = pixels.transpose(1, 2, 0)
                yield "tifffile", _rgb(pixels.astype(np.uint8) if pixels.dtype == bool else pixels)
                if pixels.dtype == np.uint16:
                    yield "tifffile's low bytes", _rgb(pixels.astype(np.uint8))


def _by_libheif(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    if data[4:8] != b"ftyp":
        return
    for image in pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True):
        yield "libheif", _rgb(np.asarray(image))
        thumbnails: Any = image.info.get("thumbnails", ())
        for thumbnail in thumbnails:
            yield f"libheif thumbnail {thumbnail}", _rgb(np.asarray(image))


def _by_ffmpeg(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """FFmpeg, as part of OpenCV, only reads files."""
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


def _unhidden(data: bytes) -> Iterator[tuple[str, bytes, int]]:
    """Pictures that one could find in a file, and the first new row: embedded files, more rows..."""
    for signature in _SIGNATURES:
        for match in islice(re.finditer(re.escape(signature), data[1:]), 4):
            if not _is_sample(data, match.start() + 1, len(signature)):
                yield "embedded", data[match.start() + 1 :], 0
    if data.startswith(b"\xff\xd8"):
        yield from _more_of_jpeg(data)
    elif data.startswith(b"\x89PNG"):
        yield from _more_of_png(data)
    elif data.startswith(b"GIF8"):
        place = data.find(b"\x2c" + bytes(4))
        (height,) = struct.unpack_from("<H", data, 8)
        tall = struct.pack("<H", min(2 * height, 5000))
        if place > 0:
            taller = data[:8] + tall + data[10 : place + 7] + tall + data[place + 9 :]
            yield "with more rows", taller, height
    elif data.startswith(b"RIFF"):
        for kind, body in riff_chunks(data)[1:]:
            if kind in (b"VP8 ", b"VP8L"):
                yield "with a later picture", riff([(kind, body)]), 0
    elif data.startswith(b"BM"):
        (height,) = struct.unpack_from("<i", data, 22)
        yield (
            "with more rows",
            data[:22] + struct.pack("<i", max(-5000, min(2 * height, 5000))) + data[26:],
            0,
        )
    elif data.startswith(b"II*\0"):
        with suppress(struct.error), tifffile.TiffFile(io.BytesIO(data)) as file:
            height = file.pages.first.imagelength
            yield "with more rows", with_tiff_height(data, min(2 * height, 5000)), height
    elif data[4:8] == b"ftyp":
        shown = re.sub(rb"(infe[\0-\x03])\0\0\x01", rb"\1\0\0\0", data.replace(b"clap", b"free"))
        if shown != data:
            yield "with hidden items and crops", shown, 0


def _more_of_jpeg(data: bytes) -> Iterator[tuple[str, bytes, int]]:
    for marker in (b"\xff\xc0", b"\xff\xc1", b"\xff\xc2"):
        place = data.find(marker)
        if 0 < place < len(data) - 12:
            (height,) = struct.unpack_from(">H", data, place + 5)
            tall = struct.pack(">H", min(65000, height * 2 + 16))
            # The rest of partly shown blocks is in the file.
            unit = 8 * max(1, min(4, data[place + 11] & 15))
            yield "with more rows", data[: place + 5] + tall + data[place + 7 :], -(-height // unit) * unit
    start, last = data.find(b"\xff\xda"), data.rfind(b"\xff\xda")
    if data.find(b"\xff\xc2") < 0 < start < last:
        yield "with its last scan alone", data[:start] + data[last:], 0


def _more_of_png(data: bytes) -> Iterator[tuple[str, bytes, int]]:
    parts = chunks(data)
    kinds = [kind for kind, _ in parts]
    header = dict(parts).get(b"IHDR", b"")
    if len(header) != 13:
        return
    height = int.from_bytes(header[4:8], "big")
    taller = header[:4] + struct.pack(">I", 2 * height) + header[8:]
    more = join([(kind, taller if kind == b"IHDR" else body) for kind, body in parts])
    yield "with more rows", more, height
    frames = [(b"IDAT", body[4:]) for kind, body in parts if kind == b"fdAT"]
    late = [part for part, before in zip(parts[1:], kinds, strict=False) if part[0] == b"IDAT" != before]
    for pixels in [*frames, *late[1:]]:
        others = [part for part in parts[:-1] if part[0] in (b"PLTE", b"tRNS")]
        yield "with other pixels", join([(b"IHDR", header), *others, pixels, (b"IEND", b"")]), 0
    if kinds.count(b"IHDR") > 1:
        yield "with its last header", join(parts[len(kinds) - 1 - kinds[::-1].index(b"IHDR") :]), 0


_DECODERS = (_by_pillow, _by_opencv, _by_tifffile, _by_libheif, _by_ffmpeg)
