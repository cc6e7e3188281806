"""docker/run_local.sh: the user's own photos, processed as on a node."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import samples
from as_node import docker
from paths import REPOSITORY
from unionveil.runs.schema import Manifest, RedactedRecord

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SCRIPT = REPOSITORY / "docker" / "run_local.sh"


def run(image: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *map(str, arguments)],
        env={**os.environ, "UNIONVEIL_IMAGE": image, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "my photos"
    (folder / "holiday").mkdir(parents=True)
    shutil.copy(samples.SCENES / "market.jpg", folder / "holiday" / "a b.jpg")
    shutil.copy(samples.SCENES / "street.jpg", folder / "street.jpg")
    return folder


def left_behind() -> tuple[bytes, bytes]:
    return docker("ps", "--all", "--quiet").stdout, docker("volume", "ls", "--quiet").stdout


def test_a_folder_in_a_folder_out(image, photos, tmp_path):
    before, there = left_behind(), sorted(photos.rglob("*"))
    (photos / "street.jpg").chmod(0o600)  # another user's, and nobody else's
    done = run(image, photos, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "000001.jpg",
        "000002.jpg",
        "manifest.json",
    ]
    assert {p.stat().st_uid for p in (tmp_path / "out").iterdir()} == {os.getuid()}
    assert sorted(photos.rglob("*")) == there
    assert left_behind() == before


def test_parameters(image, photos, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps({"method": "pixelate"}))
    done = run(image, photos, tmp_path / "out", tmp_path / "p.json")
    assert done.returncode == 0, done.stderr
    manifest = Manifest.model_validate_json((tmp_path / "out" / "manifest.json").read_bytes())
    redacted = [record for record in manifest.items if isinstance(record, RedactedRecord)]
    assert [{face.method for face in record.faces} for record in redacted if record.faces] == [{"pixelate"}]


def test_the_exit_code_is_the_jobs(image, photos, tmp_path):
    (photos / "corrupt.jpg").write_bytes(b"\xff\xd8\xff nothing")
    assert run(image, photos, tmp_path / "out").returncode == 1
    assert len(list((tmp_path / "out").iterdir())) == 3
    (tmp_path / "p.json").write_text('{"metod": "fill"}')
    done = run(image, photos, tmp_path / "none", tmp_path / "p.json")
    assert done.returncode == 2
    assert "did you mean 'method'?" in done.stderr
    assert list((tmp_path / "none").iterdir()) == []


def test_too_little_memory_gets_a_hint(image, photos, tmp_path):
    done = run(image, photos, tmp_path / "out", UNIONVEIL_MEMORY="32m")
    assert done.returncode == 137
    assert "set UNIONVEIL_MEMORY to more than 32m" in done.stderr


def crowd(folder: Path) -> Path:
    folder.mkdir()
    for number in range(60):
        shutil.copy(samples.SCENES / "crowd.jpg", folder / f"{number}.jpg")
    return folder


def test_a_timeout_publishes_the_finished_outputs(image, tmp_path):
    done = run(image, crowd(tmp_path / "in"), tmp_path / "out", UNIONVEIL_TIMEOUT_SECONDS="5")
    assert done.returncode == 143
    assert "5 seconds are over" in done.stderr
    assert len(list((tmp_path / "out").iterdir())) < 60
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_an_interrupt_publishes_the_finished_outputs_and_cleans_up(image, tmp_path):
    before = left_behind()
    process = subprocess.Popen(
        [SCRIPT, crowd(tmp_path / "in"), tmp_path / "out"],
        env={**os.environ, "UNIONVEIL_IMAGE": image},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while left_behind() == before:
        time.sleep(0.1)
    time.sleep(4)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 143, said.decode()
    assert b"stopping the job" in said
    assert left_behind() == before


def test_every_wrong_use_is_one_sentence(image, photos, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "empty").mkdir()
    cases = [
        ([photos], {}, "usage: docker/run_local.sh INPUTS OUTPUTS"),
        ([tmp_path / "none", tmp_path / "out"], {}, "is not a folder; name the folder"),
        ([tmp_path / "empty", tmp_path / "out"], {}, "is empty; put photos"),
        ([photos, tmp_path / "full"], {}, "is not empty; name a new"),
        ([photos, tmp_path / "full" / "x"], {}, "is a file; name a new"),
        ([photos, photos / "out"], {}, "is in the folder of the photos"),
        ([photos, "/proc/out"], {}, "cannot be written to; choose another"),
        ([photos, tmp_path / "out", tmp_path / "none.json"], {}, "is not a file; name a JSON file"),
        ([photos, tmp_path / "out"], {"UNIONVEIL_IMAGE": "unionveil:none"}, "make image builds it"),
        ([photos, tmp_path / "out"], {"UNIONVEIL_MEMORY": "much"}, "the container cannot be created: "),
        ([photos, tmp_path / "out"], {"UNIONVEIL_TIMEOUT_SECONDS": "1h"}, "it must be whole seconds"),
        ([photos, tmp_path / "out"], {"DOCKER_HOST": "unix:///nowhere"}, "no Docker engine answers"),
    ]
    before = left_behind()
    for arguments, variables, sentence in cases:
        done = run(image, *arguments, **variables)
        assert done.returncode == 2, (arguments, done.stderr)
        assert sentence in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
    assert left_behind() == before
    assert not (photos / "out").exists(), "nothing is made among the photos"
