"""Thousands of damaged files: each has one outcome, and nothing hidden leaks."""

import numpy as np
import pytest

import fuzz.judge as judge
import samples
from fuzz.mutate import mutation, split
from fuzz.run import Report, Result, run
from fuzz.seeds import all_seeds
from unionveil import AnonymizeConfig, Rejected
from unionveil.detect import FaceFinder

SEEDS = all_seeds()
ALL = samples.all_samples()


@pytest.fixture(scope="module")
def surest_face():
    find = FaceFinder(AnonymizeConfig(detail="fast"), 1)
    return lambda pixels: max(find(pixels).score.tolist(), default=0.0)


def lines(report: Report) -> str:
    return "\n".join(report.lines())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SEEDS if "case-" not in name and "sample-" not in name])
def test_the_judge_condemns_every_seed_that_is_not_anonymized(name, surest_face):
    """A judge that finds nothing in the originals could find nothing in outputs either."""
    clean = {"jpeg-turned", "heic-deep"}  # these hide nothing
    found = judge.markers(SEEDS[name]) + judge.faces(SEEDS[name], surest_face)
    assert found or name in clean


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("jpeg-low", "with more rows"),
        ("jpeg-low-progressive", "with more rows"),
        ("png-low", "with more rows"),
        ("gif-low", "with more rows"),
        ("bmp-low", "with more rows"),
        ("tiff-low", "with more rows"),
        ("png-frame-alone", "with other pixels"),
        ("png-late-pixels", "with other pixels"),
        ("webp-two", "with a later picture"),
        ("jpeg", "embedded"),
        ("png", "embedded"),
        ("avif", "embedded"),
        ("apng-still", ""),
        ("png-alpha", ""),
        ("heic-two", ""),
        ("tiff-pages", ""),
    ],
)
def test_the_judge_finds_a_face_where_no_viewer_looks(name, way, surest_face):
    assert any(way in fault for fault in judge.faces(SEEDS[name], surest_face))


def test_mutations_are_reproducible_and_differ():
    numbers = range(len(SEEDS), len(SEEDS) + 300)
    made = [mutation(SEEDS, number) for number in numbers]
    assert made == [mutation(SEEDS, number) for number in numbers]
    assert sum(data == SEEDS[name] for name, data in made) < 30


@pytest.mark.parametrize("name", SEEDS)
def test_pieces_together_are_the_file(name):
    head, pieces = split(SEEDS[name])
    joined = head + b"".join(pieces)
    assert joined[: len(SEEDS[name])] == SEEDS[name]
    assert pieces


def test_a_fault_is_counted_with_its_seed():
    report = Report()
    report.add(Result(5, "png", None, ("marker as bytes",), 0.1, 2**20))
    report.add(Result(6, "gif", "unreadable", (), 0.2, 2**20))
    assert (report.mutations, report.outputs, dict(report.rejected)) == (2, 1, {"unreadable": 1})
    assert "png: marker as bytes" in lines(report)


@pytest.mark.slow
def test_no_seed_leaks():
    report = run(0, len(SEEDS), 1)
    assert report.mutations == len(SEEDS)
    assert report.outputs > 40
    assert not report.faults, lines(report)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_three_thousand_damaged_files_leak_nothing():
    report = run(0, 3000, 1)
    assert report.mutations == 3000
    assert report.outputs > 700
    assert not report.faults, lines(report)


def test_a_frame_beyond_the_screen_counts_for_the_size(make_anonymizer):
    """Pillow enlarges a GIF's screen for such a frame: a few bytes could take gigabytes."""
    data = bytearray(ALL["gif-transparent"])
    place = data.index(b"\x2c", 20)
    data[place + 1 : place + 5] = b"\xf0\xff\xf0\xff"
    outcome = make_anonymizer([(0, 0, 1, 1)])(bytes(data))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "too-large"


def test_random_bytes_behind_every_signature(make_anonymizer):
    anonymizer = make_anonymizer([(0, 0, 1, 1)])
    rng = np.random.default_rng(3)
    for data in ALL.values():
        for keep in (4, 12, 40):
            outcome = anonymizer(data[:keep] + rng.bytes(300))
            assert isinstance(outcome, Rejected)
            assert "\n" not in outcome.detail
