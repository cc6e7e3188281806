"""Verifies outputs without an original: correct ones pass, and every planted fault is found."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from paths import REPOSITORY
from unionveil.cli.verify import command
from unionveil.config import AnonymizeConfig
from unionveil.detect import FaceFinder
from unionveil.detections import Detections, Kind
from unionveil.engines.serial import SerialEngine
from unionveil.errors import InputError
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource
from unionveil.measure.examine import faceless
from unionveil.measure.residual import faces_left
from unionveil.measure.verify_run import verify_outputs
from unionveil.models.cards import EMBEDDERS
from unionveil.outcomes import Anonymized
from unionveil.pipeline import load
from unionveil.runs.batch import run_batch
from unionveil.runs.manifest import ManifestBuilder
from unionveil.runs.records import redacted_record
from unionveil.runs.work import Anonymize

MARKET = REPOSITORY / "tests" / "data" / "market.jpg"
FACE_XYXY = (330, 430, 400, 510)


def photo():
    return Image.open(MARKET).convert("RGB").crop((300, 400, 660, 600))


def anonymized(folder, out, **settings):
    config = AnonymizeConfig.from_parameters({"detail": "fast", "mirror": "no", **settings})
    run_batch(PathSource([folder]), Anonymize(config, FolderSink(out)), SerialEngine())
    return out


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Outputs of two photos with faces, as JPEG and PNG, and of one without."""
    folder = tmp_path_factory.mktemp("photos")
    photo().save(folder / "a.jpg", quality=80)
    photo().save(folder / "b.png")
    Image.new("RGB", (64, 48), (40, 90, 60)).save(folder / "c.png")
    return anonymized(folder, tmp_path_factory.mktemp("run") / "out")


@pytest.fixture
def outputs(honest, tmp_path):
    return shutil.copytree(honest, tmp_path / "out")


