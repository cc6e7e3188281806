"""Outputs in other forms: every picture with its boxes, as the readers of those forms expect them."""

import csv
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from hashlib import sha256

import numpy as np
import pytest
from click.testing import CliRunner

import samples
from unionveil import AnonymizeConfig, ConfigError, InputError, OutputError
from unionveil.cli.merge import command as merge_command
from unionveil.detections import Detections, Kind
from unionveil.engines.serial import SerialEngine
from unionveil.export.croissant import About, DataFile, croissant, read_about
from unionveil.export.packed import write_parquet, write_webdataset
from unionveil.export.write import ExportForm, describe, describe_export, export
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource
from unionveil.merge.shards import open_shards
from unionveil.pipeline import Anonymizer
from unionveil.redact import load_redactor
from unionveil.runs.batch import run_batch
from unionveil.runs.work import Anonymize
from unionveil.select import every_face
from unionveil.verify import verify

ALL = samples.all_samples()
ABOUT = About(
    name="Streets", description="Photos of streets", author="A union", license="CC-BY-4.0", tags=("a",)
)


class BoxesIn(Anonymize):
    """Work whose detector finds a box in every picture that is wider than 60 px."""

    def anonymizer(self, threads):
        def find(image):
            boxes = [[8.0, 8.0, 30.5, 28.0]] if image.shape[1] > 60 else []
            return Detections.of(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.75))

        redact = load_redactor(self.config)
        return Anonymizer(find, every_face, redact, max_pixels=1e9, options=self.config.outputs)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Inputs: the first without a face, some in folders, one that is refused."""
    photos = tmp_path_factory.mktemp("photos")
    (photos / "sub.b").mkdir()
    (photos / "a.png").write_bytes(ALL["png-16-rgb"])  # narrow: no face
    (photos / "sub.b" / "b.c.jpg").write_bytes(ALL["jpeg-420"])
    (photos / "d.webp").write_bytes(ALL["webp"])
    (photos / "broken.jpg").write_bytes(b"garbage")
    return photos


@pytest.fixture(scope="module")
def outputs(photos, tmp_path_factory):
    """A run's outputs, names kept."""
    out = tmp_path_factory.mktemp("run") / "out"
    run_batch(PathSource([photos]), BoxesIn(AnonymizeConfig(names="keep"), FolderSink(out)), SerialEngine())
    return out


def exported(outputs, out, form):
    export(open_shards([outputs]), FolderSink(out), form)
    return out


def test_metadata_jsonl_has_a_line_for_each_picture_with_the_same_keys(outputs, tmp_path):
    out = exported(outputs, tmp_path / "set", ExportForm.METADATA)
    lines = [json.loads(line) for line in (out / "metadata.jsonl").read_text().splitlines()]
    assert [line["file_name"] for line in lines] == ["a.png", "d.webp", "sub.b/b.c.jpg"]
    assert len({tuple(line) + tuple(line["objects"]) for line in lines}) == 1
    assert lines[0]["objects"]["bbox"] == []
    assert lines[2]["objects"] == {
        "bbox": [[8.0, 8.0, 22.5, 20.0]],
        "category": [0],
        "score": [0.75],
        "frame": [0],
        "method": ["fill"],
    }
    for line in lines:
        assert (out / line["file_name"]).read_bytes() == (outputs / line["file_name"]).read_bytes()
    assert {path.name for path in out.rglob("*") if path.is_file()} == {
        "a.png",
        "b.c.jpg",
        "d.webp",
        "metadata.jsonl",
    }


