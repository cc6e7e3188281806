"""Runs with boxes from other tools: which pictures are covered, withheld and redone."""

from __future__ import annotations

import gzip
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from unionveil import AnonymizeConfig
from unionveil.annotations import Annotations, Format, PictureBoxes, Reading, write
from unionveil.annotations.plan import box_plan, read_boxes
from unionveil.detections import Detections
from unionveil.engines.serial import SerialEngine
from unionveil.errors import InputError, OutputError
from unionveil.files.sinks import FolderSink
from unionveil.files.sources import PathSource
from unionveil.given import BoxPlan, GivenBoxes
from unionveil.outcomes import Rejected
from unionveil.runs.batch import run_batch
from unionveil.runs.journal import Journal, keyed_digest
from unionveil.runs.schema import MANIFEST, Manifest, RedactedRecord
from unionveil.runs.work import Anonymize

CONFIG = AnonymizeConfig(names="keep", margin=0)
BOX = (20, 10, 40, 30)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, grey in (("a", 200), ("b", 150)):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((60, 80, 3), grey, np.uint8))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    return folder


def run(photos: Path, plan: BoxPlan, *, prune: bool = False) -> Manifest:
    sink = FolderSink(photos.parent / "out", overwrite=prune)
    work = Anonymize(CONFIG, sink, boxes="instead", photo_secret=b"key")
    with Journal(sink.folder, CONFIG) as journal:
        work = replace(work, secret=journal.secret)
        source = PathSource([photos])
        run_batch(source, work, SerialEngine(), journal=journal, prune=prune, boxes=plan)
    return Manifest.model_validate_json((sink.folder / MANIFEST).read_bytes())


def given(*xyxy: tuple[float, float, float, float], photo: str | None = None) -> GivenBoxes:
    return GivenBoxes((Detections.of(np.reshape(xyxy, (-1, 4)), np.ones(len(xyxy))),), "instead", photo=photo)


def covered(photos: Path, name: str) -> np.ndarray:
    pixels = cv2.imread(str(photos.parent / "out" / name))
    assert pixels is not None
    return (pixels == 0).all(axis=2)


def test_the_boxes_are_covered_and_nothing_else_and_no_model_is_named(photos):
    manifest = run(photos, lambda *_: given(BOX))
    where = covered(photos, "a.png")
    assert where[10:30, 20:40].all()
    assert where.sum() == 400
    assert manifest.models == ()
    assert manifest.configuration["boxes"] == "instead"
    assert [item.status for item in manifest.items] == ["redacted", "redacted", "rejected"]


def test_a_picture_without_boxes_is_withheld_in_place_of_going_out_uncovered(photos):
    manifest = run(photos, lambda _, name: given(BOX) if name == "a.png" else None)
    assert [item.status for item in manifest.items] == ["redacted", "rejected", "rejected"]
    assert not (photos.parent / "out" / "b.png").exists()
    assert manifest.counts.rejected == {"boxes": 2}


def test_only_pictures_whose_boxes_changed_are_done_again(photos):
    run(photos, lambda *_: given(BOX))
    out = photos.parent / "out"
    before = {name: (out / name).stat().st_mtime_ns for name in ("a.png", "b.png")}
    run(photos, lambda _, name: given(BOX) if name == "a.png" else given(BOX, (50, 40, 60, 50)), prune=True)
    assert (out / "a.png").stat().st_mtime_ns == before["a.png"]
    assert covered(photos, "b.png").sum() == 500
    with pytest.raises(OutputError, match="other content"):
        run(photos, lambda *_: given((0, 0, 9, 9)))


def test_an_output_that_is_withheld_now_is_removed(photos):
    run(photos, lambda *_: given(BOX))
    manifest = run(
        photos, lambda _, name: given(BOX) if name == "a.png" else Rejected("flagged", "no"), prune=True
    )
    assert sorted(path.name for path in (photos.parent / "out").iterdir()) == ["a.png", MANIFEST]
    assert [item.status for item in manifest.items] == ["redacted", "rejected", "rejected"]


def test_a_file_that_changed_since_its_review_is_withheld(photos):
    photo = keyed_digest(b"key", "", (photos / "a.png").read_bytes())
    manifest = run(photos, lambda *_: given(BOX, photo=photo))
    assert manifest.counts.rejected == {"changed": 2}  # b.png and the broken one are not a.png
    cv2.imwrite(str(photos / "a.png"), np.full((60, 80, 3), 100, np.uint8))
    manifest = run(photos, lambda *_: given(BOX, photo=photo), prune=True)
    assert manifest.counts.rejected == {"changed": 3}


