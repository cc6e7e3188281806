"""The audit on the command line, with faults planted in the outputs of a run."""

import json
import shutil
import subprocess
import sys

import cv2
import pytest
from PIL import Image

import samples
from checked import read_bgr
from unionveil.models.cards import EMBEDDERS
from unionveil.models.store import state

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        state(EMBEDDERS["sface"]) == "missing", reason="the extra `identity` is not installed"
    ),
]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "unionveil", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    pytest.importorskip("sklearn", reason="the extra `audit` is not installed")
    folder = tmp_path_factory.mktemp("audit")
    (folder / "before").mkdir()
    image = read_bgr(samples.SCENES / "market.jpg")
    cv2.imwrite(str(folder / "before" / "market.png"), image)
    cv2.imwrite(str(folder / "before" / "turned.png"), image[:, ::-1])
    done = run("anonymize", folder / "before", "-o", folder / "after", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    return folder


def audited(folders, after, output, *arguments):
    done = run("audit", folders / "before", after, "-o", output, "--jobs", "1", *arguments)
    return done, json.loads((output / "report.json").read_text()) if output.exists() else None


def test_a_clean_run_of_few_people_lists_what_was_not_measured(folders, tmp_path):
    done, data = audited(folders, folders / "after", tmp_path / "report", "--policy")
    assert done.returncode == 1, "what was not measured does not pass"
    assert "No face is still visible; there are too few people to measure" in done.stderr
    assert data["residual"]["outside"] == [] and data["utility"]["psnr_outside_covers"] == 99
    assert data["attacks"] == [] and data["faces"] > 15
    page = (tmp_path / "report" / "report.html").read_text()
    assert str(folders) not in page and "too few people to measure" in page


def test_an_uncovered_face_and_a_shifted_cover_are_found(folders, tmp_path):
    shutil.copytree(folders / "after", tmp_path / "after")
    output = tmp_path / "after" / "000001.png"
    before, after = read_bgr(folders / "before" / "market.png"), read_bgr(output)
    after[420:500, 325:395] = before[420:500, 325:395]  # a face of 49 px, uncovered
    face = before[440:600, 575:705].copy()
    after[440:600, 575:705] = face
    after[440:600, 640:770] = 0  # the cover of a face of 109 px, moved by half its width
    cv2.imwrite(str(output), after)
    done, data = audited(folders, tmp_path / "after", tmp_path / "report", "--policy", "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["passes"] is False
    found = [tuple(one["xyxy"]) for one in data["residual"]["outside"] if one["input"] == 1]
    assert any(abs(box[0] - 335) < 12 and abs(box[1] - 444) < 12 for box in found)
    assert 1 in data["changed_outside_covers"] or any(abs(box[0] - 585) < 25 for box in found)


def test_faces_that_later_frames_keep_excuse_none_of_the_first(tmp_path):
    face = Image.open(samples.SCENES / "portrait.jpg").convert("RGB")
    small, *large = (Image.new("RGB", (1000, 800), (128, 128, 128)) for _ in range(4))
    for left in (100, 350, 600):
        small.paste(face.resize((20, 25), Image.Resampling.LANCZOS), (left, 300))
    for number, frame in enumerate(large):
        frame.paste(face.resize((640, 800)), (150 + 50 * number, 0))
    (tmp_path / "before").mkdir()
    small.save(tmp_path / "before" / "a.png", save_all=True, append_images=large, duration=100)
    after = tmp_path / "after"
    missing_small = ("--detail", "fast", "--threshold", "0.9")
    done = run("anonymize", tmp_path / "before", "-o", after, *missing_small, "--max-face", "250")
    assert done.returncode == 0, done.stderr
    assert json.loads((after / "manifest.json").read_text())["counts"]["kept"] == 3
    done = run("audit", tmp_path / "before", after, "-o", tmp_path / "report", "--jobs", "1", "--json")
    assert "3 faces are still visible" in done.stderr
    # Without a covered face, some figures cannot be measured.
    assert json.loads(done.stdout) == json.loads((tmp_path / "report" / "report.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none", "after"], "is not a folder of photos"),
        (["before", "before"], "contains no manifest.json"),
        (["after", "after"], "is named twice"),
        (["before", "after", "--attacker", "arcface"], "unknown embedder"),
        (["before", "after", "--people", "none.csv"], "cannot be read as CSV"),
    ],
)
def test_bad_input_is_one_sentence(folders, tmp_path, arguments, sentence):
    before, after, *more = arguments
    done = run("audit", folders / before, folders / after, "-o", tmp_path / "report", *more)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "report").exists()
