"""A second detector at doubtful places."""

import numpy as np
import pytest

import samples
from checked import float32, read_bgr
from unionveil.boxes import iou
from unionveil.detect import load_detector
from unionveil.measure.second import detect_near
from white_detector import WhiteDetector


@pytest.mark.parametrize(
    "box", [(40, 60, 56, 80), (300, 200, 400, 320), (0, 0, 30, 40), (590, 390, 600, 400)]
)
def test_a_place_is_resized_and_its_face_found_in_the_image(box):
    image = np.zeros((400, 600, 3), np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = 255
    detector = WhiteDetector("haar", least_px=1)
    faces = detect_near(image, float32([box]), detector)
    assert iou(faces.xyxy, float32([box]))[0, 0] > 0.8
    assert max(detector.sizes_wh[0]) < 150


def test_overlapping_places_give_one_face_and_no_places_none():
    image = np.zeros((400, 600, 3), np.uint8)
    image[100:140, 100:140] = 255
    both = float32([(98, 98, 140, 142), (102, 100, 144, 140), (300, 300, 340, 340), (700, 10, 740, 50)])
    assert len(detect_near(image, both, WhiteDetector("haar", least_px=1))) == 1
    assert len(detect_near(image, both[:0], WhiteDetector("haar", least_px=1))) == 0


def test_cascades_agree_about_a_face_and_not_about_a_stall():
    image = np.ascontiguousarray(read_bgr(samples.SCENES / "market.jpg")[..., ::-1])
    face, stall = float32([(585, 450, 694, 586)]), float32([(20, 300, 110, 400)])
    haar = load_detector("haar", 1)
    assert iou(detect_near(image, face, haar).xyxy, face).max() > 0.3
    assert not len(detect_near(image, stall, haar))
