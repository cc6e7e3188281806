"""Videos verified without an original: honest ones pass, and every planted fault is found."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from checked import present, read_rgb
from clips import Clip, made
from plate_scenes import car_with_plate
from samples import SCENES
from unionveil.config import AnonymizeConfig
from unionveil.content import FileContent
from unionveil.detections import Kind
from unionveil.engines.base import Step
from unionveil.engines.serial import SerialEngine
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource
from unionveil.measure.examine_frames import _Path
from unionveil.measure.examine_video import ExamineVideo
from unionveil.measure.residual import Residual
from unionveil.measure.verify_run import verify_outputs
from unionveil.runs.batch import run_batch
from unionveil.runs.schema import RedactedRecord, TrackRecord
from unionveil.runs.work import Anonymize
from unionveil.verify import verify
from unionveil.video.extra import has_video

pytestmark = pytest.mark.skipif(
    not has_video(), reason="needs the extra video: pip install 'unionveil[video]'"
)

WIDTH, COUNT, SPEED = 256, 60, 2
PLAIN = Clip(
    muxer={"fflags": "+bitexact", "movflags": "+write_colr"}, options={"flags": "+bitexact", "crf": "14"}
)
"""A clip with nothing but its stream, as our own outputs."""

Pixels = npt.NDArray[Any]


def pan(count: int = COUNT) -> list[Pixels]:
    """Two seconds of a pan over faces at 30 frames per second."""
    sheet = read_rgb(SCENES / "faces.png")
    return [np.ascontiguousarray(sheet[:, SPEED * n : SPEED * n + WIDTH]) for n in range(count)]


def anonymized(folder: Path, out: Path, **settings: str) -> Path:
    config = AnonymizeConfig.from_parameters({"detail": "fast", "mirror": "no", "every": "3", **settings})
    run_batch(
        PathSource([folder], videos=True), Anonymize(config, FolderSink(out), videos=True), SerialEngine()
    )
    return out


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    (folder / "a.mp4").write_bytes(made(pan()))
    return anonymized(folder, tmp_path_factory.mktemp("run") / "out")


@pytest.fixture
def outputs(honest: Path, tmp_path: Path) -> Path:
    return shutil.copytree(honest, tmp_path / "out")


def record_of(folder: Path) -> RedactedRecord:
    (item,) = verify(folder).records()
    assert isinstance(item, RedactedRecord)
    return item


def shown(path: Path) -> list[Pixels]:
    import av

    with av.open(path) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def replaced(folder: Path, data: bytes, edit: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
    """Puts other bytes in place of the output, and makes the manifest fit them."""
    (folder / "000001.mp4").write_bytes(data)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    (item,) = manifest["items"]
    item |= {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    edit(item)
    manifest["counts"]["faces"] = sum("kind" not in face for face in item["faces"])
    manifest["counts"] |= {"redacted": int(bool(item["faces"])), "without_face": int(not item["faces"])}
    path.write_text(json.dumps(manifest))


def issues(folder: Path, detectors: tuple[str, ...] = ("retinaface",)) -> list[tuple[str, str]]:
    verdict = verify_outputs(folder, SerialEngine(), detectors=detectors)
    return [(issue.finding.check, issue.sentence) for issue in verdict.sure]


def test_an_honest_video_passes_also_encoded_again(honest, tmp_path):
    assert record_of(honest).video
    assert not issues(honest)
    again = shutil.copytree(honest, tmp_path / "again")
    replaced(again, made(shown(honest / "000001.mp4"), PLAIN))
    assert not issues(again)


def street() -> list[Pixels]:
    """A second of a pan over faces, above a car whose number plate is still."""
    car, _ = car_with_plate("eu", 100)
    part = car[300:500, 322 : 322 + WIDTH]
    return [np.concatenate([faces, part]) for faces in pan(30)]


@pytest.mark.parametrize(
    ("method", "text_method"),
    [
        pytest.param("fill", "fill", marks=pytest.mark.slow),
        pytest.param("gaussian", "fill", marks=pytest.mark.slow),
        ("pixelate", "same"),
    ],
)
def test_faces_and_plates_each_by_their_own_method(tmp_path, method, text_method):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(made(street()))
    settings = {"cover": "face,plate", "method": method, "text_method": text_method}
    out = anonymized(tmp_path / "in", tmp_path / "out", **settings)
    faces = record_of(out).faces
    assert {(face.kind, face.method) for face in faces} == {
        (None, method),
        ("plate", method if text_method == "same" else text_method),
    }
    plates = [number for number, face in enumerate(faces) if face.kind == "plate"]
    assert len(plates) == 1
    track = present(record_of(out).video).tracks[plates[0]]
    assert (track.first_frame, track.last_frame) == (0, 29)
    assert not issues(out)
    bare = shown(out / "000001.mp4")
    for frame, original in zip(bare, street(), strict=True):
        frame[225:] = original[225:]
    replaced(out, made(bare, PLAIN))
    (found,) = [sentence for check, sentence in issues(out) if check == "method"]
    assert f"of track {plates[0] + 1} is not covered by {faces[plates[0]].method}" in found


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["box", "ellipse"])
@pytest.mark.parametrize(
    "method", ["fill", "pixelate", "gaussian", "median", "bilateral", "average", "overlay"]
)
@pytest.mark.parametrize("coding", [{"crf": "40"}, {"codec": "vp9"}, {"codec": "av1"}])
def test_honest_videos_of_every_method_pass_and_bare_ones_do_not(tmp_path, method, shape, coding):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(made(pan()))
    out = anonymized(tmp_path / "in", tmp_path / "out", method=method, shape=shape, **coding)
    assert record_of(out).faces
    assert not issues(out)
    replaced(out, made(pan(), PLAIN))
    assert "method" in {check for check, _ in issues(out)}


def test_the_box_of_one_track_left_uncovered(outputs):
    video = present(record_of(outputs).video)
    track = max(video.tracks, key=lambda track: len(track.boxes))
    frames = shown(outputs / "000001.mp4")
    for frame, original in zip(frames, pan(), strict=True):
        # The recorded boxes of the track, and nothing beside them.
        for _, x0, y0, x1, y1 in track.boxes:
            part = np.s_[max(0, int(y0)) : int(y1), max(0, int(x0)) : int(x1)]
            frame[part] = original[part]
    replaced(outputs, made(frames, PLAIN))
    found = [sentence for check, sentence in issues(outputs) if check == "method"]
    named = f"of track {video.tracks.index(track) + 1} is not covered by fill"
    (sentence,) = [sentence for sentence in found if named in sentence]
    assert "'000001.mp4': at 0.00 s the box" in sentence


def test_a_second_in_which_a_face_is_bare_although_no_box_is_claimed_there(outputs):
    frames, originals = shown(outputs / "000001.mp4"), pan()
    frames[15:45] = originals[15:45]

    def forget(item: dict[str, Any]) -> None:
        for track in item["video"]["tracks"]:
            track["boxes"] = [box for box in track["boxes"] if not 15 <= box[0] < 45] or track["boxes"][:1]

    replaced(outputs, made(frames, PLAIN), forget)
    assert {check for check, _ in issues(outputs)} == {"residual"}


def test_a_face_that_no_track_claims(outputs):
    frames, originals = shown(outputs / "000001.mp4"), pan()
    frames[15:45] = originals[15:45]

    def deny(item: dict[str, Any]) -> None:
        item["faces"], item["video"]["tracks"] = [], []

    replaced(outputs, made(frames, PLAIN), deny)
    found = issues(outputs)
    assert {check for check, _ in found} == {"residual"}
    assert all("a face outside all boxes" in sentence for _, sentence in found)
    assert "at 0.50 s" in found[0][1]


def test_the_original_in_place_of_the_output(outputs):
    replaced(outputs, made(pan(), PLAIN))
    assert "method" in {check for check, _ in issues(outputs)}


def test_another_video_in_place_of_the_output(outputs, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(made(pan(40)[::-1]))
    other = anonymized(tmp_path / "in", tmp_path / "other")
    replaced(outputs, (other / "000001.mp4").read_bytes())
    sentences = [sentence for _, sentence in issues(outputs)]
    assert any("it has 40 frames, the manifest says 60" in sentence for sentence in sentences)
    assert any("it lasts 1.30 s, the manifest says 1.97 s" in sentence for sentence in sentences)


def test_a_second_stream(outputs):
    frames = shown(outputs / "000001.mp4")
    replaced(outputs, made(frames, Clip(streams=2, muxer=PLAIN.muxer, options=PLAIN.options)))
    found = dict(issues(outputs))
    assert "its streams are video, video" in found["metadata"]


def test_a_damaged_video(outputs):
    data = bytearray((outputs / "000001.mp4").read_bytes())
    media = data.index(b"mdat")
    data[media + 200 : media + 4000] = bytes(3800)
    replaced(outputs, bytes(data))
    assert "picture" in {check for check, _ in issues(outputs)}


def look(folder: Path, **parts: Any) -> Sequence[Any]:
    config = AnonymizeConfig()
    examine = ExamineVideo(config, Residual([], config, covers_everyone=True), **parts)
    record = record_of(folder)
    return tuple(examine(FileContent(folder / record.output), record, present(record.video)))


def test_without_pyav_it_says_so_and_does_not_pass(honest):
    (finding,) = look(honest, is_installed=False)
    assert finding.is_sure
    assert finding.detail.startswith("its frames were not examined: ")
    assert "pip install 'unionveil[video]'" in finding.detail


def test_it_gives_signs_of_life(honest):
    steps: list[Step] = []
    assert not look(honest, report=steps.append)
    assert len(steps) == COUNT
    assert steps[-1].what == "verifying"
    assert steps[-1].done == pytest.approx(59 / 30)
    assert steps[-1].total == pytest.approx(59 / 30, abs=1e-3)


def track(*boxes: tuple[int, float, float, float, float]) -> _Path:
    record = TrackRecord(first_frame=0, last_frame=10, score=0.9, boxes=boxes)
    return _Path(record, Kind.FACE, 30)


def test_covers_of_a_track_with_several_boxes_lie_on_the_lines_between_them():
    two = track((0, 0, 0, 20, 20), (0, 100, 0, 140, 40), (10, 10, 0, 30, 20), (10, 120, 0, 160, 40))
    assert {tuple(box.tolist()) for box in two.between(5)} == {(5, 0, 25, 20), (110, 0, 150, 40)}
    assert two.between(0) == two.between(11) == []
    apart = track((0, 0, 0, 20, 20), (10, 50, 0, 70, 20))
    assert {tuple(box.tolist()) for box in apart.between(5)} == {(0, 0, 20, 20), (50, 0, 70, 20)}