def change(folder, edit):
    """Edits the manifest, and makes its digests and totals fit again."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    for item in manifest["items"]:
        data = (folder / item["output"]).read_bytes()
        item |= {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    manifest["counts"]["faces"] = sum(len(item["faces"]) for item in manifest["items"])
    manifest["counts"]["redacted"] = sum(bool(item["faces"]) for item in manifest["items"])
    manifest["counts"]["without_face"] = sum(not item["faces"] for item in manifest["items"])
    path.write_text(json.dumps(manifest))


def issues(folder, detectors=("retinaface",)):
    verdict = verify_outputs(folder, SerialEngine(), detectors=detectors)
    return [(issue.finding.check, issue.sentence) for issue in verdict.sure]


def test_honest_outputs_pass(honest):
    verdict = verify_outputs(honest, SerialEngine())
    assert not verdict.sure
    assert verdict.head is not None
    assert verdict.head.counts.redacted == 2
    assert verdict.data()["passed"]


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["box", "ellipse"])
@pytest.mark.parametrize("method", ["pixelate", "gaussian", "median", "bilateral", "average", "overlay"])
@pytest.mark.parametrize("quality", [30, 90])
def test_honest_outputs_of_every_method_pass(tmp_path, method, shape, quality):
    (tmp_path / "photos").mkdir()
    photo().save(tmp_path / "photos" / "a.jpg", quality=quality)
    photo().save(tmp_path / "photos" / "b.png")
    photo().quantize(64).save(tmp_path / "photos" / "c.gif")
    photo().save(tmp_path / "photos" / "d.webp", quality=quality)
    out = anonymized(tmp_path / "photos", tmp_path / "out", method=method, shape=shape)
    assert not issues(out)
    for item in json.loads((out / "manifest.json").read_text())["items"]:
        name = item["output"]
        shutil.copy(
            tmp_path / "photos" / f"{'abcd'[item['input'] - 1]}{name[name.rindex('.') :]}", out / name
        )
    change(out, lambda manifest: None)
    assert {check for check, _ in issues(out)} >= {"method"}


def test_a_changed_byte_an_extra_file_and_a_missing_one(outputs):
    data = bytearray((outputs / "000002.png").read_bytes())
    data[len(data) // 2] ^= 1
    (outputs / "000002.png").write_bytes(data)
    (outputs / "original.jpg").write_bytes(b"a")
    (outputs / "000003.png").unlink()
    found = [sentence for check, sentence in issues(outputs) if check == "files"]
    assert len(found) == 3
    assert "was altered" in found[0]


def test_a_swapped_manifest(outputs, tmp_path):
    (tmp_path / "photos").mkdir()
    photo().transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "photos" / "a.jpg")
    other = anonymized(tmp_path / "photos", tmp_path / "other")
    shutil.copy(other / "manifest.json", outputs / "manifest.json")
    assert {check for check, _ in issues(outputs)} == {"files"}


@pytest.mark.parametrize("name", ["000001.jpg", "000002.png"])
def test_an_exif_tag(outputs, name):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    with Image.open(outputs / name) as image:
        out = io.BytesIO()
        kept = {"quality": "keep"} if name.endswith("jpg") else {}
        image.save(out, image.format, exif=exif, **kept)
    (outputs / name).write_bytes(out.getvalue())
    change(outputs, lambda manifest: None)
    ((check, sentence),) = issues(outputs)
    assert check == "metadata"
    assert "Exif" in sentence or "eXIf" in sentence


def test_bytes_behind_the_picture(outputs):
    with (outputs / "000001.jpg").open("ab") as file:
        file.write(b"hidden")
    change(outputs, lambda manifest: None)
    ((check, sentence),) = issues(outputs)
    # Our reader refuses nothing behind a JPEG's end; it leaves it out.
    assert check == "metadata"
    assert "bytes behind its end" in sentence


@pytest.mark.parametrize("item", [0, 1])
def test_a_box_shifted_by_half_its_width(outputs, item):
    def shift(manifest):
        face = manifest["items"][item]["faces"][0]
        half = (face["xyxy"][2] - face["xyxy"][0]) / 2
        face["xyxy"] = [face["xyxy"][0] + half, face["xyxy"][1], face["xyxy"][2] + half, face["xyxy"][3]]

    change(outputs, shift)
    assert "method" in {check for check, _ in issues(outputs)}


def test_an_uncovered_face(outputs):
    photo().save(outputs / "000002.png")

    def forget(manifest):
        manifest["items"][1]["faces"] = []

    change(outputs, forget)
    found = issues(outputs, None)
    assert {check for check, _ in found} == {"residual"}
    assert all("outside all boxes" in sentence for _, sentence in found)


@pytest.mark.parametrize(
    ("scores", "sure"),
    [([[0.9], []], [True]), ([[0.7], []], [False]), ([[], [0.99]], [False]), ([[0.7], [0.6]], [True])],
)
def test_two_detectors_that_agree_are_believed_or_a_network_that_is_sure(scores, sure):
    """The second detector is never sure by itself, like Haar cascades."""
    left = [Detections.of([[0, 0, 20, 20]] * len(each), each) for each in scores]
    assert [finding.is_sure for finding in faces_left(left, [0.85, 2.0])] == sure


def test_if_people_are_kept_visible_a_face_is_not_a_fault(outputs):
    photo().save(outputs / "000002.png")

    def keep(manifest):
        manifest["items"][1]["faces"] = []
        manifest["configuration"]["select"] = "keep"

    change(outputs, keep)
    verdict = verify_outputs(outputs, SerialEngine(), detectors=("retinaface",))
    assert not verdict.sure
    assert {issue.finding.check for issue in verdict.unsure} == {"residual"}


def with_exif():
    exif = Image.Exif()
    exif[0x010F] = "SECRET"
    exif.get_ifd(0x8769)[0x9003] = "2024:01:02 03:04:05"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.34), 3: "E", 4: (13.0, 24.0, 0.5)})
    return {"exif": exif}


@pytest.fixture(scope="module")
def located(tmp_path_factory):
    """Outputs that keep date and place, the place rounded."""
    folder = tmp_path_factory.mktemp("located")
    photo().save(folder / "a.jpg", quality=80, **with_exif())
    photo().save(folder / "b.png", **with_exif())
    photo().save(folder / "c.webp", **with_exif())
    photo().save(folder / "d.bmp")
    settings = {"keep_metadata": "gps,date", "gps_decimals": "2"}
    return anonymized(folder, tmp_path_factory.mktemp("run") / "out", **settings)


def test_kept_metadata_is_as_claimed(located):
    assert not issues(located)
    manifest = json.loads((located / "manifest.json").read_text())
    assert [item.get("metadata") for item in manifest["items"]] == [["date", "gps"]] * 3 + [None]
    assert not any(b"SECRET" in path.read_bytes() for path in located.iterdir())


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda m: m["configuration"].update(keep_metadata="date", gps_decimals=""), "do not keep: gps"),
        (lambda m: m["configuration"].update(keep_metadata="", gps_decimals=""), "do not keep: date, gps"),
        (lambda m: m["configuration"].update(gps_decimals="1"), "finer than 1 decimal places"),
        (lambda m: m["items"][0].update(metadata=["date"]), "keeps date, gps, the manifest says date"),
        (lambda m: m["items"][0].pop("metadata"), "keeps date, gps, the manifest says nothing"),
    ],
)
def test_more_metadata_than_is_claimed(located, tmp_path, edit, sentence):
    folder = shutil.copytree(located, tmp_path / "out")
    change(folder, edit)
    assert any(check == "metadata" and sentence in text for check, text in issues(folder))


@pytest.mark.parametrize("name", ["000001.jpg", "000002.png", "000003.webp"])
def test_an_exif_tag_beside_the_kept_ones(located, tmp_path, name):
    folder = shutil.copytree(located, tmp_path / "out")
    image = Image.open(folder / name)
    exif = image.getexif()
    exif[0x013B] = "Jane Doe"
    image.save(folder / name, exif=exif, quality=80)
    change(folder, lambda manifest: None)
    assert any("more than date, gps" in text for _, text in issues(folder))


def test_a_face_kept_by_its_size_is_not_a_fault(honest, tmp_path):
    folder = shutil.copytree(honest, tmp_path / "out")
    for name in ("000001.jpg", "000002.png"):
        photo().save(folder / name, quality=80)
    uncover = lambda manifest: [item.update(faces=[]) for item in manifest["items"]]  # noqa: E731
    change(folder, uncover)
    assert "residual" in {check for check, _ in issues(folder)}
    change(folder, lambda manifest: manifest["configuration"].update(min_face="500"))
    verdict = verify_outputs(folder, SerialEngine(), detectors=("retinaface",))
    assert not verdict.sure
    assert {issue.finding.check for issue in verdict.unsure} == {"residual"}
    change(folder, lambda manifest: manifest["configuration"].update(min_face="5"))
    assert "residual" in {check for check, _ in issues(folder)}


def test_converted_outputs_pass(tmp_path):
    (tmp_path / "photos").mkdir()
    photo().save(tmp_path / "photos" / "a.jpg", quality=80)
    photo().save(tmp_path / "photos" / "b.png")
    photo().save(tmp_path / "photos" / "c.bmp")
    for number, form in enumerate(("jpeg", "png", "webp")):
        out = anonymized(tmp_path / "photos", tmp_path / f"out{number}", output_format=form, quality="60")
        assert not issues(out)
        assert {item["format"] for item in json.loads((out / "manifest.json").read_text())["items"]} == {form}


def test_previews_are_examined_too(tmp_path):
    (tmp_path / "photos").mkdir()
    photo().resize((1800, 1000)).save(tmp_path / "photos" / "a.png")
    config = AnonymizeConfig(detail="fast", mirror="no")
    out = tmp_path / "out"
    work = Anonymize(config, FolderSink(out), previews=True)
    run_batch(PathSource([tmp_path / "photos"]), work, SerialEngine())
    assert not issues(out)
    (preview,) = (out / "preview").iterdir()
    photo().save(preview)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["items"][0]["preview_sha256"] = hashlib.sha256(preview.read_bytes()).hexdigest()
    manifest["items"][0]["faces"].pop()
    manifest["counts"]["faces"] -= 1
    (out / "manifest.json").write_text(json.dumps(manifest))
    found = verify_outputs(out, SerialEngine(), detectors=("retinaface",)).sure
    assert ("residual", f"preview/{preview.name}") in {(one.finding.check, one.file) for one in found}


def test_a_shared_face_must_be_in_its_box():
    boxes = np.array([[0, 0, 20, 20], [50, 50, 90, 90]], np.float32)
    found = np.array([[1, 1, 21, 19]], np.float32)
    (finding,) = faceless(boxes, found, np.zeros(2, np.float32))
    assert "no face in the box (50, 50, 90, 90)" in finding.detail
    assert finding.is_sure
    (finding,) = faceless(boxes, found, np.array([0, 0.6], np.float32))
    assert not finding.is_sure, "most of it lies under another face"


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda manifest: manifest["tool"].update(version="99.0.0"), "written by UnionVeil '99.0.0'"),
        (lambda manifest: manifest["tool"].update(version="²"), "written by UnionVeil '²'"),
        (lambda manifest: manifest["tool"].update(version="9" * 5000), "written by UnionVeil '999"),
        (
            lambda manifest: manifest["items"][0]["faces"][0].update(xyxy=[0, 0, float("inf"), 9]),
            "xyxy.2: Input should be a finite number",
        ),
        (
            lambda manifest: manifest["items"][0]["faces"][0].update(frame=5_000_000_000),
            "frame: Input should be less than",
        ),
        (lambda manifest: manifest["models"][0].update(sha256="0" * 64), "differ from those of this version"),
        (lambda manifest: manifest["models"][0].update(name="mine"), "the weights 'mine' are unknown"),
        (lambda manifest: manifest["models"].clear(), "names no weights"),
        (
            lambda manifest: manifest["configuration"].update(method="hope"),
            "the settings in the manifest are not",
        ),
        (lambda manifest: manifest["items"][0].update(size_wh=[5, 5]), "the manifest says 5 x 5"),
        (lambda manifest: manifest["items"][0].update(format="png"), "it is jpeg, the manifest says png"),
        (lambda manifest: manifest["items"][0]["faces"][0].update(method="none"), "a box says none"),
    ],
)
def test_false_claims(outputs, edit, sentence):
    change(outputs, edit)
    assert any(sentence in found for _, found in issues(outputs))


@pytest.mark.parametrize("name", ["sface", "dlib"])
def test_the_weights_of_embedders_are_known(outputs, name):
    """Runs with --keep, --only and k-same name the weights that compared faces."""
    card = EMBEDDERS[name]
    model = {"name": name, "sha256": card.sha256, "licence": card.licence, "threshold": 0.42}
    change(outputs, lambda manifest: manifest["models"].append(model))
    assert not issues(outputs)
    change(outputs, lambda manifest: manifest["models"][-1].update(sha256="0" * 64))
    assert [check for check, _ in issues(outputs)] == ["claims"]


def unionveil(*args):
    words = [sys.executable, "-m", "unionveil", *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, timeout=280)


@pytest.mark.slow
def test_one_uncovered_face_of_30_px_among_200_photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(200):
        small = rng.integers(30, 200, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((120, 90), Image.Resampling.BICUBIC).save(folder / f"{number:03}.png")
    out = anonymized(folder, tmp_path / "out")
    face = Image.open(MARKET).convert("RGB").crop(FACE_XYXY)
    height = 42  # of which the face itself has some 30 px
    face = face.resize((round(height * face.width / face.height), height), Image.Resampling.LANCZOS)
    with Image.open(out / "000117.png") as image:
        image.load()
    image.paste(face, (40, 20))
    image.save(out / "000117.png")
    change(out, lambda manifest: None)
    done = unionveil("verify", out, "--json")
    assert done.returncode == 1
    verdict = json.loads(done.stdout)
    assert not verdict["passed"]
    assert {(issue["file"], issue["check"]) for issue in verdict["issues"]} == {("000117.png", "residual")}


@pytest.mark.parametrize(
    ("files", "code", "sentence"),
    [
        ({}, 1, "there is no manifest.json: the run did not finish"),
        ({"manifest.json": '{"schema_version": "2.0"}'}, 1, "this version reads (schema_version"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path, capsys, files, code, sentence):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert command.main([str(tmp_path), "--json"], standalone_mode=False) == code
    out, err = capsys.readouterr()
    assert sentence in " ".join(err.split())
    assert not json.loads(out)["passed"]


def test_a_file_is_not_a_folder_of_outputs(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        command.main([str(tmp_path / "missing")], standalone_mode=False)


class Sign:
    """Finds a line of text beside the faces of `photo`."""

    def __init__(self, find):
        self._find = find

    def __call__(self, image):
        text = Detections.of([[20, 20, 120, 45]], [0.8], kind=Kind.TEXT)
        return Detections.concat([self._find(image), text])


def with_text(folder, out, **settings):
    """A run that covers text, with a detector of text that always finds the same line."""
    config = AnonymizeConfig.from_parameters(
        {"detail": "fast", "mirror": "no", "cover": "face,text", **settings}
    )
    find = Sign(FaceFinder(config.model_copy(update={"cover": ("face",)}), 1))
    folder.mkdir()
    photo().save(folder / "a.png")
    builder, sink = ManifestBuilder(config), FolderSink(out)
    outcome = load(config, finder=find)(folder / "a.png")
    assert isinstance(outcome, Anonymized)
    record = redacted_record(1, "000001.png", outcome, config, None)
    sink.write(record.output, outcome.data)
    builder.add(record)
    sink.replace("manifest.json", [builder.to_bytes()])
    return out


@pytest.mark.parametrize("settings", [{}, {"method": "overlay", "shape": "ellipse"}, {"text_method": "same"}])
def test_covered_text_is_as_claimed(tmp_path, settings):
    assert not issues(with_text(tmp_path / "in", tmp_path / "out", **settings))


def test_text_that_is_not_covered_is_found(tmp_path):
    out = with_text(tmp_path / "in", tmp_path / "out", method="gaussian")
    bare = np.array(photo())
    image = np.array(Image.open(out / "000001.png"))
    image[10:60, 10:130] = bare[10:60, 10:130]
    Image.fromarray(image).save(out / "000001.png")
    path = out / "manifest.json"
    manifest = json.loads(path.read_text())
    data = (out / "000001.png").read_bytes()
    manifest["items"][0] |= {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    path.write_text(json.dumps(manifest))
    assert any("(20, 20, 120, 45) is not covered by fill" in sentence for _, sentence in issues(out))


def test_miscounted_text_is_found(tmp_path):
    out = with_text(tmp_path / "in", tmp_path / "out")
    path = out / "manifest.json"
    path.write_text(path.read_text().replace('"texts": 1', '"texts": 2'))
    assert issues(out) == [("files", "the totals in manifest.json are not those of its items")]


def test_if_faces_stay_no_detector_runs(tmp_path):
    """Settings that cover only text leave faces visible, so faces in an output are not faults."""
    out = with_text(tmp_path / "in", tmp_path / "out", cover="text")
    verdict = verify_outputs(out, SerialEngine())
    assert not verdict.sure and verdict.detectors == ()
