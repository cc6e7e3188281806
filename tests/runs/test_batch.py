"""Whole runs: names, resuming, and the same bytes for any number of workers."""

import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

import samples
from unionveil import AnonymizeConfig, OutputError, Rejected
from unionveil.content import BytesContent
from unionveil.engines.pool import PoolEngine
from unionveil.engines.serial import SerialEngine
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource, SourceItem
from unionveil.runs.batch import run_batch
from unionveil.runs.journal import Journal
from unionveil.runs.schema import Manifest
from unionveil.runs.work import Anonymize


@pytest.fixture
def photos(tmp_path):
    """Ten inputs: scenes, their copies and one that is not a picture."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for number in range(3):
        shutil.copy(samples.SCENES / "market.jpg", folder / f"market-{number}.JPG")
        shutil.copy(samples.SCENES / "street.jpg", folder / "sub" / f"street-{number}.png")
        (folder / f"small-{number}.gif").write_bytes(samples.all_samples()["gif-animated"])
    (folder / "broken.jpg").write_bytes(b"garbage")
    return folder


def run(
    photos: Path, out: Path, jobs: int = 1, journal: bool = False, flat: bool = False, **settings: str
) -> list[int]:
    """Runs in the fewest sizes; returns the numbers of the inputs that were processed, not known already."""
    config = AnonymizeConfig.from_parameters({"detail": "fast", **settings})
    engine = Recording(SerialEngine() if jobs == 1 else PoolEngine(jobs))
    kept = Journal(out, config) if journal else None
    work = Anonymize(config, FolderSink(out), secret=kept.secret if kept else None)
    with kept or nullcontext():
        run_batch(PathSource([photos]), work, engine, journal=kept, flat=flat)
    return engine.worked


class Recording:
    """An engine that records which inputs were processed."""

    def __init__(self, engine):
        self._engine = engine
        self.worked = []

    def map(self, work, tasks):
        for key, done in self._engine.map(work, tasks):
            if isinstance(done, Rejected) or not done.is_known:
                self.worked.append(key[1].number)
            yield key, done


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_one_worker_or_two_give_the_same_bytes(photos, tmp_path):
    run(photos, tmp_path / "one", jobs=1)
    run(photos, tmp_path / "two", jobs=2)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert one == two
    assert sorted(one) == [
        *(f"{n:06d}.{e}" for n, e in zip(range(2, 11), ["jpg"] * 3 + ["gif"] * 3 + ["jpg"] * 3, strict=True)),
        "manifest.json",
    ]


def test_the_manifest_describes_the_folder(photos, tmp_path):
    import hashlib

    run(photos, tmp_path / "out")
    manifest = Manifest.model_validate_json((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest.counts.inputs == 10
    assert manifest.counts.rejected == {"unreadable": 1}
    for item in manifest.items:
        if item.status == "redacted":
            data = (tmp_path / "out" / item.output).read_bytes()
            assert hashlib.sha256(data).hexdigest() == item.sha256
            assert len(data) == item.size_bytes
    text = (tmp_path / "out" / "manifest.json").read_text()
    assert "market" not in text
    assert "broken" not in text


def test_kept_names_mirror_the_tree_with_true_suffixes(photos, tmp_path):
    run(photos, tmp_path / "out", names="keep")
    assert sorted(contents(tmp_path / "out")) == [
        "manifest.json",
        "market-0.JPG",
        "market-1.JPG",
        "market-2.JPG",
        "small-0.gif",
        "small-1.gif",
        "small-2.gif",
        "sub/street-0.png.jpg",
        "sub/street-1.png.jpg",
        "sub/street-2.png.jpg",
    ]
    run(photos, tmp_path / "flat", names="keep", flat=True)
    assert "sub_street-0.png.jpg" in contents(tmp_path / "flat")


def test_a_converted_output_has_the_suffix_of_its_format_and_is_known_again(photos, tmp_path):

    def convert() -> list[int]:
        settings = {"names": "keep", "output_format": "webp", "detail": "fast"}
        return run(photos, tmp_path / "out", 1, True, False, **settings)

    assert len(convert()) == 10
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.webp")}
    assert names >= {"market-0.JPG.webp", "sub/street-0.png.webp"}
    manifest = Manifest.model_validate_json((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest.configuration["output_format"] == "webp"
    refused = [item.detail for item in manifest.items if item.status == "rejected"]
    assert sum("cannot become one WEBP" in detail for detail in refused) == 3  # the animations
    assert len(convert()) == 4  # those that were refused


def test_equal_names_are_made_unique(tmp_path):
    photo = BytesContent((samples.SCENES / "street.jpg").read_bytes())
    items = [SourceItem(name, photo) for name in ("a.jpg", "A.JPG", "a.jpg", "a-2.jpg")]
    config = AnonymizeConfig(names="keep")
    run_batch(items, Anonymize(config, FolderSink(tmp_path)), SerialEngine())
    assert sorted(contents(tmp_path)) == ["A-2.JPG", "a-2-2.jpg", "a-3.jpg", "a.jpg", "manifest.json"]


def test_a_second_run_has_nothing_to_do_and_a_third_adds_what_is_missing(photos, tmp_path):
    out = tmp_path / "out"
    assert run(photos, out, journal=True) == list(range(1, 11))
    first = contents(out)
    assert run(photos, out, journal=True) == [1]  # what was rejected is tried again
    (out / "000004.jpg").unlink()
    (out / "000007.gif").write_bytes(first["000007.gif"])
    assert run(photos, out, journal=True) == [1, 4]
    assert contents(out) == first


def test_with_kept_names_a_withdrawn_photo_causes_no_new_work(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out, journal=True, names="keep")
    (photos / "broken.jpg").unlink()
    assert run(photos, out, journal=True, names="keep") == []
    run(photos, tmp_path / "fresh", names="keep")
    assert contents(out) == contents(tmp_path / "fresh")


def test_other_settings_never_mix_into_a_finished_folder(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out, journal=True)
    before = contents(out)
    with pytest.raises(OutputError, match="already contains the outputs of another run"):
        run(photos, out, journal=True, method="pixelate")
    assert contents(out) == before


def test_a_changed_input_is_anonymized_again(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out, journal=True, names="keep")
    shutil.copy(samples.SCENES / "portrait.jpg", photos / "market-1.JPG")
    with pytest.raises(OutputError, match=r"market-1\.JPG already exists with other content"):
        run(photos, out, journal=True, names="keep")


def test_without_a_sink_nothing_is_written(photos, tmp_path):
    manifest = run_batch(PathSource([photos]), Anonymize(AnonymizeConfig()), SerialEngine())
    assert manifest.counts.inputs == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_digests_only_under_a_salt(photos, tmp_path):
    run(photos, tmp_path / "out", digest_salt="pepper")
    text = (tmp_path / "out" / "manifest.json").read_text()
    manifest = Manifest.model_validate_json(text)
    assert all(item.input_digest for item in manifest.items)
    assert "pepper" not in text


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_is_finished_by_the_next_to_the_same_bytes(photos, tmp_path, how):
    for number in range(16):
        shutil.copy(samples.SCENES / "crowd.jpg", photos / f"crowd-{number:02d}.jpg")
    out = tmp_path / "out"
    options = ["--detail", "fast", "--jobs", "2", "-o", str(out)]
    command = [sys.executable, "-m", "unionveil", "anonymize", str(photos), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(out.glob("*.jpg"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (-9 if how == signal.SIGKILL else 130)
    assert "Traceback" not in errors
    partial = contents(out)
    assert partial
    assert "manifest.json" not in partial
    assert all(name.startswith("0000") for name in partial)  # no half-written file under any name

    assert subprocess.run(command, check=False, capture_output=True).returncode == 1
    whole = contents(out)
    assert all(whole[name] == data for name, data in partial.items())
    run(photos, tmp_path / "uninterrupted")
    assert whole == contents(tmp_path / "uninterrupted")
