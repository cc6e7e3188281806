"""Videos in a run: beside photos, in archives, and refused by settings that do not support them."""

from __future__ import annotations

import errno
import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from clips import Clip, made, moving
from samples import SCENES
from unionveil.config import AnonymizeConfig, KSame
from unionveil.content import BytesContent, FileContent
from unionveil.engines.serial import SerialEngine
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource, SourceItem
from unionveil.formats import VideoFormat
from unionveil.measure.verify_run import verify_outputs
from unionveil.runs.batch import run_batch
from unionveil.runs.journal import Journal
from unionveil.runs.manifest import ManifestBuilder
from unionveil.runs.schema import Manifest, RedactedRecord, RejectedRecord
from unionveil.runs.videos import look_at_video, refusal, state_name
from unionveil.runs.work import Anonymize
from unionveil.verify import verify
from unionveil.video.extra import has_video

needs_video = pytest.mark.skipif(
    not has_video(), reason="needs the extra video: pip install 'unionveil[video]'"
)
FAST = AnonymizeConfig(detail="fast")


def run(
    folder: Path, output: Path, config: AnonymizeConfig = FAST, *, videos: bool = True
) -> ManifestBuilder:
    source = PathSource([folder], videos=videos)
    sink = FolderSink(output, inputs=[folder])
    with Journal(output, config, output.parent / "state") as journal:
        work = Anonymize(config, sink, secret=journal.secret, videos=videos, state=journal.videos)
        return run_batch(source, work, SerialEngine(), journal=journal)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a live photo, its video, and an archive with a video in it."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "IMG_1.jpg").write_bytes((SCENES / "portrait.jpg").read_bytes())
    (folder / "IMG_1.mov").write_bytes(made(moving(6), Clip(form="mov")))
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("b.mp4", made(moving(5)))
    return folder


@needs_video
def test_videos_are_done_beside_photos_and_in_archives(folder, tmp_path):
    run(folder, tmp_path / "out", AnonymizeConfig(detail="fast", names="keep"))
    manifest = verify(tmp_path / "out")
    records = {item.output: item for item in manifest.records() if isinstance(item, RedactedRecord)}
    assert set(records) == {"IMG_1.jpg", "IMG_1.mov", "more.zip/b.mp4"}
    assert records["IMG_1.mov"].video
    assert (records["IMG_1.mov"].frames, records["IMG_1.mov"].format) == (6, "mov")
    assert records["more.zip/b.mp4"].size_wh == (96, 64)
    assert records["IMG_1.jpg"].video is None
    assert manifest.head.configuration["audio"] == "drop"
    assert Manifest.model_validate_json((tmp_path / "out" / "manifest.json").read_bytes()).items == tuple(
        manifest.records()
    )


@needs_video
def test_a_second_run_does_nothing_and_leaves_the_same_manifest(folder, tmp_path):
    run(folder, tmp_path / "out")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (tmp_path / "out").iterdir()}
    run(folder, tmp_path / "out")
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (tmp_path / "out").iterdir()}
    outputs = [path for path in before if path.suffix != ".json"]
    assert {path: after[path] for path in outputs} == {path: before[path] for path in outputs}
    assert {path: data for path, (_, data) in after.items()} == {
        path: data for path, (_, data) in before.items()
    }
    assert not list((tmp_path / "state" / "videos").glob("*"))


