"""The second pass: covers and encodes frames, and writes them with the input's time stamps."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from ..config import AudioHandling, VideoCodec
from ..detections import Detections
from ..errors import UnreadableImage, UnsupportedImage
from ..formats import VideoFormat
from ..images import Colour, Frame, Patch
from .codecs import Encoder, encoder_of, open_output
from .plan import Plan
from .planes import lay, rgb_of
from .priority import ordinary_priority
from .proof import Proof
from .reader import Reader
from .sound import copier

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer

__all__ = ["Cover", "Target", "write"]

Cover = Callable[[Frame, Detections], Sequence[Patch]]
"""New pixels for the faces of a frame."""

_MUXERS = {
    VideoFormat.MP4: "mp4",
    VideoFormat.MOV: "mov",
    VideoFormat.MKV: "matroska",
    VideoFormat.WEBM: "webm",
}


@dataclass(frozen=True)
class Target:
    """How an output is written.

    Attributes:
        form: its container.
        codec: as in the settings.
        crf: constant rate factor; None uses the codec's default.
        audio: what happens to the sound.
    """

    form: VideoFormat
    codec: VideoCodec
    crf: int | None
    audio: AudioHandling


def write(
    reader: Reader, plan: Plan, cover: Cover, target: Target, file: BinaryIO, proof: Proof
) -> Generator[float, None, None]:
    """Writes the whole output.

    Args:
        reader: the input.
        plan: boxes and time stamps of the first pass.
        cover: returns the patches of a frame.
        target: how to write the output.
        file: receives the bytes; seekable.
        proof: stores sketches of what the encoder gets.

    Yields:
        Finished seconds of the video.

    Raises:
        UnreadableImage: the frames are not those of the first pass.
        UnsupportedImage: the codec does not support the video.
    """
    encoder = encoder_of(target.form, target.codec)
    with _refusals(encoder.codec):
        yield from _written(reader, plan, cover, target, encoder, file, proof)


@contextmanager
def _refusals(codec: str) -> Iterator[None]:
    """Turns errors of an encoder into that of a video which is not supported; those of the file stay."""
    import av

    try:
        yield
    except av.error.FFmpegError as error:
        if isinstance(error, OSError | MemoryError):
            raise
        raise UnsupportedImage(f"the codec {codec} cannot encode the video: {error.strerror}") from error


def _written(
    reader: Reader,
    plan: Plan,
    cover: Cover,
    target: Target,
    encoder: Encoder,
    file: BinaryIO,
    proof: Proof,
) -> Generator[float, None, None]:
    """As `write`, with the errors of FFmpeg."""
    import av

    options = {"fflags": "+bitexact", "movflags": "+write_colr"}
    scale = str(reader.shape.time_base.denominator)
    # An edit list states the first picture's time in units of the movie, the others' in units of the track.
    options |= {"video_track_timescale": scale, "movie_timescale": scale}
    output = av.open(file, "w", format=_MUXERS[target.form], options=_known(target.form, options))
    try:
        stream = open_output(output, encoder, reader.shape, target.crf)
        copy = copier(reader.container, output, target.form) if target.audio == "keep" else _leave_out
        with ordinary_priority():
            output.start_encoding()
        mux = _Muxer(output, stream, plan)
        for frame, faces in _planned(reader, plan, copy):
            if len(faces):
                _cover(frame, faces, cover, reader)
            proof.add(frame, faces)
            mux(frame)
            yield float((frame.pts or 0) * reader.shape.time_base)
        mux(None)
    finally:
        output.close()


def _known(form: VideoFormat, options: dict[str, str]) -> dict[str, str]:
    """The options that a muxer knows."""
    names = ("fflags",) if form in (VideoFormat.MKV, VideoFormat.WEBM) else options
    return {name: options[name] for name in names}


def _leave_out(_: Any) -> None:
    """Drops an audio packet."""


def _planned(
    reader: Reader, plan: Plan, copy: Callable[[Any], None]
) -> Iterator[tuple[av.VideoFrame, Detections]]:
    """Frames with their boxes.

    Raises:
        UnreadableImage: the frames differ from those of the first pass, or their number does.
    """
    changed = UnreadableImage("the video changed while it was read; start again")
    stamps = iter(plan.pts.tolist())
    faces = plan.faces()
    for frame in reader.frames(copy):
        if next(stamps, None) != frame.pts:
            raise changed
        yield frame, next(faces)
    if next(stamps, None) is not None:
        raise changed


def _cover(frame: av.VideoFrame, faces: Detections, cover: Cover, reader: Reader) -> None:
    """Draws the covers of a frame, in place."""
    colours = reader.shape.colours
    deep = frame.format.components[0].bits > 8
    pixels = rgb_of(frame, colours, deep=deep)
    lay(frame, cover(Frame(pixels, Colour.RGB), faces), colours)


class _Muxer:
    """Encodes frames and writes packets with the durations of the input."""

    def __init__(self, output: OutputContainer, stream: Any, plan: Plan) -> None:
        self._output = output
        self._stream = stream
        self._durations = dict(zip(plan.pts.tolist(), plan.durations.tolist(), strict=True))

    def __call__(self, frame: av.VideoFrame | None) -> None:
        if frame is not None:
            frame.pict_type = 0  # the encoder chooses key frames
        for packet in self._stream.encode(frame):
            duration = self._durations.get(packet.pts, 0)
            if duration:
                packet.duration = duration
            self._output.mux(packet)
