"""Comparisons of detectors: figures by hand, and the command as a user runs it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from paths import REPOSITORY
from unionveil import AnonymizeConfig
from unionveil.annotations import PictureBoxes, Pixels, Reading
from unionveil.cli.compare import command
from unionveil.content import FileContent
from unionveil.detect import FaceFinder
from unionveil.errors import InputError, UnionVeilError
from unionveil.images import decode, rgb_views
from unionveil.measure.agreement import agree, agreement_data
from unionveil.measure.compare import compare, data_of
from unionveil.measure.compare_run import read_truth
from unionveil.measure.gallery import Crop, crop_photo
from unionveil.measure.photos import photos_in
from unionveil.measure.trial import UNION, Found, Seen, Trial, TrialTask
from unionveil.outcomes import Rejected

DATA = REPOSITORY / "tests" / "data"


def found(rows, covered=(), threshold=0.5):
    boxes = np.array([row[:4] for row in rows], np.float32).reshape(-1, 4)
    score = np.array([row[4] for row in rows], np.float32)
    sure = score >= threshold
    return Found((boxes[sure], score[sure]), (boxes, score), np.array(covered, float), threshold, 0.5)


def seen(truth, **by_name):
    return Seen(0, (400, 300), PictureBoxes.of((400, 300), truth), by_name)


FACES = [[10, 10, 20, 20], [100, 100, 130, 130]]


def test_figures_by_hand():
    first = seen(
        FACES, a=found([[10, 10, 20, 20, 0.9], [200, 0, 230, 30, 0.8], [100, 100, 130, 130, 0.2]], [0.8, 0])
    )
    second = seen([], a=found([[0, 0, 5, 5, 0.6]]))
    data = data_of(compare([first, second], ["a"]), {})["a"]
    assert (data["faces"], data["recall"], data["false_per_picture"]) == (2, 0.5, 1.0)
    assert (data["coverage"], data["coverage_95"]) == (0.5, 0.0)
    # Precision 1 up to recall 1/2 (51 of 101 levels), then 2 of 4 boxes.
    assert data["ap50"] == pytest.approx((51 * 1 + 50 * 0.5) / 101)
    small, middle = data["bands"]["below 20 px"], data["bands"]["20 to 40 px"]
    assert (small["faces"], small["recall"], small["coverage"], small["false_per_picture"]) == (
        1,
        1.0,
        1.0,
        0.5,
    )
    assert (middle["faces"], middle["recall"], middle["coverage"], middle["false_per_picture"]) == (
        1,
        0,
        0,
        0.5,
    )
    assert np.isnan(data["bands"]["above 80 px"]["recall"])
    low, high = data["intervals"]["false_per_picture"]
    assert low <= 1.0 <= high


def test_detectors_that_find_what_others_miss():
    a = found([[10, 10, 20, 20, 0.9], [50, 50, 90, 90, 0.8]])
    b = found([[10, 10, 20, 21, 0.7], [200, 200, 210, 210, 0.6]])
    both = found([[10, 10, 20, 21, 0.9], [50, 50, 90, 90, 0.8], [200, 200, 210, 210, 0.6]])
    agreement = agree([seen([], a=a, b=b, **{UNION: both})], ["a", "b"])
    data = agreement_data(agreement)
    assert (data["a"]["found"], data["a"]["alone"], data["a"]["union_gains"]) == (2, 1, 1)
    assert data["a"]["missed"] == {"b": 1}
    assert data["a"]["bands"]["40 to 80 px"] == {"found": 1, "alone": 1, "union_gains": 0}


@pytest.mark.parametrize("name", ["retinaface", "haar"])
def test_compare_measures_the_covers_of_a_run(name):
    config = AnonymizeConfig(detector=(name,), detail="fast")
    task = TrialTask(FileContent(DATA / "portrait.jpg"), None)
    looked = Trial(((name, config),)).start(1)(task)
    assert not isinstance(looked, Rejected)
    (one,) = looked
    picture = decode((DATA / "portrait.jpg").read_bytes(), 1e9)
    faces = FaceFinder(config, 1)(next(iter(rgb_views(picture.frames[0], picture.rendering))))
    np.testing.assert_array_equal(one.found[name].boxes[0], faces.xyxy)
    np.testing.assert_array_equal(one.found[name].boxes[1], faces.score)
    assert len(one.found[name].curve[0]) >= len(faces) > 0


@pytest.mark.parametrize("shows_faces", [False, True])
def test_crops_show_no_face_unless_asked(tmp_path, shows_faces):
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    box = np.array([100, 80, 140, 130], np.float32)
    covers = box[None] if not shows_faces else np.zeros((0, 4), np.float32)
    crop = Crop(FileContent(tmp_path / "a.png"), 0, box, "face", covers, "a", "a")
    photo = crop_photo(crop, AnonymizeConfig())
    assert photo is not None
    shown = np.asarray(Image.open(io.BytesIO(photo.jpeg)))
    middle = shown[100:120, 100:120]
    assert (middle.std() < 3) is not shows_faces
    assert shown[:30, :30].std() > 20  # what is around it can be seen


def unionveil(*args):
    words = [sys.executable, "-m", "unionveil", "compare", *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, timeout=200)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.open(DATA / "portrait.jpg").save(folder / "a.jpg")
    return folder


def truth(tmp_path, *boxes, name="a.jpg"):
    path = tmp_path / "truth.csv"
    lines = [f"{name},{','.join(map(str, box))}" for box in boxes] or [f"{name},,,,"]
    path.write_text("\n".join(["picture,left,top,right,bottom", *lines]))
    return path


class Addresses(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href")]


@pytest.mark.slow
def test_a_comparison_with_truth(tmp_path, photos):
    labels = truth(tmp_path, [60, 60, 200, 240])
    done = unionveil(
        photos, "--truth", labels, "--detector", "haar", "--detail", "fast", "--jobs", 1, "-o", tmp_path / "r"
    )
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "r" / "report.json").read_text())
    figures = data["detectors"]["haar"]
    assert {"recall", "false_per_picture", "ap50", "coverage"} <= figures.keys()
    assert {"recall", "false_per_picture", "ap50", "coverage"} <= figures["bands"]["above 80 px"].keys()
    assert figures["licence"]
    assert figures["weights_bytes"] > 1000
    page = (tmp_path / "r" / "report.html").read_text()
    assert str(tmp_path) not in page
    assert "a.jpg" not in page
    assert all(address.startswith("data:") for address in Addresses(page).found)


@pytest.mark.parametrize(("stated", "pixels"), [((200, 160), "by-size"), (None, "stored")])
def test_labels_on_stored_pixels_are_turned_with_the_photo(tmp_path, stated, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (200, 160)).save(tmp_path / "photos" / "a.jpg", exif=exif)
    size = dict(zip(("width", "height"), stated, strict=True)) if stated else {}
    labels = {
        "images": [{"id": 1, "file_name": "a.jpg", **size}],
        "annotations": [{"id": 1, "image_id": 1, "bbox": [10, 20, 30, 40]}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    photos = photos_in([tmp_path / "photos"])
    found = read_truth(tmp_path / "labels.json", photos, None, Reading(Pixels(pixels)))
    assert found["a.jpg"].size_wh == (160, 200)
    assert found["a.jpg"].xyxy.tolist() == [[100, 10, 140, 40]]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--detector", "haar,nobody"], "unknown detector 'nobody'"),
        (["--detector", "haar", "--truth", "missing.json"], "missing.json cannot be read"),
        (["--detector", "haar", "--truth", "{empty}"], "labels no face in 1 photo;"),
        (["--detector", "haar", "--truth", "{other}"], "'b.jpg', which is not among the pictures (1)"),
        (["--detector", "haar", "-o", "{photos}"], "contains other files"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path, photos, args, sentence):
    places = {"photos": photos}
    if "{empty}" in args:
        places["empty"] = truth(tmp_path)
    if "{other}" in args:
        places["other"] = truth(tmp_path, [1, 1, 5, 5], name="b.jpg")
    named = [arg.format(**places) for arg in args]
    output = [] if "-o" in named else ["-o", str(tmp_path / "r")]
    with pytest.raises(UnionVeilError) as caught:
        command.main([str(photos), *output, *named], standalone_mode=False)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "r").exists()


def test_an_archive_has_to_be_unpacked(tmp_path, photos):
    shutil.make_archive(str(tmp_path / "photos" / "more"), "zip", DATA, "portrait.jpg")
    with pytest.raises(InputError, match=r"'more\.zip' is an archive; unpack it"):
        photos_in([photos])


def test_photos_with_one_name_are_not_counted_as_one(tmp_path, photos):
    shutil.copytree(photos, tmp_path / "more" / "photos")
    with pytest.raises(InputError, match=r"several photos are named 'photos/a\.jpg'"):
        photos_in([photos, tmp_path / "more" / "photos"])
