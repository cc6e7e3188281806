"""The Ocean job as a node runs it: a process with nothing but its data folder."""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

import samples
from paths import REPOSITORY
from refusals import refusal
from unionveil import ConfigError
from unionveil.config import EMOJI, VIDEO_SETTINGS, parameters
from unionveil.job import config_of, job_parameters, read_parameters, request_of
from unionveil.models.cards import CARDS
from unionveil.runs.schema import Manifest
from unionveil.runs.shards import Shard
from unionveil.verify import verify

GIF = samples.all_samples()["gif"]

MAIN = REPOSITORY / "algorithm" / "main.py"

MOST = CARDS["retinaface"].threshold


def lay_out(data: Path, parameters_text: str | None = "{}") -> Path:
    """A node's folder."""
    inputs = data / "inputs"
    inputs.mkdir(parents=True)
    (data / "outputs").mkdir()
    if parameters_text is not None:
        (inputs / "algoCustomData.json").write_text(parameters_text)
    return inputs


def put(scene: str, file: Path) -> None:
    """Stores a small copy of a scene, which is searched quickly."""
    with Image.open(samples.SCENES / scene) as image:
        image.reduce(2).save(file, "JPEG")


def run(data: Path, *command: str, **options) -> subprocess.CompletedProcess[str]:
    """As a node does: no home, no names in the environment."""
    environment = {"HOME": "/", "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    return subprocess.run(
        [sys.executable, *(command or (str(MAIN),)), "--data-dir", str(data)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        **options,
    )


def outputs(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "outputs").rglob("*"))


def test_the_flat_layout_of_a_node(tmp_path):
    inputs = lay_out(tmp_path, "{}")
    put("market.jpg", inputs / "alice-at-the-market.jpg")
    put("street.jpg", inputs / "no-extension")
    (inputs / "corrupt.jpg").write_bytes(b"\xff\xd8\xff garbage")
    done = run(tmp_path)
    assert done.returncode == 1, done.stderr
    assert outputs(tmp_path) == ["000001.jpg", "000003.jpg", "manifest.json"]
    manifest = Manifest.model_validate_json((tmp_path / "outputs" / "manifest.json").read_bytes())
    assert manifest.counts.redacted == 1
    assert manifest.counts.without_face == 1
    for text in (done.stdout, done.stderr, (tmp_path / "outputs" / "manifest.json").read_text()):
        assert "alice" not in text
        assert "extension" not in text
        assert "corrupt.jpg" not in text


def test_the_layout_of_older_operators(tmp_path):
    inputs = lay_out(tmp_path, None)
    for did, name in (("0a" * 32, "0"), ("0a" * 32, "1"), ("ff" * 32, "0")):
        (inputs / did).mkdir(exist_ok=True)
        put("street.jpg", inputs / did / name)
    (tmp_path / "ddos").mkdir()
    (tmp_path / "ddos" / ("0a" * 32)).write_text("{}")
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert outputs(tmp_path) == ["000001.jpg", "000002.jpg", "000003.jpg", "manifest.json"]


