"""Tiny videos, made by the tests themselves: a red square is the face."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from unionveil.detections import Detections, RgbImage

__all__ = ["RED", "Clip", "find_red", "made", "moving", "packets", "stamps"]

RED = (230, 30, 30)
Frames = Sequence[npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Clip:
    """How a clip is made.

    Attributes:
        form: FFmpeg's name of the container.
        codec: FFmpeg's name of the encoder.
        pixel_format: of the encoded samples.
        time_base: seconds per unit of a time stamp.
        step: units per frame.
        pts: time stamps; by default one per `step`.
        turn: degrees by which viewers turn the frames.
        sound: codec of a stream of sound; empty for none.
        metadata: of the container.
        options: of the encoder.
        muxer: options of the container.
        streams: number of streams of pictures.
        colours: primaries, transfer, matrix.
    """

    form: str = "mp4"
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    time_base: Fraction = Fraction(1, 90000)
    step: int = 3000
    pts: tuple[int, ...] = ()
    turn: int = 0
    sound: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    muxer: dict[str, str] = field(default_factory=dict)
    streams: int = 1
    colours: tuple[int, int, int] = (1, 1, 1)


def moving(
    count: int,
    size_wh: tuple[int, int] = (96, 64),
    *,
    start: int = 8,
    speed: int = 2,
    hidden: Iterable[int] = (),
) -> Frames:
    """Frames with a textured ground, on which a red square of 20 px moves to the right, in some unseen."""
    width, height = size_wh
    ground = np.random.default_rng(1).integers(60, 190, (height // 4, width // 4, 1), np.uint8)
    ground = np.repeat(ground.repeat(4, 0).repeat(4, 1), 3, axis=2)
    frames = []
    for number in range(count):
        frame = ground.copy()
        if number not in set(hidden):
            left = start + speed * number
            frame[20:40, left : left + 20] = RED
        frames.append(frame)
    return frames


def made(frames: Frames, clip: Clip = Clip()) -> bytes:
    """The file of a clip."""
    import av

    file = io.BytesIO()
    scale = str(clip.time_base.denominator)
    options = {"video_track_timescale": scale, "movie_timescale": scale, **clip.muxer}
    with av.open(
        file, "w", format=clip.form, options=options if clip.form in ("mp4", "mov") else clip.muxer
    ) as out:
        out.metadata.update(clip.metadata)
        streams = [_stream(out, frames[0], clip) for _ in range(clip.streams)]
        sound = out.add_stream(clip.sound, rate=48000) if clip.sound else None
        for number, pixels in enumerate(frames):
            for stream in streams:
                out.mux(stream.encode(_frame(pixels, number, clip)))
        for stream in streams:
            out.mux(stream.encode(None))
        if sound is not None:
            _add_sound(out, sound, len(frames) * clip.step * clip.time_base)
    return file.getvalue()


def _stream(out: Any, pixels: npt.NDArray[np.uint8], clip: Clip) -> Any:
    primaries, transfer, matrix = (str(number) for number in clip.colours)
    colours = {"color_primaries": primaries, "color_trc": transfer, "colorspace": matrix}
    quality = {"crf": "12", "preset": "veryfast"} if clip.codec == "libx264" else {}
    stream = out.add_stream(clip.codec, rate=30, options={**quality, **colours, **clip.options})
    stream.width, stream.height = pixels.shape[1], pixels.shape[0]
    stream.pix_fmt = clip.pixel_format
    stream.time_base = stream.codec_context.time_base = clip.time_base
    if clip.turn:
        stream.set_display_rotation(clip.turn)
    return stream


def _frame(pixels: npt.NDArray[np.uint8], number: int, clip: Clip) -> Any:
    import av

    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
        format=clip.pixel_format, dst_colorspace=clip.colours[2] if clip.colours[2] in (1, 9) else 5
    )
    frame.pts = clip.pts[number] if clip.pts else number * clip.step
    frame.time_base = clip.time_base
    return frame


def _add_sound(out: Any, stream: Any, seconds: Fraction) -> None:
    import av

    noise = np.random.default_rng(2).normal(0, 0.1, (1, 1024)).astype(np.float32)
    for number in range(int(seconds * 48000) // 1024):
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, number * 1024
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def find_red(image: RgbImage) -> Detections:
    """The detector of these clips: the box around everything that is red."""
    pixels = image.astype(np.int16)
    is_red = (pixels[..., 0] > 150) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)
    if is_red.sum() < 50:
        return Detections.empty()
    rows, columns = np.flatnonzero(is_red.any(axis=1)), np.flatnonzero(is_red.any(axis=0))
    return Detections.of([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], [0.9])


def stamps(data: bytes) -> list[int]:
    """Time stamps of all frames, in 90,000ths of a second."""
    import av

    with av.open(io.BytesIO(data)) as file:
        return [round(frame.pts * frame.time_base * 90000) for frame in file.decode(video=0)]


def packets(data: bytes) -> list[bytes]:
    """The bytes of all packets of sound."""
    import av

    with av.open(io.BytesIO(data)) as file:
        return [bytes(packet) for packet in file.demux(audio=0) if packet.size]
