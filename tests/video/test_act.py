"""The whole act: what is covered, what is kept exactly, and what is nowhere in the output."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
import pytest

from clips import RED, Clip, find_red, made, moving, packets, stamps
from unionveil.config import AnonymizeConfig, Average
from unionveil.detections import Detections, Kind, RgbImage
from unionveil.errors import UnreadableImage, UnsupportedImage
from unionveil.formats import VideoFormat, video_format
from unionveil.outcomes import AnonymizedVideo
from unionveil.pipeline import Anonymizer
from unionveil.redact import load_redactor
from unionveil.select import every_face
from unionveil.video.act import Videos
from unionveil.video.codecs import container_of
from unionveil.video.parts import contents_of
from unionveil.video.state import State

FRAMES = moving(30)


class Looks:
    """A detector that counts its looks, and misses the face in some of them."""

    def __init__(
        self,
        missed: tuple[int, ...] = (),
        kill_at: int | None = None,
        find: Callable[[RgbImage], Detections] = find_red,
    ) -> None:
        self.count = 0
        self._find = find
        self._missed, self._kill_at = missed, kill_at

    def __call__(self, image: RgbImage) -> Detections:
        number = self.count
        self.count += 1
        if number == self._kill_at:
            raise KeyboardInterrupt
        return Detections.empty() if number in self._missed else self._find(image)


class Output:
    """Keeps what was written if the block ended well."""

    data: bytes | None = None

    @contextmanager
    def created(self) -> Iterator[BinaryIO]:
        file = io.BytesIO()
        yield file
        self.data = file.getvalue()


def done(
    data: bytes, find: Any = find_red, state: State | None = None, select: Any = every_face, **settings: Any
) -> tuple[AnonymizedVideo, bytes]:
    config = AnonymizeConfig(**settings)
    anonymizer = Anonymizer(find, select, load_redactor(config), max_pixels=1e8)
    form = video_format(data)
    assert form
    out = Output()
    videos = Videos(config, anonymizer, dict.fromkeys(Kind, 0.5))
    forms = (form, container_of(form, config.codec))
    outcome = videos(io.BytesIO(data), forms, state or State(None), out.created(), lambda _: None)
    assert out.data is not None
    return outcome, out.data


def shown(data: bytes) -> list[np.ndarray]:
    import av

    with av.open(io.BytesIO(data)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def red_pixels(frame: np.ndarray) -> int:
    pixels = frame.astype(int)
    return int(((pixels[..., 0] > 120) & (pixels[..., 1] < 100) & (pixels[..., 2] < 100)).sum())


@pytest.mark.parametrize("missed", [(), (10, 11, 12, 13), tuple(range(2, 30, 3))])
def test_the_face_is_covered_in_every_frame(missed):
    data = made(FRAMES)
    assert min(map(red_pixels, shown(data))) > 300
    outcome, output = done(data, Looks(missed))
    assert max(map(red_pixels, shown(output))) == 0
    assert outcome.frames == 30
    assert len(outcome.tracks) == 1
    assert (outcome.tracks[0].first, outcome.tracks[0].last) == (0, 29)


@pytest.mark.parametrize(("every", "most"), [(3, 11), (15, 6)])
def test_frames_between_looks_are_covered(every, most):
    looks = Looks()
    _, output = done(made(FRAMES), looks, every=every)
    assert looks.count <= most
    assert max(map(red_pixels, shown(output))) == 0


def with_flashes(content: np.ndarray, numbers: set[int], count: int = 20) -> list[np.ndarray]:
    """A grey scene, in which some frames show something else."""
    ground = np.full((64, 96, 3), 120, np.uint8)
    ground[::4] = 140
    return [content if number in numbers else ground for number in range(count)]


@pytest.mark.parametrize("number", [7, 8, 10])
def test_a_scene_of_one_frame_between_two_alike_is_searched(number):
    face = np.full((64, 96, 3), 200, np.uint8)
    face[20:40, 30:50] = RED
    _, output = done(made(with_flashes(face, {number})), every=3)
    assert max(map(red_pixels, shown(output))) == 0


@pytest.mark.parametrize("numbers", [{7}, {5, 7}])
def test_a_flash_or_a_series_of_them_costs_one_look(numbers):
    counts: list[int] = []
    for flashes in (numbers, numbers - numbers):
        looks = Looks()
        done(made(with_flashes(np.full((64, 96, 3), 250, np.uint8), flashes)), looks, every=3)
        counts.append(looks.count)
    assert counts[0] == counts[1] + 1


def test_every_method_covers():
    _, output = done(made(FRAMES), redaction=Average())
    frame = shown(output)[10].astype(int)
    assert np.abs(frame[22:38, 30:46] - RED).max() > 30


@pytest.mark.parametrize("form", ["mp4", "mov", "matroska", "webm"])
def test_time_stamps_of_a_variable_rate_stay(form):
    pts = tuple(np.cumsum([0, *np.random.default_rng(4).integers(1, 9, 29)]).tolist())
    codec = "libvpx-vp9" if form == "webm" else "libx264"
    base = Fraction(1, 1000) if form in ("matroska", "webm") else Fraction(1, 90000)
    unit = 20 if base.denominator == 1000 else 1501
    clip = Clip(form=form, codec=codec, time_base=base, pts=tuple(stamp * unit + 40 for stamp in pts))
    data = made(FRAMES, clip)
    outcome, output = done(data)
    assert stamps(output) == stamps(data)
    assert video_format(output) is video_format(data) is outcome.format


@pytest.mark.parametrize("form", ["mp4", "mov"])
@pytest.mark.parametrize("start", [1, 45, 91, 3003, 90_001])
def test_a_first_picture_between_two_milliseconds_keeps_its_time(form, start):
    data = made(FRAMES[:8], Clip(form=form, pts=tuple(start + 3003 * number for number in range(8))))
    assert stamps(data)[0] == start
    _, output = done(data)
    assert stamps(output) == stamps(data)


def test_sound_is_dropped_or_copied_unchanged():
    data = made(FRAMES, Clip(sound="aac"))
    outcome, output = done(data)
    assert not outcome.has_sound
    assert contents_of(io.BytesIO(output), VideoFormat.MP4).streams == ("video",)
    outcome, output = done(data, audio="keep")
    assert outcome.has_sound
    assert packets(output) == packets(data)
    assert len(packets(output)) > 20


def test_sound_with_comments_in_its_headers_is_not_copied():
    with pytest.raises(UnsupportedImage, match=r"flac.*--audio drop"):
        done(made(FRAMES, Clip(form="matroska", sound="flac")), audio="keep")


@pytest.mark.parametrize(
    ("pixel_format", "colours", "codec"),
    [
        ("yuv420p10le", (9, 16, 9), "auto"),
        ("yuv420p10le", (9, 18, 9), "av1"),
        ("yuv422p", (1, 1, 1), "auto"),
        ("yuvj420p", (1, 1, 1), "auto"),
    ],
)
def test_depth_and_colour_tags_stay(pixel_format, colours, codec):
    import av

    _, output = done(made(FRAMES[:6], Clip(pixel_format=pixel_format, colours=colours)), codec=codec)
    with av.open(io.BytesIO(output)) as file:
        frame = next(file.decode(video=0))
    assert frame.format.name.replace("yuvj", "yuv") == pixel_format.replace("yuvj", "yuv")
    assert (int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace)) == colours
    assert (int(frame.color_range) == 2) == (pixel_format == "yuvj420p")


def odd(size_wh: tuple[int, int], pixel_format: str) -> bytes:
    width, height = size_wh
    frames = [frame[:height, :width] for frame in moving(6, (100, 68))]
    clip = Clip(
        form="matroska", codec="ffv1", pixel_format=pixel_format, time_base=Fraction(1, 1000), step=40
    )
    return made(frames, clip)


@pytest.mark.parametrize(
    ("size_wh", "pixel_format", "able"),
    [
        ((97, 65), "yuv420p", "choose --codec av1 or vp9"),
        ((97, 64), "yuv420p", "choose --codec av1 or vp9"),
        ((96, 65), "yuv420p", "choose --codec av1 or vp9"),
        ((97, 64), "yuv422p", "choose --codec vp9"),
        ((96, 65), "yuv420p10le", "choose --codec av1"),
        ((97, 64), "yuv422p10le", "convert it to 8 or 10 bits, and to an even width and height"),
    ],
)
def test_odd_sizes_that_h264_does_not_support_are_refused_before_the_search(size_wh, pixel_format, able):
    looks = Looks()
    with pytest.raises(UnsupportedImage, match=rf"h264 does not .*{size_wh[0]}x{size_wh[1]}\); {able}"):
        done(odd(size_wh, pixel_format), looks)
    assert looks.count == 0


@pytest.mark.parametrize(
    ("size_wh", "pixel_format", "codec"),
    [
        ((97, 65), "yuv420p", "vp9"),
        ((97, 65), "yuv420p10le", "av1"),
        ((97, 64), "yuv422p", "vp9"),
        ((96, 65), "yuv422p", "h264"),
        ((97, 65), "yuv444p", "h264"),
        ((97, 65), "gray", "h264"),
    ],
)
def test_odd_sizes_stay(size_wh, pixel_format, codec):
    outcome, output = done(odd(size_wh, pixel_format), codec=codec)
    assert outcome.size_wh == size_wh
    assert max(map(red_pixels, shown(output))) == 0


def test_what_an_encoder_refuses_is_one_sentence():
    with pytest.raises(UnsupportedImage, match="the codec av1 cannot encode the video: "):
        done(odd((2, 2), "yuv420p"), codec="av1")


def test_rotation_is_baked_in():
    import av

    data = made(FRAMES, Clip(turn=90))
    outcome, output = done(data)
    with av.open(io.BytesIO(output)) as file:
        frame = next(file.decode(video=0))
        assert frame.rotation == 0
    assert (frame.width, frame.height) == outcome.size_wh == (64, 96)
    assert max(map(red_pixels, shown(output))) == 0


@pytest.mark.parametrize(
    ("form", "codec", "wanted"),
    [
        ("webm", "h264", VideoFormat.MP4),
        ("webm", "vp9", VideoFormat.WEBM),
        ("mp4", "av1", VideoFormat.MP4),
        ("mov", "vp9", VideoFormat.MP4),
        ("matroska", "av1", VideoFormat.MKV),
    ],
)
def test_the_container_is_the_inputs_or_mp4(form, codec, wanted):
    source = Clip(form=form, codec="libvpx-vp9" if form == "webm" else "libx264")
    if form in ("webm", "matroska"):
        source = Clip(form=form, codec=source.codec, time_base=Fraction(1, 1000), step=40)
    data = made(FRAMES[:8], source)
    outcome, output = done(data, codec=codec)
    assert video_format(output) is outcome.format is wanted
    assert outcome.codec == codec
    assert stamps(output) == stamps(data)


def test_nothing_else_is_in_the_output():
    clip = Clip(
        sound="aac",
        metadata={
            "title": "SECRET-TITLE",
            "location": "+48.1+011.5/",
            "creation_time": "2020-01-01T00:00:00Z",
        },
        muxer={"movflags": "use_metadata_tags"},
    )
    data = made(FRAMES, clip)
    assert b"SECRET-TITLE" in data
    for audio in ("drop", "keep"):
        _, output = done(data, audio=audio)
        contents = contents_of(io.BytesIO(output), VideoFormat.MP4)
        assert contents.extra == ()
        assert b"SECRET" not in output
        assert b"+48.1" not in output


def test_an_interrupted_first_pass_goes_on_and_gives_the_same_bytes(tmp_path):
    data = made(FRAMES)
    _, whole = done(data)
    state = State(tmp_path / "state")
    with pytest.raises(KeyboardInterrupt):
        done(data, Looks(kill_at=20), state)
    assert state.log and state.log.stat().st_size > 0
    with state.log.open("ab") as log:
        log.write(b"half a record")
    looks = Looks()
    _, output = done(data, looks, state)
    assert looks.count == 10
    assert output == whole


def test_a_finished_first_pass_is_not_done_again(tmp_path):
    data = made(FRAMES)
    state = State(tmp_path / "state")
    _, whole = done(data, state=state)
    looks = Looks()
    _, output = done(data, looks, state)
    assert looks.count == 0
    assert output == whole
    state.clear()
    assert not list(tmp_path.iterdir())


def test_a_plan_of_another_video_is_refused(tmp_path):
    state = State(tmp_path / "state")
    done(made(FRAMES), state=state)
    with pytest.raises(UnreadableImage, match="changed"):
        done(made(FRAMES[:20]), state=state)


def test_a_chosen_face_stays_visible():
    def nobody(image: RgbImage, faces: Detections) -> np.ndarray:
        return np.zeros(len(faces), bool)

    outcome, output = done(made(FRAMES), select=nobody)
    assert outcome.kept == 1
    assert outcome.tracks == ()
    assert min(map(red_pixels, shown(output))) > 300


def test_heads_are_covered_in_place_of_faces():
    faces, heads = (done(made(FRAMES[:6]), cover=cover)[0].tracks[0].best.xyxy for cover in ("face", "head"))
    assert heads[0] < faces[0] - 5
    assert heads[1] < faces[1] - 8
    assert heads[2] > faces[2] + 5
    assert heads[3] > faces[3] + 2


def find_red_plate(image: RgbImage) -> Detections:
    found = find_red(image)
    return Detections.of(found.xyxy, found.score, kind=Kind.PLATE)


def test_plates_are_followed_like_faces_and_nobody_chooses_them(tmp_path):
    def nobody(image: RgbImage, faces: Detections) -> np.ndarray:
        return np.zeros(len(faces), bool)

    data = made(FRAMES)
    state = State(tmp_path / "state")
    looks = Looks((10, 11, 12), 20, find_red_plate)
    with pytest.raises(KeyboardInterrupt):
        done(data, looks, state, nobody, cover="face,plate")
    outcome, output = done(data, find_red_plate, state, nobody, cover="face,plate")
    assert max(map(red_pixels, shown(output))) == 0
    assert outcome.kept == 0
    assert [track.kind for track in outcome.tracks] == [Kind.PLATE]
    assert (outcome.tracks[0].first, outcome.tracks[0].last) == (0, 29)


def test_a_rate_factor_that_the_chosen_codec_does_not_have_is_refused():
    looks = Looks()
    with pytest.raises(UnsupportedImage, match=r"crf of 52 is above 51, .*auto chose"):
        done(made(FRAMES[:4]), looks, crf=52)
    assert looks.count == 0
    done(made(FRAMES[:4]), crf=52, codec="av1")


@pytest.mark.parametrize("crf", [28, 40, 51])
def test_coarse_rate_factors_are_accepted(crf):
    frames = [np.random.default_rng(number).integers(0, 255, (64, 96, 3), np.uint8) for number in range(4)]
    outcome, _ = done(made([*FRAMES[:4], *frames]), crf=crf)
    assert outcome.frames == 8


def test_samples_outside_of_covers_stay_close():
    data = made(FRAMES)
    _, output = done(data)
    for before, after in zip(shown(data), shown(output), strict=True):
        ground = np.ones(before.shape[:2], bool)
        ground[12:50] = False
        error = (before[ground].astype(float) - after[ground]) ** 2
        assert 10 * np.log10(255**2 / error.mean()) > 38
