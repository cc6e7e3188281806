"""The job in its container, run as a node runs it."""

from __future__ import annotations

import io
import json
import re
import tarfile
import time
import zipfile

import cv2
import numpy as np
import pytest

import samples
from as_node import Ended, Job, run_as_node
from checked import read_bgr
from paths import REPOSITORY
from unionveil.config import parameters
from unionveil.models.cards import DETECTORS
from unionveil.runs.schema import Manifest, RedactedRecord, RejectedRecord

pytestmark = [pytest.mark.engine, pytest.mark.slow]

MARKET = (samples.SCENES / "market.jpg").read_bytes()
STREET = (samples.SCENES / "street.jpg").read_bytes()
PYTHON = "/opt/unionveil/bin/python"


def manifest_of(ended: Ended) -> Manifest:
    return Manifest.model_validate_json(ended.outputs["manifest.json"])


def photos(count: int, scene: str = "market.jpg") -> dict[str, bytes]:
    """Photos of two megapixels, each of them different."""
    image = read_bgr(samples.SCENES / scene)
    return {
        f"{number:03d}.jpg": cv2.imencode(".jpg", np.roll(image, 8 * number, axis=1))[1].tobytes()
        for number in range(count)
    }


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_the_flat_layout_with_archives_and_a_corrupt_file(image):
    inputs = {
        "1-alice.jpg": MARKET,
        "2-without-suffix": STREET,
        "3-corrupt.jpg": MARKET[:9000],
        "4-two.zip": zipped({"a.jpg": MARKET, "deep/b.jpg": STREET}),
        "5-one.tar.gz": tarred({"c.jpg": MARKET}),
    }
    ended = run_as_node(image, inputs)
    assert ended.code == 1, ended.log
    names = ["000001.jpg", "000002.jpg", "000004.jpg", "000005.jpg", "000006.jpg", "manifest.json"]
    assert sorted(ended.outputs) == names
    assert "input 3 rejected" in ended.log
    manifest = manifest_of(ended)
    assert (manifest.counts.redacted, manifest.counts.without_face) == (3, 2)
    for text in (ended.log, ended.outputs["manifest.json"].decode()):
        assert not re.search("alice|suffix|corrupt.jpg|deep", text)


def test_the_layout_of_older_operators(image):
    dids = "0a" * 32, "ff" * 32
    inputs = {f"{dids[0]}/0": MARKET, f"{dids[0]}/1": STREET, f"{dids[1]}/0": zipped({"a.jpg": MARKET})}
    options = ("--env", f"DIDS={json.dumps(dids)}", "--env", "TRANSFORMATION_DID=" + "77" * 32)
    ended = run_as_node(
        image, inputs, parameters=None, others={f"ddos/{did}": b"{}" for did in dids}, options=options
    )
    assert ended.code == 0, ended.log
    assert sorted(ended.outputs) == ["000001.jpg", "000002.jpg", "000003.jpg", "manifest.json"]


def test_every_format_is_returned_without_its_secrets(image):
    files = samples.all_samples()
    ended = run_as_node(image, files)
    assert ended.code == 0, ended.log
    assert len(ended.outputs) == len(files) + 1
    assert not [name for name, content in ended.outputs.items() if samples.SECRET in content]


METHODS = next(p for p in parameters() if p.name == "method").choices


@pytest.mark.parametrize("method", [method for method in METHODS if method != "ksame"])
def test_every_method_with_both_bundled_detectors(image, method):
    given = {"method": method, "detector": "retinaface,haar", "shape": "ellipse", "margin": "0.2"}
    ended = run_as_node(image, {"a.jpg": MARKET}, parameters=json.dumps(given))
    assert ended.code == 0, ended.log
    (record,) = manifest_of(ended).items
    assert isinstance(record, RedactedRecord)
    assert {face.method for face in record.faces} == {method}


def test_k_same_reports_the_number_of_people(image):
    ended = run_as_node(image, {"a.jpg": MARKET}, parameters=json.dumps({"method": "ksame", "k": "100"}))
    assert ended.code == 2
    assert "method ksame with k = 100 needs the faces of at least 100 people" in ended.log
    assert ended.outputs == {}


def test_detectors_that_the_image_does_not_carry_say_so(image):
    carried = {"retinaface", "haar", "yolo"}
    for name in [name for name in DETECTORS if name not in carried]:
        ended = run_as_node(
            image, {"a.jpg": STREET}, parameters=json.dumps({"detector": f"retinaface,{name}"})
        )
        assert ended.code == 2
        assert "not on this machine" in ended.log
        assert ended.outputs == {}


def test_only_an_image_built_for_text_covers_text(image):
    ended = run_as_node(image, {"a.jpg": STREET}, parameters=json.dumps({"cover": "face,text"}))
    assert ended.code == 2
    assert "'ppocr-text'" in ended.log and "not on this machine" in ended.log
    assert ended.outputs == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"metod": "fill"}', "did you mean 'method'?"),
        ('{"margin": "wide"}', "margin: Input should be a valid number"),
        ("no json", "the parameters are not JSON"),
    ],
)
def test_a_wrong_parameter_is_one_sentence(image, text, sentence):
    ended = run_as_node(image, {"a.jpg": STREET}, parameters=text)
    assert ended.code == 2
    assert sentence in ended.log
    assert len(ended.log.strip().splitlines()) == 1
    assert ended.outputs == {}


