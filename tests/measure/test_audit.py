"""Audits: grouping, pairing, and refused inputs."""

import json
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from checked import float32
from unionveil import AnonymizeConfig, InputError, Rejected
from unionveil.measure.audit import audit, compare_pairs, labels_of, pair_up, read_manifest, to_data, work_for
from unionveil.measure.audit_page import report_of
from unionveil.measure.pairs import CROP_PX, Comparison, VisibleFace, visible_share
from unionveil.measure.report import render
from unionveil.runs.manifest import ManifestBuilder
from unionveil.runs.records import rejected_record
from unionveil.runs.schema import Manifest, RedactedRecord, VideoRecord

MANIFEST = ManifestBuilder(AnonymizeConfig())


def compared(number, persons, seed=0, side=50.0, psnr=99.0, left=()):
    """A pair with one face per person; each person has a direction of their own."""
    rng = np.random.default_rng(1000 * seed + number)
    count = len(persons)
    rows = np.zeros((count, 64), np.float32)
    rows[np.arange(count), persons] = 1
    crops = rng.integers(0, 256, (count, 3, 2, CROP_PX, CROP_PX, 3), np.uint8)
    vectors = rng.normal(size=(count, 3, 2, 8)).astype(np.float32)
    return Comparison(
        number,
        np.full(count, side, np.float32),
        rows,
        np.ones(count, bool),
        crops,
        vectors / np.linalg.norm(vectors, axis=-1, keepdims=True),
        np.ones(count, bool),
        np.full(count, 0.05, np.float32),
        left,
        0,
        psnr,
    )


def result(results, labels=None):
    pytest.importorskip("sklearn", reason="the extra `audit` is not installed")
    manifest = read(MANIFEST)
    work = work_for(manifest, "sface", is_labelled=labels is not None, show_faces=False)
    seen = [(f"{one.number}.jpg", one) for one in results]
    return audit(seen, {}, manifest, work, labels, lambda crops: np.ones((len(crops), 8), np.float32))


RECORD = RedactedRecord(
    input=1,
    output="000001.mp4",
    sha256="0" * 64,
    size_bytes=1,
    format="mp4",
    size_wh=(96, 64),
    frames=1,
    faces=(),
)


def read(builder):
    return Manifest.model_validate_json(builder.to_bytes())


CROWD = [compared(n, [n % 22]) for n in range(22 * 8)]


@cache
def crowd():
    return result(CROWD)


FACE = VisibleFace((10.0, 20.0, 30.0, 50.0), "yunet", 0.9, b"jpeg")


def test_enough_people_are_linked_and_attacked():
    found = crowd()
    assert (found.people, found.named) == (22, 22 * 3)
    assert len(found.attacks) == 9 and len(found.floor) == 6
    assert found.worst.rank_1 == max(attack.rank_1 for attack in found.attacks)
    assert [count for _, count in found.by_band(found.worst)] == [0, 0, 66, 0]
    data = json.loads(json.dumps(to_data(found)))
    assert data["people"] == 22 and data["chance"] == pytest.approx(1 / 22)
    page = render(report_of(found))
    assert "identified correctly" in page and "40 to 80 px" in page


def test_noise_behind_covers_passes_and_a_face_that_is_left_does_not():
    found = replace(crowd(), k=2)  # a limit that noise cannot reach by chance
    assert found.passes and "No face is still visible" in report_of(found).verdict
    one = replace(result([*CROWD[:-1], compared(175, [21], left=(FACE,))]), k=2)
    assert not one.passes and report_of(one).state == "bad"
    assert to_data(one)["residual"]["outside"] == [
        {"input": 175, "xyxy": FACE.xyxy, "seen_by": "yunet", "score": 0.9}
    ]


