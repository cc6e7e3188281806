"""Speed, memory and faces found, as ratios within one run."""

import json
import os
import shutil

import cv2
import numpy as np
import pytest

from benchmark_tools import DEFACE_BOXES, measure, report, small_photos, unionveil
from checked import float32, kept, read_bgr
from paths import shared_folder
from samples import SCENES
from unionveil import load
from unionveil.boxes import iou
from unionveil.content import FileContent

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]


def test_five_times_the_images_per_second_of_deface(deface, phone_photos, tmp_path):
    count = len(list(phone_photos.iterdir()))
    theirs_folder = tmp_path / "deface"
    shutil.copytree(phone_photos, theirs_folder)
    theirs = measure(deface / "deface", "--backend", "onnxrt", *sorted(theirs_folder.iterdir()))
    # deface runs once, too; mirroring, which small photos get, is switched off.
    ours = unionveil(phone_photos, "-o", tmp_path / "out", "--mirror", "no")
    assert len(list((tmp_path / "out").glob("*.jpg"))) == count
    assert len(list(theirs_folder.glob("*_anonymized.jpg"))) == count
    ratio = theirs.seconds / ours.seconds
    report(
        "images per second at `standard`",
        unionveil=f"{count / ours.seconds:.1f}",
        deface=f"{count / theirs.seconds:.1f}",
        ratio=f"{ratio:.1f}",
    )
    assert ratio >= 5


@pytest.mark.parametrize("part", ["wider", "natural"])
def test_no_fewer_true_faces_than_deface(deface, part):
    shared = shared_folder()
    if shared is None:
        pytest.skip("no shared photos here: set UNIONVEIL_SHARED to their folder")
    photos = shared / "people" / "validation"
    truth = [json.loads(line) for line in (photos / f"{part}.jsonl").read_text().splitlines()]
    paths = [photos / entry["name"] for entry in truth]
    output = measure(deface / "python", "-c", DEFACE_BOXES, *paths).output
    theirs = dict(json.loads(line[6:]) for line in output.splitlines() if line.startswith("BOXES"))
    anonymizer = load()
    found = {"unionveil": 0, "deface": 0}
    extra = {"unionveil": 0, "deface": 0}
    faces = 0
    for entry, path in zip(truth, paths, strict=True):
        all_boxes = float32([face["box"] for face in entry["faces"]]).reshape(-1, 4)
        real = np.array([not (face.get("ignore") or face.get("invalid")) for face in entry["faces"]], bool)
        faces += int(real.sum())
        ours = kept(anonymizer.inspect(FileContent(path))).faces[0].xyxy
        for name, boxes in (("unionveil", ours), ("deface", float32(theirs[str(path)]).reshape(-1, 4))):
            overlap = iou(all_boxes, boxes)
            found[name] += int((overlap.max(axis=1, initial=0) > 0.4)[real].sum()) if real.any() else 0
            extra[name] += int((overlap.max(axis=0, initial=0) <= 0.4).sum())
    images = len(paths)
    report(
        f"true faces of {faces} found on {part}",
        **{n: f"{found[n]} (and {extra[n] / images:.1f} other boxes an image)" for n in found},
    )
    assert found["unionveil"] >= found["deface"]


@pytest.mark.parametrize(
    ("scene", "detail", "most_mib"),
    [("portrait", "standard", 750), ("portrait", "crowd", 900), ("crowd", "crowd", 900), (None, "fast", 450)],
)
def test_memory_for_a_picture_of_108_megapixels(tmp_path, scene, detail, most_mib):
    if scene is None:
        grey = np.linspace(80, 160, 300 * 400).reshape(300, 400)
        pixels = np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    else:
        pixels = read_bgr(SCENES / f"{scene}.jpg")
    cv2.imwrite(str(tmp_path / "huge.jpg"), cv2.resize(pixels, (12000, 9000), interpolation=cv2.INTER_CUBIC))
    done = unionveil(tmp_path / "huge.jpg", "-o", tmp_path / "out", "--detail", detail)
    report(f"12000x9000, {scene or 'no face'} at `{detail}`", peak=f"{done.peak_bytes >> 20} MiB")
    assert (tmp_path / "out" / "000001.jpg").exists()
    assert done.peak_bytes < most_mib << 20


def test_memory_is_flat_from_100_to_10000_files(tmp_path):
    peaks = {}
    for count in (100, 10_000):
        folder = small_photos(tmp_path / str(count), count)
        done = unionveil(folder, "-o", tmp_path / f"out-{count}", "--jobs", "1", "--detail", "fast")
        peaks[count] = done.peak_bytes
        assert len(list((tmp_path / f"out-{count}").glob("*.jpg"))) == count
    ratio = peaks[10_000] / peaks[100]
    report(
        "peak memory of 10,000 files against 100",
        few=f"{peaks[100] >> 20} MiB",
        many=f"{peaks[10_000] >> 20} MiB",
        ratio=f"{ratio:.2f}",
    )
    assert ratio < 1.2


def test_two_workers_against_one(phone_photos, tmp_path):
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core cannot show two workers")
    # Three rounds of the folder, so that starting two processes does not hide what they do.
    for number in range(3):
        shutil.copytree(phone_photos, tmp_path / "photos" / str(number))
    runs = {
        jobs: unionveil(tmp_path / "photos", "-o", tmp_path / f"out-{jobs}", "--jobs", jobs, cores=jobs)
        for jobs in (1, 2)
    }
    ratio, cpu = runs[1].seconds / runs[2].seconds, runs[2].cpu_seconds / runs[1].cpu_seconds
    report("two workers on two cores against one on one", times_as_fast=f"{ratio:.2f}", cpu_time=f"{cpu:.2f}")
    assert ratio >= 1.7
    assert cpu <= 1.1  # the second worker loads its models too
