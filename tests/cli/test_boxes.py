"""`anonymize --boxes` and `review --export`, as users see them."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest


def run(*arguments):
    command = [sys.executable, "-m", "unionveil", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "a.png"), np.full((60, 80, 3), 200, np.uint8))
    return tmp_path / "photos"


def coco(folder, name):
    """A file of one box, in the folder of the photos: it is not an input."""
    path = folder / "boxes.json"
    image = {"id": 1, "file_name": name, "width": 80, "height": 60}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 10, 20, 20]}
    categories = [{"id": 1, "name": "face"}]
    path.write_text(json.dumps({"images": [image], "annotations": [box], "categories": categories}))
    return path


def test_boxes_are_covered_in_place_of_the_detectors(photos, tmp_path):
    settings = ("--boxes-only", "--margin", "0", "--names", "keep")
    done = run("anonymize", photos, "-o", tmp_path / "out", "--boxes", coco(photos, "a.png"), *settings)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "manifest.json"]
    pixels = cv2.imread(str(tmp_path / "out" / "a.png"))
    assert pixels is not None
    assert (pixels[10:30, 20:40] == 0).all()
    assert (pixels == 0).sum() == 3 * 400


def test_boxes_of_another_folder_stop_the_run_before_it_begins(photos, tmp_path):
    done = run("anonymize", photos, "-o", tmp_path / "out", "--boxes", coco(photos, "other.png"))
    assert done.returncode == 2
    assert "has boxes for 'other.png'" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["anonymize", "{photos}", "-o", "out", "--boxes-only"], "--boxes FILE"),
        (["review", "{photos}", "-o", "{photos}/out"], "is in the input folder"),
        (["review", "{photos}", "--export", "boxes.json"], "no photo of"),
    ],
)
def test_wrong_use_is_one_sentence(photos, arguments, sentence):
    done = run(*(argument.format(photos=photos) for argument in arguments))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