def test_a_face_that_may_have_been_left_on_purpose_is_shown_and_passes():
    perhaps = replace(FACE, may_stay=True)
    one = replace(result([*CROWD[:-1], compared(175, [21], left=(perhaps,))]), k=2)
    report = report_of(one)
    assert (
        one.passes
        and not one.left
        and report.verdict.startswith(
            "No face is still visible, besides 1 that may have been left on purpose"
        )
    )
    assert "Perhaps left on purpose" in render(report)
    residual = to_data(one)["residual"]
    assert residual["outside"] == [] and [left["input"] for left in residual["perhaps_on_purpose"]] == [175]


def test_a_picture_that_changed_outside_of_its_covers_does_not_pass():
    found = replace(result([*CROWD[:-1], compared(175, [21], psnr=25.0)]), k=2)
    assert found.changed == (175,) and not found.passes


def test_k_same_may_reach_one_in_k_and_two_points():
    found = replace(crowd(), k=4)
    assert found.limit == pytest.approx(0.27)


@pytest.mark.parametrize(
    "results",
    [
        [compared(n, [n % 19]) for n in range(152)],
        [compared(n, [n % 40]) for n in range(200)],
        [],
        [compared(1, [])],
    ],
)
def test_too_few_people_are_reported_and_do_not_pass(results):
    found = result(results)
    assert not found.attacks and not found.passes
    report = report_of(found)
    assert "too few people to measure" in report.verdict and "too few people" in report.missing[0]
    render(report)


@pytest.mark.parametrize(("detail", "search"), [("fast", "standard"), ("crowd", "crowd")])
def test_an_audit_searches_at_least_as_thoroughly_as_the_run(detail, search):
    manifest = read(ManifestBuilder(AnonymizeConfig(detail=detail)))
    assert work_for(manifest, "sface", is_labelled=False, show_faces=False).detail == search