def test_coco_and_csv_and_yolo(outputs, tmp_path):
    coco = json.loads(
        (exported(outputs, tmp_path / "coco", ExportForm.COCO) / "annotations.json").read_text()
    )
    assert [image["file_name"] for image in coco["images"]] == ["a.png", "d.webp", "sub.b/b.c.jpg"]
    assert [box["bbox"] for box in coco["annotations"]] == [[8.0, 8.0, 22.5, 20.0]] * 2
    assert (tmp_path / "coco" / "images" / "sub.b" / "b.c.jpg").is_file()
    table = exported(outputs, tmp_path / "csv", ExportForm.CSV) / "boxes.csv"
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [(row["picture"], row["left"]) for row in rows] == [
        ("a.png", ""),
        ("d.webp", "8"),
        ("sub.b/b.c.jpg", "8"),
    ]
    yolo = exported(outputs, tmp_path / "yolo", ExportForm.YOLO)
    assert (yolo / "labels" / "a.txt").read_text() == ""
    assert (yolo / "labels" / "sub.b" / "b.c.txt").read_text().startswith("0 0.2")
    assert (yolo / "data.yaml").is_file()


@pytest.fixture(scope="module")
def all_kinds(outputs, tmp_path_factory):
    """The same outputs, whose manifest says that a box is a plate and another one text."""
    folder = shutil.copytree(outputs, tmp_path_factory.mktemp("kinds") / "out")
    first, second, rest = (folder / "manifest.json").read_text().split('"method":"fill"}', 2)
    kinds = f'{first}"method":"fill","kind":"plate"}}{second}"method":"fill","kind":"text"}}{rest}'
    (folder / "manifest.json").write_text(kinds)
    return folder


def test_a_plate_is_not_exported_as_a_face(all_kinds, tmp_path):
    rows = exported(all_kinds, tmp_path / "set", ExportForm.METADATA) / "metadata.jsonl"
    found = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [row["objects"]["category"] for row in found] == [[], [Kind.PLATE], [Kind.TEXT]]
    assert [row["faces"] for row in found] == [0, 0, 0]
    coco = exported(all_kinds, tmp_path / "coco", ExportForm.COCO) / "annotations.json"
    names = {one["id"]: one["name"] for one in json.loads(coco.read_text())["categories"]}
    boxes = json.loads(coco.read_text())["annotations"]
    assert [names[box["category_id"]] for box in boxes] == ["plate", "text"]
    table = exported(all_kinds, tmp_path / "csv", ExportForm.CSV) / "boxes.csv"
    assert [row["kind"] for row in csv.DictReader(io.StringIO(table.read_text()))] == ["", "plate", "text"]
    yolo = exported(all_kinds, tmp_path / "yolo", ExportForm.YOLO)
    assert (yolo / "data.yaml").read_text().endswith("names:\n  0: face\n  1: head\n  2: text\n  3: plate\n")
    assert (yolo / "labels" / "d.txt").read_text().startswith("3 ")


def test_webdataset_pairs_pictures_with_their_rows_and_is_the_same_every_time(outputs, tmp_path):
    merged = open_shards([outputs])
    names = write_webdataset(merged, FolderSink(tmp_path / "a"), on_done=lambda: None, most_bytes=1)
    assert names == ("000000.tar", "000001.tar", "000002.tar")
    (one,) = write_webdataset(merged, FolderSink(tmp_path / "b"), on_done=lambda: None)
    exported(outputs, tmp_path / "c", ExportForm.WEBDATASET)
    assert (tmp_path / "b" / one).read_bytes() == (tmp_path / "c" / one).read_bytes()
    with tarfile.open(tmp_path / "b" / one) as tar:
        members = tar.getnames()
        assert [name.split(".")[0] for name in members[::2]] == [name.split(".")[0] for name in members[1::2]]
        assert [name.partition(".")[2] for name in members] == ["png", "json", "webp", "json", "jpg", "json"]
        picture, facts = (tar.extractfile(name) for name in members[-2:])
        assert picture is not None and facts is not None
        assert json.load(facts)["file_name"] == "sub.b/b.c.jpg"
        assert picture.read() == (outputs / "sub.b" / "b.c.jpg").read_bytes()


