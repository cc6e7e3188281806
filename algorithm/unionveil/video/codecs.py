"""Chooses an encoder and its settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..config import H264_MOST_CRF, VideoCodec
from ..errors import UnsupportedImage
from ..formats import VideoFormat
from .shape import Shape

if TYPE_CHECKING:
    from av.container import OutputContainer

__all__ = ["Encoder", "check_encoder", "container_of", "encoder_of", "open_output"]

_WITH_H264 = (VideoFormat.MP4, VideoFormat.MOV, VideoFormat.MKV)


@dataclass(frozen=True)
class Encoder:
    """An encoder of FFmpeg.

    Attributes:
        codec: its name in the settings.
        name: its name in FFmpeg.
        crf: default constant rate factor.
        options: limit its memory and fix its number of threads, on which the output's bytes depend.
    """

    codec: VideoCodec
    name: str
    crf: int
    options: dict[str, str]


_X264 = {
    "preset": "medium",
    "rc-lookahead": "10",
    "threads": "4",
    "x264-params": "cpu-independent=1",
}
"""Without the last one, x264's bytes differ between processors, and sometimes on the same one."""

_ENCODERS = (
    Encoder("h264", "libx264", 17, _X264),
    Encoder("av1", "libsvtav1", 24, {"preset": "8", "svtav1-params": "lp=2:lookahead=20"}),
    Encoder("vp9", "libvpx-vp9", 24, {"b": "0", "cpu-used": "4", "threads": "2", "lag-in-frames": "16"}),
)
"""At these rate factors, PSNR outside of covers stays above 38 dB in every frame of the test clips
(`docs/video.md`)."""


def container_of(container: VideoFormat, codec: VideoCodec) -> VideoFormat:
    """The container of an output: the input's, or MP4 if that cannot contain the codec.

    Args:
        container: of the input.
        codec: as in the settings.
    """
    if container is VideoFormat.WEBM:
        return VideoFormat.MP4 if codec == "h264" else VideoFormat.WEBM
    # QuickTime supports neither AV1 nor VP9.
    return VideoFormat.MP4 if container is VideoFormat.MOV and codec in ("av1", "vp9") else container


def encoder_of(container: VideoFormat, codec: VideoCodec) -> Encoder:
    """The encoder of an output.

    Args:
        container: of the output.
        codec: as in the settings; `auto` is H.264, or VP9 in WebM.
    """
    wanted = codec if codec != "auto" else "h264" if container in _WITH_H264 else "vp9"
    return next(encoder for encoder in _ENCODERS if encoder.codec == wanted)


def pixel_format_of(shape: Shape) -> str:
    """The pixel format of upright frames; their range is given by the colour tags alone."""
    name = shape.pixel_format.replace("yuvj", "yuv")
    return name.replace("422", "444") if shape.quarter_turns % 2 else name


def check_encoder(encoder: Encoder, shape: Shape, crf: int | None) -> None:
    """Refuses a video that an encoder does not support.

    Args:
        encoder: writes the pictures.
        shape: of the input.
        crf: as `open_output`.

    Raises:
        UnsupportedImage: the encoder does not support the video's samples, its size or the rate factor.
    """
    if encoder.codec == "h264" and (crf or 0) > H264_MOST_CRF:
        raise UnsupportedImage(
            f"a crf of {crf} is above {H264_MOST_CRF}, the largest of h264, which codec auto chose; lower "
            "it, or choose --codec av1 or vp9"
        )
    if _supports(encoder, shape):
        return
    able = " or ".join(other.codec for other in _ENCODERS if _supports(other, shape))
    width, height = shape.size_wh
    raise UnsupportedImage(
        f"the codec {encoder.codec} does not support the video's samples ({pixel_format_of(shape)}, "
        f"{width}x{height}); "
        + (
            f"choose --codec {able}"
            if able
            else "convert it to 8 or 10 bits, and to an even width and height"
        )
    )


def open_output(container: OutputContainer, encoder: Encoder, shape: Shape, crf: int | None) -> Any:
    """Adds the video stream to an output.

    Args:
        container: of the output.
        encoder: writes the pictures.
        shape: of the input.
        crf: constant rate factor; None uses the encoder's default.
    """
    options = {**encoder.options, "crf": str(encoder.crf if crf is None else crf), **_colour_options(shape)}
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes its settings to the terminal otherwise
    stream: Any = container.add_stream(encoder.name, rate=shape.frame_rate, options=options)
    context = stream.codec_context
    context.width, context.height = shape.size_wh
    context.pix_fmt = pixel_format_of(shape)
    stream.time_base = context.time_base = shape.time_base
    if shape.upright_aspect:
        context.sample_aspect_ratio = Fraction(shape.upright_aspect)
    return stream


def _supports(encoder: Encoder, shape: Shape) -> bool:
    """Whether an encoder supports the samples and the size of a video; x264 wants whole samples of colour."""
    name, (width, height) = pixel_format_of(shape), shape.size_wh
    has_halves = (width % 2 and ("420" in name or "422" in name)) or (height % 2 and "420" in name)
    return name in _known(encoder.name) and not (encoder.codec == "h264" and has_halves)


def _known(encoder: str) -> frozenset[str]:
    """Names of the pixel formats that an encoder supports."""
    import av

    return frozenset(form.name for form in av.Codec(encoder, "w").video_formats or ())


def _colour_options(shape: Shape) -> dict[str, str]:
    """Colour tags, as options of any encoder; unspecified ones are left out."""
    colours = shape.colours
    tags = {"color_primaries": colours.primaries, "color_trc": colours.transfer, "colorspace": colours.matrix}
    options = {name: str(value) for name, value in tags.items() if value not in (0, 2)}
    return {**options, "color_range": "2" if colours.is_full else "1"}