def test_no_photo_is_one_sentence(image):
    ended = run_as_node(image, {})
    assert ended.code == 2
    assert "contains no photo" in ended.log


@pytest.mark.parametrize("options", [(), ("--workdir", "/tmp")], ids=["root", "elsewhere"])  # noqa: S108
def test_a_mounted_algorithm_file_does_not_run(image, options):
    ended = run_as_node(
        image,
        {"a.jpg": STREET},
        algorithm=b"raise SystemExit('the wrong program')",
        entrypoint=f"{PYTHON} -I /opt/unionveil/main.py",
        options=options,
    )
    assert ended.code == 0, ended.log
    assert sorted(ended.outputs) == ["000001.jpg", "manifest.json"]


def test_the_algorithm_file_as_the_entrypoint(image):
    main = (REPOSITORY / "algorithm" / "main.py").read_bytes()
    ended = run_as_node(image, {"a.jpg": STREET}, algorithm=main, entrypoint=f"{PYTHON} $ALGO")
    assert ended.code == 0, ended.log
    assert sorted(ended.outputs) == ["000001.jpg", "manifest.json"]


def test_no_variable_of_python_and_no_python_file_changes_the_code_that_runs(image):
    evil = b"raise SystemExit('foreign code')"
    options = ("--env", "PYTHONPATH=/data/inputs", "--env", "PYTHONSTARTUP=/data/inputs/numpy.py")
    ended = run_as_node(
        image,
        {"a.jpg": STREET, "numpy.py": evil, "unionveil/__init__.py": evil, "sitecustomize.py": evil},
        options=(*options, "--workdir", "/data/inputs"),
    )
    assert "foreign code" not in ended.log
    assert ended.outputs["000001.jpg"][:2] == b"\xff\xd8"


def test_two_hundred_photos_below_one_gigabyte(image):
    ended = run_as_node(image, {"all.zip": zipped(photos(200))}, memory="1g")
    assert ended.code == 0, ended.log
    assert manifest_of(ended).counts.redacted == 200
    assert len(ended.outputs) == 201


def test_a_photo_that_needs_too_much_memory_is_rejected_and_the_rest_goes_on(image):
    huge = cv2.imencode(".png", np.zeros((12000, 12000, 3), np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
    ended = run_as_node(image, {"1.jpg": MARKET, "2.png": huge.tobytes(), "3.jpg": STREET}, memory="400m")
    assert ended.code == 1, ended.log
    assert sorted(ended.outputs) == ["000001.jpg", "000003.jpg", "manifest.json"]
    record = manifest_of(ended).items[1]
    assert isinstance(record, RejectedRecord)
    assert record.reason == "too-large"


def test_without_enough_memory_nothing_is_published(image):
    ended = run_as_node(image, {"1.jpg": MARKET}, memory="48m")
    assert ended.code not in (0, 1)
    assert ended.outputs == {}


def test_a_timeout_in_the_middle_publishes_whole_outputs_only(image):
    inputs = photos(40)
    whole = run_as_node(image, inputs)
    assert whole.code == 0, whole.log

    def stop_in_the_middle(job: Job) -> None:
        while len(job.outputs()) < 5:
            time.sleep(0.1)
        start = time.perf_counter()
        job.stop()
        assert time.perf_counter() - start < 5, "the job waits to be killed"

    stopped = run_as_node(image, inputs, meanwhile=stop_in_the_middle)
    assert stopped.code == 143
    assert "stopped before the job was done" in stopped.log
    assert 5 <= len(stopped.outputs) < 40
    for name, content in stopped.outputs.items():
        assert content == whole.outputs[name]


def test_a_kill_in_the_middle_publishes_whole_outputs_only(image):
    inputs = photos(40)
    whole = run_as_node(image, inputs)

    def kill_in_the_middle(job: Job) -> None:
        while len(job.outputs()) < 5:
            time.sleep(0.1)
        job.kill()

    killed = run_as_node(image, inputs, meanwhile=kill_in_the_middle)
    assert killed.code == 137
    assert 5 <= len(killed.outputs) < 40
    for name, content in killed.outputs.items():
        assert content == whole.outputs[name]


def test_outputs_that_cannot_be_written_are_one_sentence(image):
    ended = run_as_node(image, {"a.jpg": MARKET}, outputs_mode=0o555)
    assert ended.code == 2
    assert "/data/outputs cannot be written to: Permission denied" in ended.log
    assert ended.outputs == {}


def test_a_full_disk_is_one_sentence(image):
    inputs = photos(20)
    options = ("--tmpfs", "/data/outputs:size=2m,uid=1000,gid=1000,mode=755")
    ended = run_as_node(image, inputs, options=options)
    assert ended.code == 2
    assert "the disk is full" in ended.log