def test_files_of_the_node_s_own_storage(tmp_path):
    lay_out(tmp_path)
    bucket = tmp_path / "persistentStorage" / "a4ad237d"
    bucket.mkdir(parents=True)
    (bucket / "b.gif").write_bytes(GIF)
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert outputs(tmp_path) == ["000001.gif", "manifest.json"]
    shutil.rmtree(tmp_path / "outputs")
    (tmp_path / "inputs" / "b.gif").write_bytes(GIF)
    again = run(tmp_path)
    assert again.returncode == 0, again.stderr
    assert outputs(tmp_path) == ["000001.gif", "000002.gif", "manifest.json"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"metod": "fill"}', "unknown parameter 'metod'; did you mean 'method'?"),
        ('{"method": "erase"}', "method: 'erase' is not one of fill"),
        ('{"margin": "wide"}', "margin: Input should be a valid number"),
        ('{"digest_salt": "x"}', "'digest_salt' is not offered"),
        ('{"select": "only"}', "'select' is not offered"),
        ('{"match_threshold": "0.5"}', "'match_threshold' is not offered"),
        ('{"embedder": "sface"}', "'embedder' is not offered"),
        ('{"mirror": "no"}', "'mirror' is not offered"),
        ('{"check_outputs": "no"}', "'check_outputs' is not offered"),
        ('{"names": "keep"}', "'names' is not offered"),
        ('{"method": "overlay", "picture": "/etc/passwd"}', "picture: '/etc/passwd' is not one of"),
        ('{"detector": "yolo:/tmp/x.onnx"}', "'yolo' needs a file"),
        ('{"detector": "retinaface,yunet"}', "not on this machine"),
        ('{"detector": "haar"}', "detector: in the compute job, one of them is always retinaface"),
        (f'{{"threshold": {MOST + 0.01}}}', f"threshold: in the compute job, at most {MOST:g}"),
        ('{"detail": "fast"}', "detail: 'fast' is not one of standard, crowd"),
        ('{"margin": 0.1}', "margin: in the compute job, at least 0.15"),
        ('{"text_margin": 0.1}', "text_margin: in the compute job, at least 0.2"),
        (
            '{"cover": "text"}',
            "cover: 'text' is not one of face, head, face,text, head,text, face,plate, head,plate",
        ),
        ('{"cells": ["4"]}', "'cells' must be a string or a number"),
        ("[1, 2]", "must be a JSON object"),
        ("not json", "the parameters are not JSON"),
        ("[" * 100_000, "the parameters are not JSON"),
    ],
)
def test_a_wrong_parameter_ends_the_job_at_the_start(tmp_path, monkeypatch, capfd, text, sentence):
    monkeypatch.delenv("UNIONVEIL_MODEL_DIR", raising=False)
    inputs = lay_out(tmp_path, text)
    put("market.jpg", inputs / "a.jpg")
    said = refusal(capfd, "job", "--data-dir", tmp_path)
    assert sentence in said
    assert len(said.strip().splitlines()) == 1
    assert outputs(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{}", "  \n", '{"threshold": 0.4, "margin": "0.2"}'])
def test_parameters_may_be_absent_empty_or_numbers(tmp_path, text):
    (tmp_path / "p.json").write_text(text)
    read_parameters(tmp_path / "p.json")
    read_parameters(tmp_path / "absent.json")


def test_every_offered_parameter_is_accepted_with_its_default():
    offered = {p.name: p for p in job_parameters()}
    withheld = {
        *("digest_salt", "engine", "select", "match", "match_threshold", "only_strict", "embedder"),
        *("min_face", "max_face", "keep_metadata", "gps_decimals"),
        *("mirror", "check_outputs", "names"),
    }
    assert set(offered) == {p.name for p in parameters()} - withheld - VIDEO_SETTINGS | {
        "shard_index",
        "shard_count",
    }
    for name, parameter in offered.items():
        method = parameter.belongs_to[0] if parameter.belongs_to else "fill"
        if parameter.default:
            config_of({"method": method, name: parameter.default})
        for choice in parameter.choices:
            config_of({name: choice} if name == "method" else {"method": method, name: choice})
    assert offered["picture"].choices == EMOJI


@pytest.mark.parametrize("value", ["", 0, 0.0, "0", "0.0", "-0"])
def test_an_optional_number_has_its_default_if_empty_or_0(value):
    optional = [p.name for p in job_parameters() if p.kind in ("integer", "number") and not p.default]
    assert optional
    for name in optional:
        assert config_of({name: value}) == config_of({})
        for wrong in (-1, "-0.5", "none"):
            with pytest.raises(ConfigError, match=name):
                config_of({name: wrong})


@pytest.mark.parametrize("value", [10**400, -(10**400), "9" * 400, "1e400"])
@pytest.mark.parametrize("name", ["shard_index", "shard_count", "threshold", "margin", "k"])
def test_a_number_larger_than_any_float_is_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        request_of({name: value, "method": "ksame"})


@pytest.mark.parametrize("name", ["cells", "max_megapixels"])
def test_0_is_not_the_default_of_a_number_that_has_one(name):
    with pytest.raises(ConfigError, match=name):
        config_of({name: 0, "method": "pixelate"})


def test_a_boolean_is_not_a_number():
    with pytest.raises(ConfigError, match="must be a string or a number"):
        config_of({"margin": True})


def test_no_inputs_is_a_clear_error(tmp_path):
    lay_out(tmp_path)
    done = run(tmp_path)
    assert done.returncode == 2
    assert "contains no photo" in done.stderr
    shutil.rmtree(tmp_path / "inputs")
    assert "does not exist" in run(tmp_path).stderr


def test_a_data_set_without_a_picture_is_a_clear_error(tmp_path):
    inputs = lay_out(tmp_path)
    (inputs / "readme.txt").write_text("The photos come later.")
    with zipfile.ZipFile(inputs / "photos.zip", "w"):
        pass
    done = run(tmp_path)
    assert done.returncode == 2
    assert "contains no photo" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_shard_without_a_picture_is_done(tmp_path):
    inputs = lay_out(tmp_path, json.dumps({"shard_index": 1, "shard_count": 2}))
    (inputs / "readme.txt").write_text("The photos come later.")
    (inputs / "photos.zip").write_bytes(b"PK\5\6" + bytes(18))
    assert run(tmp_path).returncode == 0


def test_one_bad_file_never_stops_the_rest(tmp_path):
    inputs = lay_out(tmp_path)
    for number in range(3):
        (inputs / f"{number}-bad.jpg").write_bytes(b"\xff\xd8\xff" + bytes(range(256)) * number)
    put("street.jpg", inputs / "9-good.jpg")
    done = run(tmp_path)
    assert done.returncode == 1
    assert outputs(tmp_path) == ["000004.jpg", "manifest.json"]
    assert "input 1 rejected: the JPEG is cut off" in done.stdout


def test_the_algorithm_file_runs_without_its_folder(tmp_path):
    """A node lays the algorithm's file at data/transformations/algorithm and calls it by a relative path."""
    inputs = lay_out(tmp_path / "data")
    put("street.jpg", inputs / "a.jpg")
    (tmp_path / "data" / "transformations").mkdir()
    shutil.copy(MAIN, tmp_path / "data" / "transformations" / "algorithm")
    done = run(tmp_path / "data", "data/transformations/algorithm", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert outputs(tmp_path / "data") == ["000001.jpg", "manifest.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_as_a_user_without_a_name_who_may_write_only_outputs(tmp_path):
    inputs = lay_out(tmp_path)
    put("market.jpg", inputs / "a.jpg")
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    os.chown(tmp_path / "outputs", 54321, 54321)
    try:
        subprocess.run([sys.executable, "-c", "import unionveil"], user=54321, check=True)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("the environment is in a folder that other users cannot read")
    done = run(tmp_path, user=54321, group=54321)
    assert done.returncode == 0, done.stderr
    assert outputs(tmp_path) == ["000001.jpg", "manifest.json"]
    (tmp_path / "outputs" / "manifest.json").unlink()
    (tmp_path / "outputs").chmod(0o555)
    done = run(tmp_path, user=54321, group=54321)
    assert done.returncode == 2
    assert "cannot be written to" in done.stderr


def test_the_log_names_inputs_only_by_number(tmp_path):
    inputs = lay_out(tmp_path, json.dumps({"method": "gaussian"}))
    put("market.jpg", inputs / "a.jpg")
    done = run(tmp_path)
    assert "method=gaussian" in done.stdout
    assert "1 input file\n" in done.stdout
    assert done.stdout.strip().splitlines()[-1].startswith("done: 1 picture, ")


@pytest.mark.skipif(os.name != "posix", reason="nodes end a job with a POSIX signal")
def test_a_job_that_is_stopped_leaves_whole_outputs_and_no_manifest(tmp_path):
    inputs = lay_out(tmp_path)
    put("street.jpg", inputs / "000.jpg")
    for number in range(1, 300):
        shutil.copy(inputs / "000.jpg", inputs / f"{number:03d}.jpg")
    command = [sys.executable, str(MAIN), "--data-dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not outputs(tmp_path):
        time.sleep(0.05)
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert process.returncode == 143
    assert said.startswith("unionveil: stopped before the job was done")
    assert len(said.splitlines()) == 1
    names = outputs(tmp_path)
    assert 0 < len(names) < 300
    assert set(names) <= {f"{number:06d}.jpg" for number in range(1, 301)}
    for name in names:
        with Image.open(tmp_path / "outputs" / name) as image:
            image.load()


def test_jobs_share_out_an_archive_and_their_outputs_merge(tmp_path):
    """Every job gets the whole data set, and works on its part of it."""
    from unionveil.files.sinks import FolderSink
    from unionveil.merge.shards import open_shards
    from unionveil.merge.write import write_merged

    folders = []
    for index in range(2):
        data = tmp_path / str(index)
        asked = {"shard_index": str(index), "shard_count": 2.0, "threshold": 0}
        inputs = lay_out(data, json.dumps(asked))
        with zipfile.ZipFile(inputs / "photos.zip", "w") as archive:
            for name in ("alice.gif", "bob.gif", "carol.gif", "dan.gif"):
                archive.writestr(zipfile.ZipInfo(name), GIF)
        done = run(data)
        assert done.returncode == 0, done.stderr
        assert f"of which shard {index}/2" in done.stdout
        assert f"manifest-0000{index}-of-00002.jsonl" in outputs(data)
        verify(data / "outputs")
        folders.append(data / "outputs")
    write_merged(open_shards(folders), FolderSink(tmp_path / "merged"))
    counts = verify(tmp_path / "merged").head.counts
    assert counts.inputs == counts.without_face == 4
    assert "alice" not in (tmp_path / "merged" / "manifest.json").read_text()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"shard_index": 2, "shard_count": 2}, "shards are numbered from 0"),
        ({"shard_index": 1}, "1/1 does not exist"),
        ({"shard_count": 0}, "1 to 100000 shards"),
        ({"shard_count": "1.5"}, "shard_count: takes a whole number"),
        ({"shard_count": 2, "method": "ksame"}, "method ksame compares the faces of all inputs"),
    ],
)
def test_shards_that_are_not_there_are_refused(given, sentence):
    with pytest.raises(ConfigError, match=sentence):
        request_of(given)


def test_one_shard_is_the_whole_data_set():
    assert request_of({"shard_index": 0.0, "shard_count": "1"}) == request_of({})
    assert request_of({"shard_index": "3", "shard_count": 7}).shard == Shard(3, 7)