def boxes_file(photos: Path, annotations: Annotations, form: Format = Format.COCO) -> Path:
    path = photos.parent / "boxes"
    write(path, annotations, form)
    return path


def test_a_file_of_boxes_is_a_plan(photos):
    path = boxes_file(photos, {"a.png": PictureBoxes.of((80, 60), [BOX])})
    annotations, form = read_boxes(path, PathSource([photos]), Reading())
    beside, instead = (box_plan(annotations, form, mode) for mode in ("beside", "instead"))
    assert beside(2, "b.png") is None
    withheld = instead(2, "b.png")
    assert isinstance(withheld, Rejected)
    assert "no entry" in withheld.detail
    found = instead(1, "a.png")
    assert isinstance(found, GivenBoxes)
    assert not found.knows_frames
    assert found.frames[0].xyxy.tolist() == [list(BOX)]


@pytest.mark.parametrize(
    ("name", "size", "box", "why"),
    [
        ("c.png", (80, 60), BOX, "not among the"),
        ("a.png", (60, 80), (0, 0, 5, 5), "60 x 80"),
        ("a.png", (80, 60), (80, 0, 90, 9), "outside"),
    ],
)
def test_a_file_of_boxes_that_does_not_fit_stops_the_run_before_it_begins(photos, name, size, box, why):
    path = boxes_file(photos, {name: PictureBoxes.of(size, [box])})
    with pytest.raises(InputError, match=why):
        read_boxes(path, PathSource([photos]), Reading())


def test_boxes_travel_exactly_as_coco(photos):
    rng = np.random.default_rng(4)
    corner = rng.uniform(-5, 40, (200, 2)).astype(np.float32)
    exact = np.concatenate([corner, corner + rng.uniform(9, 30, (200, 2)).astype(np.float32)], axis=1)
    path = boxes_file(photos, {"a.png": PictureBoxes.of((80, 60), exact)})
    annotations, _ = read_boxes(path, PathSource([photos]), Reading())
    assert (annotations["a.png"].detections().xyxy == exact).all()


def test_a_run_beside_the_detector_never_covers_less(photos):
    sink = FolderSink(photos.parent / "beside")
    plan: BoxPlan = lambda _, name: replace(given(BOX), mode="beside") if name == "a.png" else None  # noqa: E731
    work = Anonymize(AnonymizeConfig(detector=("haar",)), sink, boxes="beside")
    run_batch(PathSource([photos]), work, SerialEngine(), boxes=plan)
    manifest = Manifest.model_validate_json((sink.folder / MANIFEST).read_bytes())
    first, second = manifest.items[:2]
    assert isinstance(first, RedactedRecord)
    assert isinstance(second, RedactedRecord)
    assert (len(first.faces), len(second.faces)) == (1, 0)
    assert [model.name for model in manifest.models] == ["haar", "haar-profile"]


def in_two_folders(photos: Path) -> PathSource:
    (photos.parent / "other").mkdir()
    copy = photos.parent / "other" / "a.png"
    copy.write_bytes((photos / "a.png").read_bytes())
    return PathSource([photos / "a.png", copy])


def in_one_archive(photos: Path) -> PathSource:
    path = photos.parent / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.write(photos / "a.png", "a.png")
        archive.write(photos / "b.png", "a.png")
    return PathSource([path])


def beside_its_compressed_copy(photos: Path) -> PathSource:
    (photos / "a.png.gz").write_bytes(gzip.compress((photos / "b.png").read_bytes()))
    return PathSource([photos])


def in_folders_with_one_name(photos: Path) -> PathSource:
    (photos.parent / "other" / "in").mkdir(parents=True)
    (photos.parent / "other" / "in" / "a.png").write_bytes((photos / "b.png").read_bytes())
    return PathSource([photos, photos.parent / "other" / "in"])


@pytest.mark.parametrize(
    "inputs", [in_two_folders, in_one_archive, beside_its_compressed_copy, in_folders_with_one_name]
)
def test_boxes_of_a_name_that_several_inputs_have_are_refused(photos, inputs):
    source = inputs(photos)
    path = boxes_file(photos, {"a.png": PictureBoxes.of((80, 60), [BOX])})
    with pytest.raises(InputError, match=r"several inputs are named '.*a\.png'"):
        read_boxes(path, source, Reading())
