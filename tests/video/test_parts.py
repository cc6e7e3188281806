"""Every byte of an output is accounted for, and what does not belong there is named."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import pytest

from clips import Clip, made, moving
from unionveil.errors import UnsupportedImage
from unionveil.formats import VideoFormat
from unionveil.video.parts import check_input, contents_of

FRAMES = moving(8)
CLEAN = {"fflags": "+bitexact"}
MILLI = Fraction(1, 1000)


def parts(data: bytes, form: VideoFormat = VideoFormat.MP4) -> tuple[str, ...]:
    return contents_of(io.BytesIO(data), form).extra


def clip(form: str, **more: object) -> bytes:
    codec = "libvpx-vp9" if form == "webm" else "libx264"
    base = {"time_base": MILLI, "step": 33} if form in ("webm", "matroska") else {}
    return made(FRAMES, Clip(**{"form": form, "codec": codec, "muxer": CLEAN, **base, **more}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "kind", "sound"),
    [
        ("mp4", VideoFormat.MP4, "aac"),
        ("mov", VideoFormat.MOV, "aac"),
        ("matroska", VideoFormat.MKV, "aac"),
        ("webm", VideoFormat.WEBM, "libopus"),
    ],
)
def test_a_clean_file_holds_its_streams_alone(form, kind, sound):
    contents = contents_of(io.BytesIO(clip(form, sound=sound)), kind)
    assert contents.extra == ()
    assert contents.streams == ("video", "sound")


@pytest.mark.parametrize("form", ["mp4", "mov", "matroska", "webm"])
def test_metadata_is_named(form):
    kind = {"mp4": VideoFormat.MP4, "mov": VideoFormat.MOV, "matroska": VideoFormat.MKV}.get(
        form, VideoFormat.WEBM
    )
    assert parts(clip(form, metadata={"title": "a title"}), kind)


def box(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), name) + payload


@pytest.mark.parametrize(
    ("added", "named"),
    [
        (box(b"uuid", b"x" * 20), "'uuid'"),
        (box(b"free", b"hidden"), "'free'"),
        (box(b"mdat", b"hidden"), "belong to no stream"),
        (b"\0\0\0", "after the last box"),
        (struct.pack(">I4s", 4000, b"skip"), "longer than the file"),
    ],
)
def test_what_is_added_to_an_mp4_is_named(added, named):
    assert any(named in what for what in parts(clip("mp4") + added))


@pytest.mark.parametrize(
    ("added", "named"),
    [
        (b"\x19\x41\xa4\x69\x81x", "0x1941A469"),  # Attachments
        (b"\x10\x43\xa7\x70\x81x", "0x1043A770"),  # Chapters
        (b"\xec\x82hi", "void"),
        (b"\0\0", "not an element"),
    ],
)
def test_what_is_added_to_a_matroska_is_named(added, named):
    assert any(named in what for what in parts(clip("matroska") + added, VideoFormat.MKV))


def test_what_is_added_to_the_description_of_samples_is_named():
    data = clip("mp4")
    place = data.index(b"btrt") - 4
    changed = data[:place] + data[place:].replace(b"btrt", b"gpsp", 1)
    assert any("'gpsp'" in what for what in parts(changed))


def test_a_second_stream_is_seen():
    contents = contents_of(io.BytesIO(made(FRAMES, Clip(streams=2, muxer=CLEAN))), VideoFormat.MP4)
    assert contents.streams == ("video", "video")


def test_the_name_of_a_track_is_named():
    data = clip("mp4")
    assert parts(data.replace(b"VideoHandler", b"Anna's phone")) == ("a track's name",)


@pytest.mark.parametrize("entries", [(b"encv", b"mp4a"), (b"avc1", b"enca")])
def test_every_track_is_searched_for_encryption(entries):
    def track(entry: bytes) -> bytes:
        described = box(b"stsd", bytes(8) + box(entry, bytes(78)))
        return box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", described))))

    file = io.BytesIO(box(b"ftyp", b"isom") + box(b"moov", b"".join(map(track, entries))))
    with pytest.raises(UnsupportedImage, match="encrypted"):
        check_input(file, VideoFormat.MP4)