def test_parquet_holds_pictures_and_boxes(outputs, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    names = write_parquet(open_shards([outputs]), FolderSink(tmp_path), on_done=lambda: None, most_bytes=1)
    assert names[0] == "data-00000-of-00003.parquet"
    rows = [row for name in names for row in parquet.read_table(tmp_path / name).to_pylist()]
    assert [row["image"]["path"] for row in rows] == ["a.png", "d.webp", "sub.b/b.c.jpg"]
    assert rows[2]["image"]["bytes"] == (outputs / "sub.b" / "b.c.jpg").read_bytes()
    assert rows[2]["objects"]["bbox"] == [[8.0, 8.0, 22.5, 20.0]]


def test_parquet_without_pyarrow_names_the_extra(outputs, tmp_path):
    if importlib.util.find_spec("pyarrow"):
        pytest.skip("pyarrow is installed here")
    with pytest.raises(ConfigError, match=r"pip install 'unionveil\[parquet\]'"):
        exported(outputs, tmp_path, ExportForm.PARQUET)


@pytest.mark.parametrize("form", [form for form in ExportForm if form is not ExportForm.PARQUET])
def test_an_altered_picture_a_missing_one_and_a_full_folder_are_refused(outputs, tmp_path, form):
    folder = shutil.copytree(outputs, tmp_path / "copy")
    with pytest.raises(OutputError, match="needs an empty folder"):
        exported(folder, folder, form)
    (folder / "d.webp").write_bytes(b"other")
    with pytest.raises(InputError, match="was altered"):
        exported(folder, tmp_path / "one", form)
    (folder / "d.webp").unlink()
    with pytest.raises(InputError, match="is missing"):
        exported(folder, tmp_path / "two", form)


def test_a_manifest_cannot_name_a_file_outside(outputs, tmp_path):
    folder = shutil.copytree(outputs, tmp_path / "copy")
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"d.webp"', '"../d.webp"'))
    with pytest.raises(InputError, match="a name that no run uses"):
        exported(folder, tmp_path / "out", ExportForm.METADATA)


def test_boxes_on_several_frames_are_refused_where_they_cannot_be_held(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.gif").write_bytes(ALL["gif-animated"])
    work = BoxesIn(AnonymizeConfig(), FolderSink(tmp_path / "out"))
    run_batch(PathSource([tmp_path / "photos"]), work, SerialEngine())
    with pytest.raises(InputError, match="boxes on several frames"):
        exported(tmp_path / "out", tmp_path / "coco", ExportForm.COCO)
    exported(tmp_path / "out", tmp_path / "csv", ExportForm.CSV)


def test_croissant_describes_how_people_were_covered(outputs):
    head = open_shards([outputs]).head
    document = json.loads(croissant(ABOUT, head, [DataFile("metadata.jsonl", "0" * 64)], ""))
    assert document["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert document["conformsTo"][0] == "http://mlcommons.org/croissant/1.0"
    assert "method fill" in document["rai:dataManipulationProtocol"]
    assert "k = " not in document["rai:dataManipulationProtocol"]
    assert document["rai:personalSensitiveInformation"][1] == "Files contain no metadata."
    shared = head.model_copy(
        update={"configuration": {**head.configuration, "method": "ksame", "k": "12", "keep_metadata": "gps"}}
    )
    other = json.loads(croissant(ABOUT, shared, [], ""))
    assert "at least k = 12 people" in other["rai:dataManipulationProtocol"]
    assert other["rai:personalSensitiveInformation"][1] == "Metadata that was kept: gps."


def test_croissant_counts_plates_and_text_apart_from_faces(outputs):
    head = open_shards([outputs]).head
    counts = head.counts.model_copy(update={"faces": 1, "texts": 2})
    config = {**head.configuration, "cover": "face,plate"}
    plates = head.model_copy(update={"configuration": config, "counts": counts})
    document = json.loads(croissant(ABOUT, plates, [], ""))
    assert document["rai:dataManipulationProtocol"].startswith("Faces and number plates were found by")
    sentence = "1 face and 2 lines of text or plates in 2 pictures were covered."
    assert document["rai:personalSensitiveInformation"][0] == sentence


def test_a_description_that_lacks_something_is_one_sentence(tmp_path):
    path = tmp_path / "about.json"
    path.write_text('{"name": "x"}')
    with pytest.raises(
        InputError, match=r"about.json does not describe a data set \(description: Field required\)"
    ):
        read_about(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_about(tmp_path / "gone.json")


def test_merge_writes_forms_and_their_description(outputs, tmp_path):
    about = tmp_path / "about.json"
    about.write_text(ABOUT.model_dump_json())
    arguments = [
        str(outputs),
        "-o",
        str(tmp_path / "set"),
        "--to",
        "metadata.jsonl",
        "--croissant",
        str(about),
    ]
    done = CliRunner().invoke(merge_command, arguments, standalone_mode=False)
    assert done.exception is None and done.return_value == 0
    document = json.loads((tmp_path / "set" / "croissant.json").read_text())
    assert (
        document["distribution"][0]["sha256"]
        == sha256((tmp_path / "set" / "metadata.jsonl").read_bytes()).hexdigest()
    )
    plain = [str(outputs), "-o", str(tmp_path / "plain"), "--croissant", str(about)]
    assert CliRunner().invoke(merge_command, plain, standalone_mode=False).return_value == 0
    beside = json.loads((tmp_path / "plain.croissant.json").read_text())
    manifest, pictures = beside["distribution"]
    assert manifest["contentUrl"] == "plain/manifest.json"
    assert manifest["sha256"] == sha256((tmp_path / "plain" / "manifest.json").read_bytes()).hexdigest()
    assert pictures["includes"][0] == "plain/**.jpg"
    assert verify(tmp_path / "plain").head.counts.faces == 2


@pytest.mark.slow
# Warnings of mlcroissant's own libraries about each other.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("form", [*ExportForm, None], ids=lambda form: form.value if form else "outputs")
def test_croissant_is_valid_and_its_rows_can_be_read(outputs, tmp_path, form):
    croissants = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    merged = open_shards([outputs])
    more = {"url": "https://example.org/streets", "published": "2026-01-31", "cite_as": "A union, 2026"}
    about = About(**{**ABOUT.model_dump(), **more})
    if form is None:
        path = describe(about, merged, shutil.copytree(outputs, tmp_path / "out"))
    else:
        sink = FolderSink(tmp_path / "set")
        path = describe_export(about, merged, sink, form, export(merged, sink, form))
    dataset = croissants.Dataset(jsonld=str(path))
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    assert dataset.metadata.license == ["https://spdx.org/licenses/CC-BY-4.0.html"]
    for rows in dataset.metadata.record_sets:
        assert len(list(dataset.records(rows.id))) == 3
    assert bool(dataset.metadata.record_sets) == (
        form in (ExportForm.METADATA, ExportForm.CSV, ExportForm.PARQUET)
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", [ExportForm.METADATA, ExportForm.PARQUET, ExportForm.WEBDATASET, None])
def test_load_dataset_reads_it_offline(photos, outputs, tmp_path, form):
    if not importlib.util.find_spec("datasets"):
        pytest.skip("datasets is not installed")
    if form is ExportForm.WEBDATASET:  # whose samples must have the same suffixes for this reader
        config = AnonymizeConfig(output_format="jpeg")
        outputs = tmp_path / "jpegs"
        run_batch(PathSource([photos]), BoxesIn(config, FolderSink(outputs)), SerialEngine())
    folder = exported(outputs, tmp_path / "set", form) if form else outputs
    program = """
import sys, datasets
kind, folder, cache = sys.argv[1:]
suffix = {"webdataset": "tar"}.get(kind, kind)
where = {"data_dir": folder} if kind == "imagefolder" else {"data_files": folder + "/*." + suffix}
found = datasets.load_dataset(kind, split="train", cache_dir=cache, **where)
rows = list(found)
assert len(rows) == 3, rows
pictures = [next(value for value in row.values() if hasattr(value, "size")) for row in rows]
assert sorted(picture.size for picture in pictures) == [(50, 40), (96, 64), (96, 64)], pictures
print(sorted(found.column_names))
"""
    kind = {ExportForm.METADATA: "imagefolder", None: "imagefolder"}.get(form, form.value if form else "")
    done = subprocess.run(
        [sys.executable, "-c", program, kind, str(folder), str(tmp_path / "cache")],
        env={
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "HF_HOME": str(tmp_path / "home"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if form is ExportForm.METADATA:
        assert "objects" in done.stdout
