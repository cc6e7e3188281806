"""Edits of photos: their effects, refusals, and how to undo them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from unionveil.detections import Kind
from unionveil.errors import ReviewConflict, ReviewError
from unionveil.review.board import Board
from unionveil.review.model import Box, Edit, PhotoState, Put, Sighting, apply, untouched
from unionveil.review.order import Rank, place
from unionveil.review.session import given_boxes

SEEN = Sighting(
    run="r",
    sizes_wh=((200, 100),),
    boxes=(
        Box(id="d1", xyxy=(10, 10, 30, 30), score=0.9),
        Box(id="c1", xyxy=(60, 10, 80, 30), score=0.3, covered=False),
    ),
)


def board() -> Board:
    made = Board()
    made.see("p", SEEN)
    return made


def do(made: Board, edit: Edit, name: str = "", photo: str = "p") -> PhotoState:
    change = made.plan(made.revision, name or f"e{made.revision}", photo, edit)
    assert change
    made.make(change)
    return change.after


def test_a_box_is_added_moved_accepted_and_removed():
    made = board()
    added = do(made, Edit(put=(Put(id="n1", xyxy=(100, 20, 120, 40)),)))
    assert [(box.id, box.origin, box.score) for box in added.boxes][-1] == ("n1", "person", None)
    moved = do(made, Edit(put=(Put(id="d1", xyxy=(11, 10, 31, 30)),)))
    assert moved.boxes[0].moved
    assert (moved.boxes[0].score, moved.boxes[0].origin) == (0.9, "detector")
    accepted = do(made, Edit(put=(Put(id="c1", xyxy=(60, 10, 80, 30)),)))
    assert accepted.boxes[1].covered
    assert not accepted.boxes[1].moved
    assert [box.id for box in do(made, Edit(drop=("d1",))).boxes] == ["c1", "n1"]


def test_a_box_is_turned_into_text_and_stays_that_when_it_is_moved():
    made = board()
    turned = do(made, Edit(put=(Put(id="d1", xyxy=(10, 10, 30, 30), kind="text"),)))
    assert (turned.boxes[0].kind, turned.boxes[0].moved) == ("text", False)
    moved = do(made, Edit(put=(Put(id="d1", xyxy=(12, 10, 32, 30)),)))
    assert (moved.boxes[0].kind, moved.boxes[0].moved) == ("text", True)
    added = do(made, Edit(put=(Put(id="n1", xyxy=(100, 20, 120, 40)),)))
    assert added.boxes[-1].kind == "face"
    assert given_boxes(moved, 1).frames[0].kind.tolist() == [Kind.TEXT]


def test_a_change_of_boxes_withdraws_the_approval():
    made = board()
    assert do(made, Edit(verdict="approved")).verdict == "approved"
    assert do(made, Edit(drop=("d1",))).verdict == "unreviewed"
    assert do(made, Edit(verdict="approved", drop=("c1",))).verdict == "approved"
    assert do(made, Edit(verdict="flagged", note="who is this?")).note == "who is this?"


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (Edit(drop=("x",)), "no box 'x'"),
        (Edit(put=(Put(id="n", xyxy=(200, 0, 220, 20)),)), "outside"),
        (Edit(put=(Put(id="n", xyxy=(-20, 0, 0, 20)),)), "outside"),
        (Edit(put=(Put(id="n", xyxy=(0, 0, 7, 20)),)), "at least 8"),
        (Edit(put=(Put(id="n", frame=1, xyxy=(0, 0, 20, 20)),)), "page 2"),
    ],
)
def test_an_edit_that_does_not_fit_changes_nothing(edit, why):
    with pytest.raises(ReviewError, match=why):
        apply(untouched(SEEN), edit, SEEN)


@pytest.mark.parametrize("xyxy", [(30, 0, 10, 20), (0, 0, 10, 0), (float("nan"), 0, 10, 10)])
def test_a_box_that_is_inside_out_is_not_an_edit(xyxy):
    with pytest.raises(ValidationError):
        Put(id="n", xyxy=xyxy)


def test_a_small_face_of_the_detector_stays_where_it_is_accepted():
    seen = SEEN.model_copy(update={"boxes": (Box(id="c1", xyxy=(1, 1, 6, 6), covered=False),)})
    after = apply(untouched(seen), Edit(put=(Put(id="c1", xyxy=(1, 1, 6, 6)),)), seen)
    assert after.boxes[0].covered


def test_a_rejected_photo_cannot_be_approved():
    made = Board()
    made.see("p", Sighting(run="r", rejected=("unreadable", "cut off")))
    with pytest.raises(ReviewError, match="cannot be anonymized"):
        made.plan(0, "e", "p", Edit(verdict="approved"))


def test_a_photo_cannot_be_approved_before_its_survey():
    with pytest.raises(ReviewError, match="not looked"):
        Board().plan(0, "e", "p", Edit(verdict="approved"))


def test_undo_and_redo_go_through_all_photos():
    made = board()
    made.see("q", SEEN)
    do(made, Edit(drop=("d1",)))
    do(made, Edit(verdict="approved"), photo="q")
    assert made.last(made.revision, "u1") == "q"
    made.undo("u1")
    assert made.state("q") == untouched(SEEN)
    assert made.last(made.revision, "u2") == "p"
    made.undo("u2")
    assert made.state("p") == untouched(SEEN)
    assert made.last(made.revision, "u3") is None
    made.redo("r1")
    assert ids(made) == ["c1"]
    do(made, Edit(verdict="flagged"))
    assert made.last(made.revision, "r2", redo=True) is None


def test_a_tab_that_is_behind_is_refused_and_a_repeated_edit_counts_once():
    made = board()
    do(made, Edit(drop=("d1",)), "e1")
    assert made.plan(0, "e1", "p", Edit(drop=("d1",))) is None
    with pytest.raises(ReviewConflict, match="another tab"):
        made.plan(0, "e2", "p", Edit(drop=("c1",)))
    with pytest.raises(ReviewConflict):
        made.last(0, "u")


_EDITS = st.one_of(
    st.builds(
        lambda n, x: Edit(put=(Put(id=f"n{n}", xyxy=(x, 5, x + 20, 50)),)),
        st.integers(0, 3),
        st.integers(0, 150),
    ),
    st.builds(lambda verdict: Edit(verdict=verdict), st.sampled_from(["approved", "flagged"])),
    st.just(Edit(drop=("n0",))),
)


@given(st.lists(_EDITS, max_size=12))
def test_undoing_everything_gives_the_beginning_and_redoing_it_the_end(edits):
    made = board()
    for edit in edits:
        with suppress(ReviewError):
            do(made, edit)
    end, count = made.state("p"), made.revision
    for n in range(count):
        made.undo(f"u{n}")
    assert made.state("p") == untouched(SEEN)
    for n in range(count):
        made.redo(f"r{n}")
    assert made.state("p") == end


def see(made: Board, sighting: Sighting, photo: str = "p") -> None:
    """The board sees a photo as the log shows it to it."""
    made.see(photo, sighting, made.news(photo, sighting))


def ids(made: Board, photo: str = "p") -> list[str]:
    state = made.state(photo)
    assert state
    return [box.id for box in state.boxes]


def verdict(made: Board, photo: str = "p") -> str | None:
    state = made.state(photo)
    return state.verdict if state else None


OTHER = Sighting(
    run="other",
    sizes_wh=((200, 100),),
    boxes=(
        Box(id="d1", xyxy=(150, 10, 170, 30), score=0.5),
        Box(id="d2", xyxy=(11, 11, 31, 31), score=0.8),
        Box(id="c1", xyxy=(100, 60, 120, 80), score=0.2, covered=False),
    ),
)


def test_a_photo_counts_as_seen_only_with_the_settings_of_today():
    made = board()
    made.see("q", SEEN)
    do(made, Edit(verdict="approved"))
    made.run = "other"
    for photo in ("p", "q"):
        assert made.sighting(photo) is None
        assert made.state(photo) is None
    assert made.is_approved("p")
    see(made, SEEN.model_copy(update={"run": "other"}))
    assert verdict(made) == "approved"
    assert ids(made) == ["d1", "c1"]


def test_new_boxes_of_other_settings_withdraw_an_approval_and_undo_does_not_bring_it_back():
    made = board()
    do(made, Edit(put=(Put(id="n1", xyxy=(40, 60, 60, 80)),)))
    do(made, Edit(verdict="approved"))
    see(made, OTHER)
    assert verdict(made) == "unreviewed"
    face, candidate = ids(made)[3:]
    assert ids(made)[:3] == ["d1", "c1", "n1"]
    state = made.state("p")
    assert state
    assert [(box.xyxy, box.covered) for box in state.boxes[3:]] == [
        ((150, 10, 170, 30), True),
        ((100, 60, 120, 80), False),
    ]
    do(made, Edit(drop=(face,)))
    do(made, Edit(verdict="approved"))
    for id in ("u1", "u2", "u3"):  # noqa: A001
        made.undo(id)
    assert verdict(made) == "unreviewed"
    assert ids(made) == ["d1", "c1", "n1", face, candidate]
    for id, expected in (("r1", "unreviewed"), ("r2", "unreviewed"), ("r3", "approved")):  # noqa: A001
        made.redo(id)
        assert verdict(made) == expected


def test_a_photo_whose_edits_were_all_undone_is_as_the_detector_saw_it_last():
    made = board()
    do(made, Edit(drop=("d1",)))
    made.undo("u1")
    see(made, OTHER)
    assert made.state("p") == untouched(OTHER)
    assert made.last(made.revision, "r1", redo=True) is None
    made = board()
    do(made, Edit(drop=("d1",)))
    see(made, OTHER)
    made.undo("u1")
    assert made.state("p") == untouched(OTHER)
    # Its box d1 is another one: redoing the edit would uncover a face.
    assert made.last(made.revision, "r1", redo=True) is None


def test_a_flag_stays_when_boxes_are_added():
    made = board()
    do(made, Edit(verdict="flagged", note="ask"))
    see(made, OTHER)
    made.add("p", (Box(id="f1", xyxy=(0, 0, 9, 9), origin="file"),))
    assert verdict(made) == "flagged"
    assert len(ids(made)) == 5


def test_a_second_result_with_the_same_settings_changes_nothing_in_an_edited_photo():
    made = board()
    do(made, Edit(verdict="approved"))
    see(made, Sighting(run="r", rejected=("timeout", "too slow")))
    assert made.sighting("p") == SEEN
    assert verdict(made) == "approved"


def test_boxes_from_a_file_survive_a_new_survey():
    made = board()
    from_file = Box(id="f1", xyxy=(0, 0, 9, 9), origin="file")
    made.add("p", (from_file,))
    see(made, Sighting(run="other", sizes_wh=((200, 100),)))
    state = made.state("p")
    assert state
    assert state.boxes == (from_file,)


def test_boxes_from_a_file_are_no_edit():
    made = board()
    do(made, Edit(verdict="approved"))
    for name in ("f1", "f2"):
        new = made.missing("p", (Box(id=name, xyxy=(0, 0, 9, 9), origin="file"),))
        made.add("p", new)
    assert (made.revision, verdict(made), ids(made)) == (1, "unreviewed", ["d1", "c1", "f1", "f2"])
    made.undo("u1")
    assert ids(made) == ["d1", "c1", "f1", "f2"]
    do(made, Edit(drop=("f1",)))
    assert made.missing("p", (Box(id="f1", xyxy=(0, 0, 9, 9), origin="file"),)) == ()
    with pytest.raises(ReviewError, match="not looked"):
        made.add("q", ())


_STEPS = st.lists(st.one_of(_EDITS, st.sampled_from(["undo", "redo", "r", "other", "file"])), max_size=20)


@given(_STEPS)
def test_no_order_of_edits_results_and_files_approves_boxes_that_nobody_saw(steps):
    made = board()
    for n, step in enumerate(steps):
        before = verdict(made)
        if isinstance(step, Edit):
            with suppress(ReviewError):
                do(made, step, f"e{n}")
        elif step in ("undo", "redo"):
            if made.last(made.revision, f"s{n}", redo=step == "redo"):
                (made.redo if step == "redo" else made.undo)(f"s{n}")
        else:
            known = set(ids(made))
            if step == "file":
                made.add("p", (Box(id=f"f{n}", xyxy=(n, 0, n + 9, 9), origin="file"),))
            else:
                see(made, {"r": SEEN, "other": OTHER}[step])
            assert verdict(made) in ("unreviewed" if set(ids(made)) - known else before, "flagged")
    while made.last(made.revision, "u"):
        made.undo(f"u{made.revision}")
    sighting = made.sighting("p")
    assert sighting
    assert made.state("p") == untouched(sighting)


def test_photos_that_need_a_person_come_first():
    rejected = Sighting(run="r", rejected=("bomb", "too large"))
    sure = Sighting(run="r", boxes=(Box(id="d1", xyxy=(0, 0, 9, 9), score=0.9),))
    unsure = Sighting(run="r", boxes=(Box(id="d1", xyxy=(0, 0, 9, 9), score=0.5),))
    nearer = Sighting(run="r", boxes=(Box(id="c1", xyxy=(0, 0, 9, 9), score=0.35, covered=False),))
    by_hand = Sighting(run="r", boxes=(Box(id="f1", xyxy=(0, 0, 9, 9), origin="file"),))
    line = [rejected, nearer, SEEN, unsure, sure, by_hand, Sighting(run="r"), None]
    places = [place(n, seen) for n, seen in enumerate(line, start=1)]
    assert places == sorted(places)
    assert [where[0] for where in places] == [
        Rank.REJECTED,
        Rank.CANDIDATE,
        Rank.CANDIDATE,
        Rank.FACES,
        Rank.FACES,
        Rank.FACES,
        Rank.NO_FACE,
        Rank.WAITING,
    ]
