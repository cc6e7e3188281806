"""Selection of the faces to cover: in doubt, all of them."""

from dataclasses import replace

import numpy as np
import pytest

from checked import float32
from people import ColourEmbedder, faces_at, painted
from unionveil import Detections, References
from unionveil.select import AllBut, JustThese, OfSize, every_face

RED, BLUE, GREEN = (228, 128, 128), (128, 128, 228), (128, 228, 128)
REDDISH = (228, 158, 128)
"""Cosine .958 to red."""

A, B, C, SMALL = (0, 0, 40, 40), (50, 0, 90, 40), (100, 0, 140, 40), (150, 0, 160, 10)


def known(*people):
    unit = [[float32(colour) - 128 for colour in photos] for photos in people]
    return References.of([[v / np.linalg.norm(v) for v in photos] for photos in unit], "sha")


def keep(*people, least=0.9):
    return AllBut(ColourEmbedder(), known(*people), least)


def only(*people, least=0.9, strict=False):
    return JustThese(ColourEmbedder(), known(*people), least, strict)


def test_every_face_is_covered_by_default():
    assert every_face(painted((10, 10)), faces_at([A, B])).tolist() == [True, True]


def test_a_size_is_left_visible_only_if_both_sides_are_out_of_range():
    faces = faces_at(
        [(0, 0, 9, 9), (0, 0, 9, 12), (0, 0, 10, 10), (0, 0, 60, 60), (0, 0, 60, 61), (0, 0, 61, 61)]
    )
    image = painted((100, 100))
    assert OfSize(every_face, 10, 60)(image, faces).tolist() == [False, True, True, True, True, False]
    others = replace(faces, kind=np.full(len(faces), 1, np.uint8))
    assert OfSize(every_face, 10, 60)(image, others).all()


def test_a_size_limit_never_covers_a_face_that_the_other_selector_keeps():
    image = painted((200, 50), (A, BLUE), (B, RED), (SMALL, BLUE))
    faces = faces_at([A, B, SMALL])
    assert OfSize(keep([RED]), 20, np.inf)(image, faces).tolist() == [True, False, False]


def test_everybody_but_the_known_person_is_covered():
    image = painted((200, 50), (A, BLUE), (B, RED), (C, GREEN))
    assert keep([RED])(image, faces_at([A, B, C])).tolist() == [True, False, True]


def test_at_most_one_face_of_a_person_stays_the_closest():
    image = painted((200, 50), (A, REDDISH), (B, RED), (C, RED))
    assert keep([RED])(image, faces_at([A, B])).tolist() == [True, False]
    assert keep([RED])(image, faces_at([B, C])).tolist().count(False) == 1


def test_a_face_counts_only_for_the_closest_person():
    """Reddish is close to both; it must not free a second face as the other person."""
    image = painted((200, 50), (A, REDDISH), (B, RED))
    assert keep([RED], [REDDISH])(image, faces_at([A, B])).tolist() == [False, False]
    assert keep([RED], [BLUE])(image, faces_at([A, B])).tolist() == [True, False]


def test_several_known_people_stay():
    image = painted((200, 50), (A, BLUE), (B, RED), (C, GREEN))
    assert keep([RED], [BLUE])(image, faces_at([A, B, C])).tolist() == [False, False, True]


def test_a_known_person_who_is_not_in_the_picture_changes_nothing():
    image = painted((200, 50), (A, RED), (B, GREEN))
    assert keep([RED], [BLUE])(image, faces_at([A, B])).tolist() == [False, True]


def test_below_the_threshold_everybody_is_covered():
    image = painted((200, 50), (A, REDDISH))
    assert keep([RED], least=0.95)(image, faces_at([A])).tolist() == [False]
    assert keep([RED], least=0.97)(image, faces_at([A])).tolist() == [True]


def test_faces_that_cannot_be_judged_are_never_kept():
    image = painted((200, 50), (A, RED), (B, RED), (SMALL, RED))
    blind = faces_at([A], landmarks=False)
    plate = replace(faces_at([B]), kind=np.ones(1, np.uint8))
    doubtful = Detections.concat([blind, plate, faces_at([SMALL])])
    assert keep([RED])(image, doubtful).tolist() == [True, True, True]


def test_only_the_known_person_is_covered_every_time():
    image = painted((200, 50), (A, BLUE), (B, RED), (C, REDDISH))
    assert only([RED])(image, faces_at([A, B, C])).tolist() == [False, True, True]


@pytest.mark.parametrize("strict", [False, True])
def test_only_covers_doubtful_faces_and_if_strict_small_ones(strict):
    image = painted((200, 50), (A, BLUE), (B, BLUE), (SMALL, BLUE))
    blind = faces_at([A], landmarks=False)
    plate = replace(faces_at([B]), kind=np.ones(1, np.uint8))
    small = faces_at([SMALL])
    doubtful = Detections.concat([blind, plate, small])
    assert only([RED], strict=strict)(image, doubtful).tolist() == [True, True, strict]


def test_no_face_gives_no_choice():
    empty = Detections.empty()
    assert keep([RED])(painted((9, 9)), empty).shape == (0,)
    assert only([RED])(painted((9, 9)), empty).shape == (0,)
