"""Reads the frames of a video in order, upright; refuses by name what it cannot handle completely."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import ImageTooLarge, UnreadableImage, UnsupportedImage, cannot_be_read
from .colours import matrix_of
from .planes import upright
from .shape import Colours, Shape

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

__all__ = ["THREADS", "Reader", "damage", "reading"]

THREADS = 2
"""Threads of a decoder; each holds a few more frames."""

_PIXEL_FORMATS = frozenset(
    f"{family}{depth}"
    for family in ("yuv420p", "yuv422p", "yuv444p", "gray")
    for depth in ("", "10le", "12le")
)
_FULL_RANGE = {f"yuvj{part}p": f"yuv{part}p" for part in ("420", "422", "444")}

_PROGRESSIVE = (0, 1)
"""FFmpeg's AVFieldOrder: unknown and progressive; all other values are fields."""

_TURNS = {(1, 0, 0, 1): 0, (0, 1, -1, 0): 1, (-1, 0, 0, -1): 2, (0, -1, 1, 0): 3}
"""Quarter turns clockwise, from the matrix of a track (ISO/IEC 14496-12, 6.2.2): a, b, c, d."""

_ANGLE_TOLERANCE = 0.01


@dataclass(frozen=True)
class Reader:
    """An open video.

    Attributes:
        container: PyAV's container.
        shape: of its pictures.
        frames_claimed: number of frames that the container claims; 0 if it claims none.
    """

    container: InputContainer
    shape: Shape
    frames_claimed: int

    @property
    def stream(self) -> Any:
        """The video stream."""
        return _pictures(self.container)[0]

    def frames(self, on_packet: Callable[[Any], None] = lambda _: None) -> Iterator[av.VideoFrame]:
        """All frames in display order, upright.

        Args:
            on_packet: called with every audio packet, in order.

        Raises:
            UnreadableImage: a frame is damaged, or has no time stamp.
            UnsupportedImage: frames are interlaced, or change their size or format.
        """
        last: int | None = None
        with damage():
            for packet in self.container.demux():
                if packet.stream.type == "audio":
                    if packet.dts is not None:
                        on_packet(packet)
                elif packet.stream.index == self.stream.index:
                    for frame in _decoded(packet):
                        self._check(frame, last)
                        last = frame.pts
                        yield upright(frame, self.shape)

    def _check(self, frame: av.VideoFrame, last: int | None) -> None:
        if frame.is_corrupt:
            raise UnreadableImage("a frame of the video is damaged")
        if frame.interlaced_frame:
            raise UnsupportedImage("the video is interlaced; deinterlace it first")
        if (frame.width, frame.height) != self.shape.stored_wh:
            raise UnsupportedImage("the video changes its size; cut it where the size changes")
        if frame.format.name != self.shape.pixel_format:
            raise UnsupportedImage("the video changes its pixel format; cut it where the format changes")
        if frame.pts is None or (last is not None and frame.pts <= last):
            raise UnreadableImage("the video's time stamps do not increase from frame to frame")


@contextmanager
def reading(file: BinaryIO, max_pixels: float) -> Iterator[Reader]:
    """Opens a video for reading.

    Args:
        file: at its start and seekable.
        max_pixels: a larger frame is refused.

    Raises:
        UnreadableImage: it cannot be opened, or contains no video.
        UnsupportedImage: its kind is not supported: interlaced, encrypted, with alpha, with several video
            streams, or rotated by an odd angle.
        ImageTooLarge: its frames have more pixels.
    """
    with _opened(file) as container:
        # Reopened for all frames: a seek may lose those before the start of an edit.
        shape = _shape(container, _picture(container, max_pixels))
    with _opened(file) as container:
        stream = _picture(container, max_pixels)
        yield Reader(container, shape, stream.frames)


@contextmanager
def _opened(file: BinaryIO) -> Iterator[InputContainer]:
    import av

    file.seek(0)
    with damage():
        container = av.open(file, "r", metadata_errors="ignore")
    try:
        yield container
    finally:
        container.close()


