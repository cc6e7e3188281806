"""Chains of boxes: carried both ways, joined, dropped without a sure detection."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from unionveil.detections import Detections, Kind
from unionveil.video.plan import Plan
from unionveil.video.tracks import HOLD_SECONDS, Found, Tracker

SIZE_WH = (200, 100)
RATE = 20
SURE = {Kind.FACE: 0.6, Kind.PLATE: 0.6}


def field(shift_x: float) -> np.ndarray:
    flow = np.zeros((100, 200, 2), np.float16)
    flow[..., 0] = shift_x
    return flow


def at(*boxes: tuple[float, float], visible: bool = False) -> Found:
    """Faces of 20 px, by their left edge and score."""
    faces = Detections.of([[x, 40, x + 20, 60] for x, _ in boxes], [score for _, score in boxes])
    return Found(faces, np.full(len(boxes), not visible))


def tracked(frames: Sequence[Found | None], speed: float = 2, cuts: tuple[int, ...] = ()) -> Plan:
    return carried(frames, [None if n in (0, *cuts) else (speed, -speed) for n in range(len(frames))])


def carried(frames: Sequence[Found | None], shifts: Sequence[tuple[float, float] | None]) -> Plan:
    """The plan of frames, and of the flow from each one's predecessor to it and back, in pixels."""
    tracker = Tracker(SURE, SIZE_WH, 1.0)
    for number, (found, shift) in enumerate(zip(frames, shifts, strict=True)):
        flows = None if shift is None else (field(shift[0]), field(shift[1]))
        tracker.add(number, number / RATE, found, flows)
    count = len(frames)
    return Plan(tracker.finish(), np.arange(count), np.ones(count, np.int64))


def covered(plan: Plan) -> list[int]:
    return [number for number, faces in enumerate(plan.faces()) if len(faces)]


def holds(plan: Plan, frame: int, left: float) -> bool:
    """Whether the box of a face of 20 px is covered."""
    boxes = list(plan.faces())[frame].xyxy
    return bool(((boxes[:, 0] <= left + 0.5) & (boxes[:, 2] >= left + 19.5)).any())


def test_a_gap_is_filled_from_both_sides():
    frames = [at((10 + 2 * n, 0.9)) if n not in range(5, 12) else at() for n in range(20)]
    plan = tracked(frames)
    assert covered(plan) == list(range(20))
    assert all(holds(plan, n, 10 + 2 * n) for n in range(20))
    assert len(np.unique(plan.rows["track"])) == 1


def test_a_face_is_covered_before_its_first_and_after_its_last_detection():
    plan = tracked([at((10 + 2 * n, 0.9)) if n in range(20, 25) else at() for n in range(45)])
    hold = int(HOLD_SECONDS * RATE)
    assert covered(plan) == list(range(20 - hold, 25 + hold))
    assert all(holds(plan, n, 10 + 2 * n) for n in covered(plan))


def test_chains_are_of_one_kind():
    def plate(left: float) -> Found:
        faces = Detections.of([[left, 40, left + 20, 60]], [0.9], kind=Kind.PLATE)
        return Found(faces, np.ones(1, bool))

    plan = tracked([at((10 + 2 * n, 0.9)) if n < 6 else plate(10 + 2 * n) for n in range(12)])
    chains = {(int(row["track"]), int(row["kind"])) for row in plan.rows}
    assert len(chains) == 2
    assert {kind for _, kind in chains} == {Kind.FACE, Kind.PLATE}
    kinds = [set(boxes.kind.tolist()) for boxes in plan.faces()]
    assert all(Kind.FACE in some for some in kinds[:6])
    assert all(Kind.PLATE in some for some in kinds[6:])
    found = Detections.concat(list(plan.faces()))
    assert (found.identity[found.of_kind(Kind.FACE)] >= 0).all()
    assert (found.identity[found.of_kind(Kind.PLATE)] < 0).all()


def test_each_kind_has_its_own_least_score():
    boxes = [[10, 40, 30, 60], [100, 40, 130, 60]]
    found = Found(Detections.of(boxes, [0.5, 0.5], kind=[Kind.FACE, Kind.PLATE]), np.ones(2, bool))
    tracker = Tracker({Kind.FACE: 0.6, Kind.PLATE: 0.4}, SIZE_WH, 1.0)
    tracker.add(0, 0.0, found, None)
    assert tracker.finish()["kind"].tolist() == [Kind.PLATE]


def test_chains_without_a_sure_detection_are_dropped():
    plan = tracked([at((10 + 2 * n, 0.4)) for n in range(20)])
    assert covered(plan) == []
    plan = tracked([at((10 + 2 * n, 0.4 if n != 10 else 0.7)) for n in range(20)])
    assert covered(plan) == list(range(20))


