"""Sound: dropped, or its packets copied unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import UnreadableImage, UnsupportedImage
from ..formats import VideoFormat

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

__all__ = ["copier"]

_PLAIN = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "alac"})
"""Codecs whose headers cannot contain text. Those of FLAC and Vorbis contain comments."""


def copier(source: InputContainer, target: OutputContainer, form: VideoFormat) -> Callable[[Any], None]:
    """Adds a stream for every audio stream; the returned function copies a packet into its own.

    Args:
        source: the input.
        target: the output, before anything is written.
        form: container of the output.

    Raises:
        UnsupportedImage: the sound cannot be copied without other contents of its headers.
    """
    streams = {}
    for stream in source.streams.audio:
        name = stream.codec_context.name.removesuffix("float") if stream.codec_context else "unknown"
        if not (name in _PLAIN or name.startswith("pcm_")) or not _fits(name, form):
            raise UnsupportedImage(
                f"the video's sound ({name}) cannot be copied into {form.name}; drop it with --audio drop"
            )
        streams[stream.index] = target.add_stream_from_template(stream)

    def copy(packet: Any) -> None:
        if packet.is_corrupt:
            raise UnreadableImage("a packet of the video's sound is damaged")
        packet.stream = streams[packet.stream.index]
        target.mux(packet)

    return copy


def _fits(name: str, form: VideoFormat) -> bool:
    if form is VideoFormat.WEBM:
        return name == "opus"
    return not (form is VideoFormat.MP4 and name.startswith("pcm_"))