@needs_video
def test_a_damaged_video_is_rejected_and_leaves_nothing(folder, tmp_path):
    whole = (folder / "IMG_1.mov").read_bytes()
    (folder / "IMG_1.mov").write_bytes(whole[: len(whole) // 2])
    run(folder, tmp_path / "out")
    manifest = verify(tmp_path / "out")
    rejected = [item for item in manifest.records() if isinstance(item, RejectedRecord)]
    assert [item.reason for item in rejected] == ["unreadable"]
    assert not list((tmp_path / "out").glob("*.mov"))


class Failing(io.BytesIO):
    """A file on a drive that is lost: it can be read from its start for a number of times."""

    def __init__(self, data: bytes, starts: int) -> None:
        super().__init__(data)
        self._starts = starts

    def seek(self, place: int, whence: int = 0, /) -> int:
        self._starts -= (place, whence) == (0, 0)
        return super().seek(place, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        if self._starts < 0:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


@dataclass(frozen=True)
class LostContent(BytesContent):
    starts: int = 0

    def open(self) -> BinaryIO:
        return Failing(self.data, self.starts)


def rejection(tmp_path: Path, starts: int) -> str | None:
    """The reason why a video on a lost drive is rejected; the photo behind it must be done."""
    items = [
        SourceItem("a.mp4", LostContent(made(moving(6)), starts)),
        SourceItem("b.jpg", FileContent(SCENES / "portrait.jpg")),
    ]
    work = Anonymize(FAST, FolderSink(tmp_path / str(starts)), videos=True)
    video, photo = run_batch(items, work, SerialEngine()).records()
    assert isinstance(photo, RedactedRecord)
    return f"{video.reason}: {video.detail}" if isinstance(video, RejectedRecord) else None


@needs_video
def test_a_video_that_can_no_longer_be_read_is_rejected_and_the_run_goes_on(tmp_path):
    wanted = "unreadable: the file cannot be read: Input/output error"
    reasons = {starts: rejection(tmp_path, starts) for starts in (1, 3, 5, 6)}
    assert reasons == {1: wanted, 3: wanted, 5: wanted, 6: None}


@needs_video
def test_outputs_pass_verification_and_altered_ones_do_not(folder, tmp_path):
    run(folder, tmp_path / "out")
    assert not verify_outputs(tmp_path / "out", SerialEngine(), detectors=("haar",)).sure
    path = next((tmp_path / "out").glob("*.mov"))
    record = next(
        item for item in verify(tmp_path / "out").records() if isinstance(item, RedactedRecord) and item.video
    )
    data = path.read_bytes() + b"\0\0\0\x18uuid0123456789abcdef"
    path.write_bytes(data)
    manifest = (tmp_path / "out" / "manifest.json").read_text()
    manifest = manifest.replace(record.sha256, hashlib.sha256(data).hexdigest())
    (tmp_path / "out" / "manifest.json").write_text(
        manifest.replace(f'"size_bytes":{record.size_bytes}', f'"size_bytes":{len(data)}')
    )
    issues = verify_outputs(tmp_path / "out", SerialEngine(), detectors=("haar",)).sure
    assert [issue.finding.check for issue in issues] == ["metadata"]
    assert "'uuid'" in issues[0].sentence


@needs_video
def test_doors_without_videos_refuse_them_by_name_and_skip_those_of_live_photos(folder, tmp_path):
    run(folder, tmp_path / "out", videos=False)
    manifest = verify(tmp_path / "out")
    details = [item.detail for item in manifest.records() if isinstance(item, RejectedRecord)]
    assert details == [
        "videos (MP4) are handled by `unionveil anonymize` alone, beside photos in files and folders"
    ]
    assert manifest.head.counts.skipped == 1


@pytest.mark.parametrize(
    ("config", "has_boxes", "is_installed", "sentence"),
    [
        (AnonymizeConfig(redaction=KSame()), False, True, "method ksame is not offered for videos"),
        (AnonymizeConfig(), True, True, "boxes from elsewhere are not offered for videos"),
        (AnonymizeConfig(), False, False, r"pip install 'unionveil\[video\]'"),
    ],
)
def test_refused_videos_get_a_reason(config, has_boxes, is_installed, sentence):
    rejected = refusal(config, has_boxes=has_boxes, is_installed=is_installed)
    assert rejected
    assert re.search(sentence, rejected.detail)


@pytest.mark.parametrize("cover", ["face", "head", "text", "plate"])
def test_offered_settings_are_accepted(cover):
    assert refusal(AnonymizeConfig(cover=(cover,)), has_boxes=False, is_installed=True) is None


def test_pictures_are_not_videos():
    assert look_at_video(BytesContent((SCENES / "portrait.jpg").read_bytes())) is None
    assert look_at_video(BytesContent(b"")) is None


def test_the_memory_of_a_video_grows_with_its_frames():
    def mp4(width: int, height: int) -> bytes:
        head = b"\0\0\0\x10ftypisom\0\0\0\0"
        tkhd = b"\0" * 76 + (width << 16).to_bytes(4, "big") + (height << 16).to_bytes(4, "big")
        inner = (8 + len(tkhd)).to_bytes(4, "big") + b"tkhd" + tkhd
        trak = (8 + len(inner)).to_bytes(4, "big") + b"trak" + inner
        return head + (8 + len(trak)).to_bytes(4, "big") + b"moov" + trak

    small, large = (look_at_video(BytesContent(mp4(*size))) for size in ((640, 480), (3840, 2160)))
    assert small and large
    assert small[0] is VideoFormat.MP4
    assert small[1] < 300 << 20 < large[1]


def test_the_state_of_a_video_is_named_by_everything_that_decides_its_boxes():
    names = {
        state_name(b"key", digest, output, config, people)
        for digest in ("a", "b")
        for output in ("1", "2")
        for config in (AnonymizeConfig(), AnonymizeConfig(every=2))
        for people in ("", "them")
    }
    assert len(names) == 16