def test_a_weak_chain_counts_once_a_sure_one_meets_it():
    frames = [
        at((10 + 2 * n, 0.4)) if n < 5 else at((10 + 2 * n, 0.9)) if n > 12 else at() for n in range(20)
    ]
    plan = tracked(frames)
    assert covered(plan) == list(range(20))


def test_a_sure_chain_stays_sure_when_it_joins_an_older_weak_one():
    frames = [at((10, 0.4), (22, 0.9)), at((12, 0.4)), at((22, 0.4))]
    assert covered(tracked(frames, speed=0)) == [0, 1, 2]


def test_a_weak_chain_is_kept_until_the_one_it_joined_has_ended():
    # The flow loses the face at once, so it becomes two chains, which meet on the way back.
    frames = [*[at((10, 0.4))] * 40, at((10, 0.9))]
    assert covered(carried(frames, [None, (300, 0), *[(0, 0)] * 39])) == list(range(41))


def test_a_weak_chain_that_left_the_frame_is_met_by_a_later_sure_one():
    frames = [at((180, 0.4)), at(), at(), at(), at(), at((180, 0.9))]
    assert 0 in covered(carried(frames, [None, *[(300, 0)] * 5]))


@pytest.mark.parametrize("cut", [10, 13])
def test_nothing_is_carried_across_a_cut(cut):
    frames = [at((10 + 2 * n, 0.9)) if n < 10 else at() for n in range(20)]
    assert covered(tracked(frames, cuts=(cut,))) == list(range(cut))
    frames = [at((10 + 2 * n, 0.9)) if n >= 15 else at() for n in range(20)]
    assert covered(tracked(frames, cuts=(cut,))) == list(range(cut, 20))


def test_boxes_grow_while_they_are_carried_and_never_jump():
    plan = tracked([at((10 + 2 * n, 0.9)) if n < 5 else at() for n in range(15)])
    widths = [faces.xyxy[0, 2] - faces.xyxy[0, 0] for faces in plan.faces() if len(faces)]
    assert widths[4] == pytest.approx(20)
    assert all(later == pytest.approx(earlier * 1.02) for earlier, later in pairwise(widths[4:]))
    wild = tracked([at((10, 0.9)), at(), at()], speed=500)
    lefts = [faces.xyxy[0, 0] for faces in wild.faces() if len(faces)]
    assert max(np.diff(lefts)) <= 20


def test_boxes_grow_on_the_way_back_too():
    plan = tracked([at((100 + 2 * n, 0.9)) if n > 5 else at() for n in range(8)])
    widths = [faces.xyxy[0, 2] - faces.xyxy[0, 0] for faces in plan.faces() if len(faces)]
    assert widths[0] == pytest.approx(20 * 1.02**6)


def test_a_carried_box_is_covered_to_the_last_pixel_in_the_frame():
    plan = tracked([at((10, 0.9)), *[at()] * 9], speed=-4)
    assert covered(plan) == list(range(8))  # in frame 7 its right edge is at 2 px


def test_frames_that_are_not_looked_at_are_filled():
    plan = tracked([at((10 + 2 * n, 0.9)) if n % 4 == 0 else None for n in range(21)])
    assert all(holds(plan, n, 10 + 2 * n) for n in range(21))


def test_two_faces_stay_two_tracks():
    plan = tracked([at((10, 0.9), (150, 0.9)) for _ in range(10)], speed=0)
    assert len(np.unique(plan.rows["track"])) == 2
    assert all(len(faces) == 2 for faces in plan.faces())
    assert all(len(set(faces.identity.tolist())) == 2 for faces in plan.faces())


def test_a_face_stays_visible_only_between_two_looks_that_agree():
    seen = [at((10, 0.9), visible=n not in (4, 8)) if n != 6 else at() for n in range(12)]
    plan = tracked(seen, speed=0)
    assert covered(plan) == [4, 8]
    seen = [at((10, 0.9), visible=n != 5) if n != 6 else at() for n in range(12)]
    assert covered(tracked(seen, speed=0)) == [5, 6]


def test_memory_does_not_grow_with_weak_detections():
    tracker = Tracker(SURE, SIZE_WH, 1.0)
    for number in range(400):
        found = at(*[(float(x), 0.4) for x in range(number % 7, 180, 40)])
        tracker.add(number, number / RATE, found, (field(30), field(-30)) if number else None)
    assert not tracker.finish().size
    assert len(tracker._kept) == 0


def test_a_face_that_an_edge_cuts_is_covered_at_its_whole_height():
    def seen(number: int) -> Found:
        left = 196 - 4 * number
        low = 40 if number < 4 else 30  # what is seen of it is lower at first
        faces = Detections.of([[left, low, min(left + 20, 200), 60]], [0.9])
        return Found(faces, np.ones(1, bool))

    plan = tracked([seen(n) for n in range(12)], speed=-4)
    for number in range(4):
        box = list(plan.faces())[number].xyxy[0]
        assert box[3] - box[1] >= 30
