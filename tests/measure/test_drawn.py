"""Faces that k-same drew, and fills that lie under them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

import strangers
from checked import float32, kept
from unionveil import AnonymizeConfig
from unionveil.config import KSame
from unionveil.content import BytesContent
from unionveil.detections import Detections
from unionveil.measure.drawn import drawn_over
from unionveil.measure.examine import Examine, ExamineTask
from unionveil.pipeline import Anonymizer
from unionveil.redact.surrogate import surrogate_redactor
from unionveil.runs.records import redacted_record
from unionveil.select import every_face
from unionveil.surrogate.generators import generator_file
from unionveil.surrogate.linear import load_linear
from unionveil.surrogate.template import EYES_PX, TEMPLATE

POINTS = float32((TEMPLATE - TEMPLATE.mean(axis=0)) / EYES_PX * 40 + np.array([110, 125]))
FACE = (62, 65, 158, 195)


def moved(right):
    """The landmarks of a face further right."""
    return POINTS + np.array([right, 0], np.float32)


def faces(*boxes, groups, landmarks):
    found = Detections.of(boxes, np.linspace(0.9, 0.8, len(boxes)), landmarks)
    return replace(found, identity=np.asarray(groups, np.int32))


MEMBER_AND_FILLED = faces(FACE, (125, 80, 205, 180), groups=[0, -1], landmarks=[POINTS, moved(55)])


def output(found, suffix, surround="none"):
    """An output of a k-same run, its record and its settings."""
    config = AnonymizeConfig(redaction=KSame(k=3, surround=surround), detail="fast", mirror="no")
    generator = load_linear(generator_file(KSame()))
    codes = {0: np.zeros(generator.dimensions, np.float32), 1: np.full(generator.dimensions, 0.3, np.float32)}
    redact = surrogate_redactor(config, generator, codes)
    anonymizer = Anonymizer(lambda _: Detections.empty(), every_face, redact, max_pixels=1e6)
    data = cv2.imencode(suffix, strangers.portraits(1)[0])[1].tobytes()
    outcome = kept(anonymizer.redact_faces(BytesContent(data), (found,), 0))
    return outcome.data, redacted_record(1, f"000001{suffix}", outcome, config, None), config


def methods(data, record, config):
    """The findings about methods, and whether they are sure."""
    record = record.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
    look = Examine(config, ("retinaface",)).start(1)
    found = look(ExamineTask(BytesContent(data), record))
    return [(finding.detail, finding.is_sure) for finding in found if finding.check == "method"]


@pytest.mark.parametrize(("surround", "right"), [("none", 0), ("fill", 20)])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_fill_under_a_drawn_face_is_right(suffix, surround, right):
    # A filled head is wider than the face, and would hide the whole box.
    box = (125 + right, 80, 205 + right, 180)
    found = faces(FACE, box, groups=[0, -1], landmarks=[POINTS, moved(55 + right)])
    assert methods(*output(found, suffix, surround)) == []


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_fill_beside_a_drawn_face_that_is_missing_is_found(suffix):
    data, record, config = output(MEMBER_AND_FILLED, suffix)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image[80:180, 190:205].max() < 20
    image[60:200, 185:220] = strangers.portraits(1)[0][60:200, 185:220]
    ((detail, is_sure),) = methods(cv2.imencode(suffix, image)[1].tobytes(), record, config)
    assert "(125, 80, 205, 180) is not covered by fill" in detail
    assert is_sure


def test_a_fill_that_lies_wholly_under_a_drawn_face_is_unsure():
    below = faces(FACE, (80, 90, 140, 170), groups=[0, -1], landmarks=[POINTS, POINTS])
    ((detail, is_sure),) = methods(*output(below, ".png"))
    assert "(80, 90, 140, 170) has the face of another box over it" in detail
    assert not is_sure


def test_a_drawn_face_under_a_better_one_need_not_be_found():
    other = (102, 65, 198, 195)
    both = faces(FACE, other, groups=[0, 1], landmarks=[POINTS, moved(40)])
    assert not any(is_sure for _, is_sure in methods(*output(both, ".png")))


def test_a_box_without_a_drawn_face_is_found():
    data, record, config = output(MEMBER_AND_FILLED, ".png")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    image[:, :160] = 90
    found = methods(cv2.imencode(".png", image)[1].tobytes(), record, config)
    assert ("there is no face in the box (62, 65, 158, 195), where ksame draws one", True) in found


@pytest.mark.parametrize("with_head", [False, True])
def test_without_landmarks_the_box_determines_where_a_face_may_be_drawn(with_head):
    boxes = float32([FACE, (100, 65, 196, 195)])
    exact = drawn_over(boxes, faces(FACE, groups=[-1], landmarks=[POINTS]), (240, 240), with_head=with_head)
    rough = drawn_over(boxes, Detections.empty(), (240, 240), with_head=with_head)
    assert rough.mask[exact.mask].all()
    assert exact.hidden[0] == 0
    assert exact.hidden[1] > 0.5