def test_names_from_a_csv_replace_linking(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("person,file,more\n" + "".join(f"p{n % 22},{n}.jpg,x\n" for n in range(176)))
    labels = labels_of(path)
    mixed = [compared(n, [0]) for n in range(176)]  # their vectors say that all are one person
    assert result(mixed, labels).people == 22
    with pytest.raises(InputError, match="none of the pictures is listed"):
        result(mixed, {"other.jpg": "p"})


@pytest.mark.parametrize("text", ["file;person\n", "name,who\na,b\n", ""])
def test_a_csv_with_other_columns_is_refused(tmp_path, text):
    (tmp_path / "people.csv").write_text(text)
    with pytest.raises(InputError, match="columns file and person"):
        labels_of(tmp_path / "people.csv")


def test_folders_that_do_not_belong_together_are_refused(tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir(), after.mkdir()
    (before / "a.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match=r"contains no manifest\.json"):
        read_manifest(after)
    builder = ManifestBuilder(AnonymizeConfig())
    for number in (1, 2):
        builder.add(rejected_record(number, "x", Rejected("unreadable", "x"), AnonymizeConfig(), None))
    (after / "manifest.json").write_bytes(builder.to_bytes())
    with pytest.raises(InputError, match=r"contains 1 inputs, the manifest in .* lists 2"):
        pair_up(before, after, read_manifest(after))
    text = builder.to_bytes().replace(b'"1.3"', b'"2.0"')
    (after / "manifest.json").write_bytes(text)
    with pytest.raises(InputError, match="not a manifest that this version can read"):
        read_manifest(after)


class Fixed:
    """An engine with given results."""

    def __init__(self, *outcomes):
        self._outcomes = outcomes

    def map(self, work, tasks):
        return zip([key for key, _ in tasks], self._outcomes, strict=True)


def test_pairs_that_show_different_pictures_are_refused():
    work = work_for(read(MANIFEST), "sface", is_labelled=False, show_faces=False)
    pairs = [("a.jpg", compared(1, [])), ("b.jpg", compared(2, []))]
    differs = Rejected("differs", "input and output have different sizes")
    with pytest.raises(InputError, match=r"input 1 and its output: .*different sizes"):
        compare_pairs(pairs, work, Fixed(differs, differs))
    with pytest.raises(InputError, match="show different pictures"):
        compare_pairs(pairs, work, Fixed(compared(1, [], psnr=9.0), compared(2, [], psnr=9.0)))
    seen, unread = compare_pairs(pairs, work, Fixed(compared(1, []), differs))
    assert len(seen) == 1 and unread == {2: differs.detail}


def test_pictures_that_cannot_be_read_do_not_mean_that_folders_differ():
    work = work_for(read(MANIFEST), "sface", is_labelled=False, show_faces=False)
    pairs = [(f"{number}.jpg", compared(number, [])) for number in (1, 2, 3)]
    slow = Rejected("too-slow", "it took too long")
    seen, unread = compare_pairs(pairs, work, Fixed(compared(1, []), slow, slow))
    assert len(seen) == 1 and set(unread) == {2, 3}
    with pytest.raises(InputError, match=r"no picture could be compared; input 1 .* took too long"):
        compare_pairs(pairs, work, Fixed(slow, slow, slow))
    assert compare_pairs([], work, Fixed()) == ([], {})


@pytest.mark.parametrize(
    ("count", "verdict"),
    [
        (0, "No picture was compared; 1 video was not audited"),
        (1, "No face is still visible in the 1 picture that was compared; 1 video was not audited"),
    ],
)
def test_videos_are_set_aside_and_do_not_pass(tmp_path, count, verdict):
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    (before / "a.mp4").write_bytes(b"video")
    (before / "b.jpg").write_bytes(b"picture")
    builder = ManifestBuilder(AnonymizeConfig())
    video = VideoRecord(seconds=1, codec="h264", sound=False, tracks=())
    builder.add(RECORD.model_copy(update={"frames": 30, "video": video}))
    builder.add(RECORD.model_copy(update={"input": 2, "output": "000002.jpg"}))
    manifest = read(builder)
    assert [name for name, _ in pair_up(before, after, manifest)] == ["b.jpg"]
    pytest.importorskip("sklearn", reason="the extra `audit` is not installed")
    work = work_for(manifest, "sface", is_labelled=False, show_faces=False)
    seen = [("b.jpg", compared(2, []))][:count]
    found = audit(seen, {}, manifest, work, None, lambda crops: np.ones((len(crops), 8), np.float32))
    assert (found.videos, found.multiframe) == (1, 0)
    report = report_of(found)
    assert report.verdict.startswith(verdict)
    assert any("1 video:" in missing for missing in report.missing)
    assert not replace(crowd(), k=2, videos=1).passes


def test_the_verdict_counts_pictures_that_could_not_be_compared():
    found = replace(crowd(), k=2, unread={7: "it took too long"})
    assert report_of(found).verdict.startswith(
        "No face is still visible in the 176 pictures that were compared; 1 picture could not be compared; "
    )
    assert not found.passes


@pytest.mark.parametrize("change", ["fill", "blur", "black hair"])
def test_visibility_is_measured_in_pixels(change):
    rng = np.random.default_rng(0)
    before = np.asarray(cv2.GaussianBlur(rng.integers(0, 256, (80, 80, 3), np.uint8), (0, 0), 2), np.uint8)
    if change == "black hair":
        before[10:30, 10:50] = 0
    after = before.copy()
    after[10:50, 10:50] = cv2.GaussianBlur(before, (0, 0), 9)[10:50, 10:50] if change == "blur" else 0
    faces = float32([[10, 10, 50, 50], [50, 10, 79, 50], [30, 10, 70, 50]])
    covered, open_face, half = visible_share(faces, before, after)
    assert covered < 0.05 and open_face > 0.8 and 0.3 < half < 0.6


def test_a_cover_that_is_only_in_the_manifest_hides_nothing():
    image = np.random.default_rng(1).integers(0, 256, (50, 50, 3), np.uint8)
    assert visible_share(float32([[5, 5, 45, 45]]), image, image)[0] == 1
    assert visible_share(float32([[60, 5, 70, 45]]), image, image)[0] == 0  # beyond the picture
