"""Long clips of faces at 1080p, made in seconds: the packets of a short loop are repeated."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from checked import read_rgb
from samples import SCENES

__all__ = ["long_clip"]

_SIZE_WH = (1920, 1080)
_LOOP_FRAMES, _LOOP_RATE = 300, 30
_TIME_BASE = Fraction(1, 90000)


def long_clip(path: Path, frames: int, rate: int) -> None:
    """Writes an MP4 in which twelve faces slide over a photo and back, again and again.

    Args:
        path: of the file.
        frames: their number.
        rate: frames per second.
    """
    import av

    step = _TIME_BASE.denominator // rate
    loop, template = _loop()
    with av.open(path, "w") as out, av.open(template) as source:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, (data, is_key) in enumerate(islice(cycle(loop), frames)):
            packet = av.Packet(data)
            packet.pts = packet.dts = number * step
            packet.duration, packet.time_base = step, _TIME_BASE
            packet.stream, packet.is_keyframe = stream, is_key
            out.mux(packet)


def _loop() -> tuple[list[tuple[bytes, bool]], io.BytesIO]:
    """The packets of the loop, without frames that refer to later ones, and the file that holds them."""
    import av

    file = io.BytesIO()
    options = {"preset": "veryfast", "crf": "23", "bf": "0", "g": str(_LOOP_FRAMES)}
    with av.open(file, "w", format="mp4") as out:
        stream: Any = out.add_stream("libx264", rate=_LOOP_RATE, options=options)
        stream.width, stream.height = _SIZE_WH
        stream.pix_fmt, stream.time_base = "yuv420p", _TIME_BASE
        for number, pixels in enumerate(_pixels()):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number * _TIME_BASE.denominator // _LOOP_RATE, _TIME_BASE
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as source:
        packets = [(bytes(part), bool(part.is_keyframe)) for part in source.demux(video=0) if part.size]
    file.seek(0)
    return packets, file


def _pixels() -> Any:
    """The frames of the loop, `(1080, 1920, 3)` each."""
    ground: npt.NDArray[Any] = cv2.resize(read_rgb(SCENES / "market.jpg"), _SIZE_WH)
    faces = read_rgb(SCENES / "faces.png")
    height, width = faces.shape[:2]
    for number in range(_LOOP_FRAMES):
        way = (1 - np.cos(2 * np.pi * number / _LOOP_FRAMES)) / 2
        left, top = round(way * (_SIZE_WH[0] - width)), round(200 + 400 * way)
        frame = ground.copy()
        frame[top : top + height, left : left + width] = faces
        yield frame
