"""The last check of a video: what it must find in an output."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
import pytest

from clips import Clip, made, moving
from unionveil.detections import Detections
from unionveil.errors import OutputDiffers
from unionveil.video.parts import Contents
from unionveil.video.plan import Plan
from unionveil.video.proof import Proof, check_output
from unionveil.video.reader import reading
from unionveil.video.rows import ROW
from unionveil.video.shape import Shape

FRAMES = moving(30)


def plan_of(count: int, box: tuple[float, float, float, float] | None = None) -> Plan:
    """A plan for frames of 3000 units, with one box in each of them or none at all."""
    rows = np.zeros(count if box else 0, ROW)
    if box:
        rows["frame"], rows["xyxy"], rows["score"] = np.arange(count), box, 0.9
    return Plan(rows, np.arange(count) * 3000, np.zeros(count, np.int64))


def proof_of(data: bytes, plan: Plan) -> Proof:
    """What an encoder got, if it was the frames of a file."""
    proof = Proof(plan, Fraction(1, 90000))
    faces = plan.faces()
    with reading(io.BytesIO(data), 1e8) as reader:
        for frame in reader.frames():
            proof.add(frame, next(faces, Detections.empty()))
    return proof


def check(proof: Proof, data: bytes) -> None:
    with reading(io.BytesIO(data), 1e8) as reader:
        proof.check(reader)


def shape_of(data: bytes) -> Shape:
    with reading(io.BytesIO(data), 1e8) as reader:
        return reader.shape


def test_a_true_output_is_accepted():
    data = made(FRAMES)
    contents = Contents(("video",), ())
    proof = proof_of(data, plan_of(30))
    check_output(contents, shape_of(data), io.BytesIO(data), proof, is_decoded=True)


@pytest.mark.parametrize(
    ("frames", "clip", "sentence"),
    [
        (moving(30, start=60, speed=0), Clip(), "does not show"),
        (FRAMES[:20], Clip(), "fewer frames"),
        ([*FRAMES, FRAMES[-1]], Clip(), "more frames"),
        (FRAMES, Clip(pts=(*range(0, 87_000, 3000), 88_500)), "time stamps"),
    ],
    ids=["other", "fewer", "more", "later"],
)
def test_an_encoder_that_writes_something_else_is_found_out(frames, clip, sentence):
    with pytest.raises(OutputDiffers, match=sentence):
        check(proof_of(made(FRAMES), plan_of(30)), made(frames, clip))


def test_a_small_cover_that_is_missing_is_found():
    """Four pixels by four, in a cell of the sketch of twenty by twenty."""
    grey = [np.full((180, 320, 3), 128, np.uint8) for _ in range(4)]
    covered = [frame.copy() for frame in grey]
    for frame in covered:
        frame[84:88, 164:168] = 0
    proof = proof_of(made(covered), plan_of(4, (164, 84, 168, 88)))
    check(proof, made(covered))
    with pytest.raises(OutputDiffers, match="does not show"):
        check(proof, made(grey))


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        (Contents(("video",), ("a box 'uuid'",)), "a box 'uuid'"),
        (Contents(("video", "video"), ()), "a different number of video streams"),
        (Contents(("sound",), ()), "a different number of video streams"),
    ],
    ids=["box", "two", "none"],
)
def test_a_file_that_contains_more_than_its_streams_is_refused(contents, sentence):
    data = made(FRAMES[:2])
    with pytest.raises(OutputDiffers, match=sentence):
        check_output(contents, shape_of(data), io.BytesIO(data), proof_of(data, plan_of(2)), is_decoded=False)


def test_another_size_is_refused():
    data = made(FRAMES)
    proof = proof_of(data, plan_of(30))
    shape = shape_of(made(moving(2, (128, 64))))
    with pytest.raises(OutputDiffers, match="size"):
        check_output(Contents(("video",), ()), shape, io.BytesIO(data), proof, is_decoded=True)
