import numpy as np
import pytest

from checked import float32
from unionveil import AnonymizeConfig
from unionveil.measure.exempt import Exempt
from unionveil.runs.records import configuration_of

SMALL, MIDDLE, LARGE = [0, 0, 20, 24], [100, 0, 200, 100], [300, 0, 800, 600]
ALL = float32([SMALL, MIDDLE, LARGE])
FOUND = np.ones(3, bool)


@pytest.mark.parametrize(
    ("settings", "may_stay"),
    [
        ({}, [False, False, False]),
        ({"min_face": 30}, [True, False, False]),
        ({"min_face": 20}, [True, False, False]),  # detectors differ in the sizes of their boxes
        ({"max_face": 250}, [False, False, True]),
        ({"min_face": 30, "max_face": 250}, [True, False, True]),
    ],
)
def test_a_size_excuses_only_faces_of_that_size_however_many_were_kept(settings, may_stay):
    exempt = Exempt.of(configuration_of(AnonymizeConfig(**settings)))
    assert exempt.may_stay(ALL, FOUND, 3).tolist() == may_stay


@pytest.mark.parametrize("select", ["keep", "only"])
@pytest.mark.parametrize(("kept", "excused"), [(0, False), (2, False), (3, True), (9, True)])
def test_known_people_excuse_as_many_faces_as_were_kept(select, kept, excused):
    exempt = Exempt.of({"select": select})
    assert exempt.may_stay(ALL, FOUND, kept).tolist() == [excused] * 3


def test_a_face_that_the_run_does_not_find_was_not_kept():
    exempt = Exempt.of({"select": "keep"})
    assert exempt.may_stay(ALL, np.array([True, False, False]), 1).tolist() == [True, False, False]


def test_nothing_is_visible():
    assert Exempt().may_stay(ALL[:0], FOUND[:0], 5).shape == (0,)
