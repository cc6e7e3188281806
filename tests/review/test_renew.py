"""What a new result of the detector adds to a photo that a person has edited."""

from __future__ import annotations

from unionveil.review.model import Box, Edit, PhotoState, Put, Sighting, apply, untouched
from unionveil.review.renew import news
from unionveil.runs.schema import KindName

FACE = (10.0, 10.0, 30.0, 30.0)
NEAR = (11.0, 9.0, 32.0, 30.0)
PART = (10.0, 10.0, 22.0, 22.0)
FAR = (60.0, 10.0, 80.0, 30.0)


def box(name: str, xyxy: tuple[float, float, float, float], *, covered: bool = True, kind: KindName = "face"):
    return Box(id=name, xyxy=xyxy, score=0.5, covered=covered, kind=kind)


def seen(*boxes: Box) -> Sighting:
    return Sighting(run="r", sizes_wh=((200, 100), (200, 100)), boxes=boxes)


APPROVAL = Edit(verdict="approved")


def edited(before: Sighting, edit: Edit = APPROVAL) -> PhotoState:
    return apply(untouched(before), edit, before)


def places(found: tuple[Box, ...]) -> list[tuple[tuple[float, ...], bool]]:
    return [(one.xyxy, one.covered) for one in found]


def test_the_same_finds_add_nothing():
    before = seen(box("d1", FACE), box("c1", FAR, covered=False))
    after = seen(box("d7", NEAR), box("c3", FAR, covered=False))
    assert news(edited(before), before, after) == ()


def test_other_places_frames_and_kinds_are_new():
    before = seen(box("d1", FACE))
    others = (box("d1", FAR), box("d2", FACE, kind="text"), box("d3", FACE).model_copy(update={"frame": 1}))
    found = news(
        edited(before), before, seen(*others, box("d4", PART), box("c1", (0, 60, 9, 70), covered=False))
    )
    assert places(found) == [
        (FAR, True),
        (FACE, True),
        (FACE, True),
        (PART, True),
        ((0, 60, 9, 70), False),
    ]
    assert [one.kind for one in found] == ["face", "text", "face", "face", "face"]
    assert len({one.id for one in found} | {"d1"}) == 6


def test_a_box_that_a_person_removed_moved_or_turned_does_not_come_back():
    before = seen(box("d1", FACE), box("c1", FAR, covered=False))
    after = seen(box("d1", NEAR), box("d2", FAR))
    gone = edited(before, Edit(drop=("d1", "c1")))
    assert news(gone, before, after) == ()
    moved = edited(before, Edit(put=(Put(id="d1", xyxy=(100, 10, 120, 30)),), drop=("c1",)))
    assert news(moved, before, after) == ()
    turned = edited(before, Edit(put=(Put(id="d1", xyxy=FACE, kind="text"),), drop=("c1",)))
    assert news(turned, before, after) == ()


def test_a_candidate_that_is_a_face_now_is_covered():
    before = seen(box("c1", FAR, covered=False))
    (found,) = news(edited(before), before, seen(box("d1", FAR).model_copy(update={"score": 0.75})))
    assert (found.id, found.covered, found.score) == ("c1", True, 0.75)


def test_a_face_drawn_by_hand_is_not_added_again():
    before = seen()
    by_hand = edited(before, Edit(put=(Put(id="p1", xyxy=NEAR),)))
    assert news(by_hand, before, seen(box("d1", FACE))) == ()


def test_an_added_box_that_was_moved_stays_where_it_is():
    before, after = seen(), seen(box("d1", FACE))
    (added,) = news(edited(before), before, after)
    there = PhotoState(boxes=(added.model_copy(update={"xyxy": FAR, "moved": True}),))
    assert news(there, seen(), after) == ()
