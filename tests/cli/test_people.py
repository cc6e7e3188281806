"""Known people on the command line: kept, covered, compared, and never named."""

import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

import samples
from checked import float32, read_bgr
from refusals import refusal
from unionveil.boxes import iou
from unionveil.identity.optout import OptOut
from unionveil.job import run_job
from unionveil.models.cards import EMBEDDERS
from unionveil.models.store import state

pytestmark = pytest.mark.skipif(
    state(EMBEDDERS["sface"]) == "missing", reason="the extra `identity` is not installed"
)

ANN = (585, 446, 694, 589)
ANN_AGAIN = (1496, 412, 1546, 476)
"""Boxes of the same average in the market, in two sizes (similarity .92)."""

CLOSE = ("--match-threshold", "0.82")
"""The bundled faces are averages, and therefore somewhat similar."""


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "unionveil", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """A folder with the market, a close-up of Ann cut out of it, and the boxes of all its faces."""
    folder = tmp_path_factory.mktemp("market")
    (folder / "photos").mkdir()
    shutil.copy(samples.SCENES / "market.jpg", folder / "photos")
    image = read_bgr(samples.SCENES / "market.jpg")
    cv2.imwrite(str(folder / "ann.png"), cv2.resize(image[425:620, 584:735], None, fx=2, fy=2))
    done = run("anonymize", folder / "photos", "-o", folder / "all", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    return folder


def boxes(folder):
    items = json.loads((folder / "manifest.json").read_text())["items"]
    return np.asarray([face["xyxy"] for item in items for face in item["faces"]], np.float32)


def is_covered(folder, box):
    return bool((iou(float32([box]), boxes(folder)) > 0.7).any())


@pytest.mark.slow
def test_keep_covers_everybody_but_one_face_of_the_person(market, tmp_path):
    done = run("anonymize", market / "photos", "-o", tmp_path / "out", "--keep", market / "ann.png", *CLOSE)
    assert done.returncode == 0, done.stderr
    assert not is_covered(tmp_path / "out", ANN) and is_covered(tmp_path / "out", ANN_AGAIN)
    assert len(boxes(tmp_path / "out")) == len(boxes(market / "all")) - 1
    assert "left visible  1 face" in done.stderr and "distance at most 0.6" in done.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["counts"]["kept"] == manifest["items"][0]["kept"] == 1
    assert manifest["configuration"]["select"] == "keep" and manifest["models"][1]["threshold"] == 0.82
    text = json.dumps(manifest)
    assert "ann" not in text and str(market) not in text and "similarity" not in text
    before, after = read_bgr(market / "photos/market.jpg"), read_bgr(tmp_path / "out/000001.jpg")
    x0, y0, x1, y1 = ANN
    inside = np.s_[
        y0 + 16 : y1 - 16, x0 + 16 : x1 - 16
    ]  # a neighbour's cover may touch the blocks at its edge
    assert np.array_equal(before[inside], after[inside])


@pytest.mark.slow
def test_only_covers_the_person_every_time(market, tmp_path):
    done = run("anonymize", market / "photos", "-o", tmp_path / "out", "--only", market / "ann.png", *CLOSE)
    assert done.returncode == 0, done.stderr
    assert is_covered(tmp_path / "out", ANN) and is_covered(tmp_path / "out", ANN_AGAIN)
    assert len(boxes(tmp_path / "out")) == 2


@pytest.mark.slow
def test_other_known_people_are_another_run(market, tmp_path):
    shutil.copy(market / "ann.png", tmp_path / "bea.png")
    image = read_bgr(samples.SCENES / "market.jpg")
    cv2.imwrite(str(tmp_path / "bea.png"), cv2.resize(image[470:690, 870:1016], None, fx=2, fy=2))
    first = run("anonymize", market / "photos", "-o", tmp_path / "out", "--keep", market / "ann.png", *CLOSE)
    other = run(
        "anonymize", market / "photos", "-o", tmp_path / "out", "--keep", tmp_path / "bea.png", *CLOSE
    )
    assert (first.returncode, other.returncode) == (0, 2)
    assert (
        "another run" in other.stderr or "does not list" in other.stderr or "other settings" in other.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--keep", "none.jpg"], "does not exist"),
        pytest.param(["--keep", samples.SCENES / "market.jpg"], "faces were found", marks=pytest.mark.slow),
        (["--keep", "a.jpg", "--only", "b.jpg"], "not both"),
        (["--match", "cosine"], "needs --keep or --only"),
        (["--only-strict"], "needs --only"),
        (["--keep", "a.jpg", "--match-threshold", "1.1"], "between 0 and 1"),
        (["--keep", "a.jpg", "--match-threshold", "2"], "match_threshold"),
        (["--keep", "a.jpg", "--embedder", "arcface"], "unknown embedder"),
    ],
)
def test_errors_about_known_people_are_one_sentence_before_anything_is_written(
    tmp_path, capfd, arguments, sentence
):
    command = ("anonymize", samples.SCENES / "street.jpg", "-o", tmp_path / "out")
    assert sentence in refusal(capfd, *command, *arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_compare_shows_similarity_and_the_decision_of_both_thresholds(market):
    done = run("people", "compare", market / "ann.png", market / "ann.png")
    assert done.returncode == 0, done.stderr
    assert (
        "1.000" in done.stdout and "0.000" in done.stdout and "the same person: stays visible" in done.stdout
    )
    done = run(
        "people", "compare", market / "ann.png", samples.SCENES / "portrait.jpg", "--match-threshold", "0.9"
    )
    assert "not the same person: is covered" in done.stdout
    assert "0.447" in done.stdout  # the distance at a cosine of .9


@pytest.mark.slow
def test_an_opt_out_list_in_an_image_covers_its_people_and_nobody_else(market, tmp_path):
    people = tmp_path / "people.json"
    done = run("people", "optout", market / "ann.png", "-o", people, *CLOSE)
    assert done.returncode == 0, done.stderr
    (tmp_path / "data" / "inputs").mkdir(parents=True)
    shutil.copy(samples.SCENES / "market.jpg", tmp_path / "data" / "inputs")
    lines: list[str] = []
    counts = run_job(tmp_path / "data", lines.append, optout=people).counts
    assert counts.kept == len(boxes(market / "all")) - 2
    assert is_covered(tmp_path / "data" / "outputs", ANN) and is_covered(
        tmp_path / "data" / "outputs", ANN_AGAIN
    )
    assert any("opt-out list" in line for line in lines)
    assert len(OptOut.model_validate_json(people.read_bytes()).people) == 1