def _picture(container: InputContainer, max_pixels: float) -> Any:
    """The video stream, ready for decoding."""
    streams = _pictures(container)
    if not streams:
        raise UnreadableImage("the file contains no video")
    if len(streams) > 1:
        raise UnsupportedImage(
            f"the file contains {len(streams)} video streams, but only one is supported; export that one"
        )
    stream = streams[0]
    context = stream.codec_context
    if context is None or not context.width or not context.height:
        raise UnreadableImage("the video is encrypted or has an unknown codec")
    if context.width * context.height > max_pixels:
        raise ImageTooLarge(context.width * context.height, int(max_pixels))
    context.thread_count, context.thread_type = THREADS, "AUTO"
    # PyAV 17 does not report this for a stream, so every frame is checked as well.
    if getattr(context, "field_order", _PROGRESSIVE[0]) not in _PROGRESSIVE:
        raise UnsupportedImage("the video is interlaced; deinterlace it first")
    return stream


def _decoded(packet: Any) -> list[av.VideoFrame]:
    """The frames that a packet completes."""
    frames: list[av.VideoFrame] = packet.decode()
    return frames


def _pictures(container: InputContainer) -> list[Any]:
    """The video streams, without cover art."""
    attached = _attached_flag()
    return [stream for stream in container.streams.video if not stream.disposition & attached]


def _attached_flag() -> Any:
    from av.stream import Disposition

    return Disposition.attached_pic | Disposition.timed_thumbnails


def _shape(container: InputContainer, stream: Any) -> Shape:
    with damage():
        frame: av.VideoFrame | None = next(iter(container.decode(stream)), None)
    if frame is None:
        raise UnreadableImage("the video contains no frame that can be decoded")
    name = frame.format.name
    if _has_alpha(stream, name):
        raise UnsupportedImage(
            "the video has an alpha channel, which an output would lose; export it without one"
        )
    if name not in _PIXEL_FORMATS and name not in _FULL_RANGE:
        raise UnsupportedImage(f"the video's pixel format {name} is not handled; convert it to yuv420p")
    turns, mirrored = _orientation(frame)
    is_full = name in _FULL_RANGE or int(frame.color_range) == 2
    colours = Colours(int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace), is_full)
    matrix_of(colours, (frame.width, frame.height))
    seconds = float(stream.duration * stream.time_base) if stream.duration else 0.0
    if not seconds and container.duration:
        seconds = container.duration / 1e6
    return Shape(
        (frame.width, frame.height),
        turns,
        mirrored,
        name,
        Fraction(stream.time_base),
        Fraction(stream.average_rate or stream.guessed_rate or 25),
        Fraction(stream.sample_aspect_ratio or 0),
        colours,
        seconds,
    )


def _has_alpha(stream: Any, pixel_format: str) -> bool:
    # WebM stores alpha in separate blocks, which its decoder skips.
    in_blocks = stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE", "0")) not in ("", "0")
    return in_blocks or pixel_format.startswith(
        ("yuva", "ya", "rgba", "bgra", "argb", "abgr", "gbrap", "pal8")
    )


def _orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """Quarter turns clockwise, and whether the frame is mirrored first.

    Raises:
        UnsupportedImage: it is rotated by another angle.
    """
    parts: Any = frame.side_data
    data = next((bytes(part) for part in parts if part.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return 0, False
    a, b, _, c, d, *_ = (value / (1 << 16) for value in struct.unpack("=9i", data[:36]))
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    for turn, quarter in _TURNS.items():
        if all(
            abs(value - wanted) < _ANGLE_TOLERANCE for value, wanted in zip((a, b, c, d), turn, strict=True)
        ):
            return quarter, mirrored
    raise UnsupportedImage("the video is rotated by an angle other than a quarter turn; export it upright")


@contextmanager
def damage() -> Iterator[None]:
    """Turns errors of a decoder, and of the file that it reads, into those of picture readers.

    Raises:
        UnreadableImage: the file is damaged, or cannot be read.
        MemoryError: the decoder needs more memory than there is.
    """
    import av

    try:
        yield
    except (av.error.FFmpegError, EOFError) as error:  # some of them are errors of the system too
        if getattr(error, "errno", None) == errno.ENOMEM:
            raise MemoryError from error
        what = getattr(error, "strerror", None) or type(error).__name__
        raise UnreadableImage(f"the video is damaged or cut off: {what}") from error
    except OSError as error:
        raise UnreadableImage(cannot_be_read(error)) from error
