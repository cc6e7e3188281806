"""Videos are read whole, or refused by name."""

from __future__ import annotations

import io

import numpy as np
import pytest

from clips import Clip, made, moving
from unionveil.errors import ImageTooLarge, UnreadableImage, UnsupportedImage
from unionveil.formats import VideoFormat
from unionveil.video.parts import check_input, size_of
from unionveil.video.planes import rgb_of
from unionveil.video.reader import reading

FRAMES = moving(6)


def read(data: bytes, max_pixels: float = 1e6) -> int:
    form = VideoFormat.MP4 if data[4:8] == b"ftyp" else VideoFormat.MKV
    check_input(io.BytesIO(data), form)
    with reading(io.BytesIO(data), max_pixels) as reader:
        return sum(1 for _ in reader.frames())


@pytest.mark.parametrize(
    "clip",
    [
        Clip(),
        Clip(form="mov"),
        Clip(form="matroska"),
        Clip(form="webm", codec="libvpx-vp9"),
        Clip(pixel_format="yuv420p10le"),
        Clip(pixel_format="yuvj420p"),
        Clip(pixel_format="yuv444p"),
        Clip(sound="aac"),
    ],
    ids=lambda clip: f"{clip.form}-{clip.pixel_format}-{clip.sound}",
)
def test_whole_videos_are_read(clip):
    assert read(made(FRAMES, clip)) == 6


@pytest.mark.parametrize(
    ("clip", "sentence"),
    [
        (Clip(options={"x264-params": "interlaced=1"}), "interlaced"),
        (Clip(form="webm", codec="libvpx-vp9", pixel_format="yuva420p"), "alpha"),
        (Clip(streams=2), "2 video streams"),
        (Clip(form="matroska", codec="ffv1", pixel_format="yuv410p"), "pixel format yuv410p"),
        (Clip(turn=30), "angle"),
        (
            Clip(
                muxer={
                    "encryption_scheme": "cenc-aes-ctr",
                    "encryption_key": "00112233445566778899aabbccddeeff",
                    "encryption_kid": "00112233445566778899aabbccddee00",
                }
            ),
            "encrypted",
        ),
    ],
    ids=["interlaced", "alpha", "streams", "yuv410p", "angle", "encrypted"],
)
def test_others_are_refused_by_name(clip, sentence):
    with pytest.raises(UnsupportedImage, match=sentence):
        read(made(FRAMES, clip))


def test_files_that_are_cut_off_or_damaged_are_refused():
    data = made(FRAMES)
    with pytest.raises(UnreadableImage):
        read(data[: len(data) // 2])
    with pytest.raises(UnreadableImage):
        read(data[:40])
    mkv = made(FRAMES, Clip(form="matroska"))
    with pytest.raises(UnreadableImage, match="cut off"):
        read(mkv[:-40])


def test_a_frame_that_its_decoder_repairs_is_refused():
    data = bytearray(made(moving(30, (192, 128))))
    data[len(data) // 2] ^= 4
    with pytest.raises(UnreadableImage, match="a frame of the video is damaged"):
        read(bytes(data))


def test_a_file_of_sound_holds_no_video():
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=48000)
        for number in range(4):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, number * 1024
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(UnreadableImage, match="no video"):
        read(file.getvalue())


def test_large_frames_are_refused_before_they_are_decoded():
    with pytest.raises(ImageTooLarge):
        read(made(FRAMES), max_pixels=1000)


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_turned_videos_are_read_upright(turn):
    with reading(io.BytesIO(made(FRAMES, Clip(turn=turn))), 1e6) as reader:
        frame = next(reader.frames())
        seen = rgb_of(frame, reader.shape.colours).astype(int)
    # Counterclockwise, as PyAV documents.
    wanted = np.rot90(FRAMES[0], turn // 90).astype(int)
    assert seen.shape == wanted.shape
    assert np.abs(seen - wanted).mean() < 12


@pytest.mark.parametrize("form", ["mp4", "matroska", "webm"])
def test_the_size_is_known_without_a_codec(form):
    codec = "libvpx-vp9" if form == "webm" else "libx264"
    data = made(FRAMES, Clip(form=form, codec=codec))
    kind = {"mp4": VideoFormat.MP4, "matroska": VideoFormat.MKV, "webm": VideoFormat.WEBM}[form]
    assert size_of(io.BytesIO(data), kind) == (96, 64)
