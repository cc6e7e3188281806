import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from checked import float32
from unionveil import Detections
from unionveil.boxes import (
    area,
    as_heads,
    cover_boxes,
    cover_pixels,
    drop_fragments,
    expand,
    expand_evenly,
    iou,
    iou_of_pairs,
    near_pairs,
    nms,
    unite,
    unite_faces,
)
from unionveil.detections import Kind

coordinates = st.floats(-50, 250, width=32, allow_nan=False)


@st.composite
def boxes(draw, least=0, most=12):
    count = draw(st.integers(least, most))
    corners = draw(hnp.arrays(np.float32, (count, 2, 2), elements=coordinates))
    return np.concatenate([corners.min(axis=1), corners.max(axis=1) + 1], axis=1)


@st.composite
def scored(draw):
    xyxy = draw(boxes())
    score = draw(hnp.arrays(np.float32, len(xyxy), elements=st.floats(0, 1, width=32)))
    return xyxy, score


@given(boxes(), boxes())
def test_iou_is_symmetric_and_one_with_itself(a, b):
    assert np.allclose(iou(a, b), iou(b, a).T)
    assert ((iou(a, b) >= 0) & (iou(a, b) <= 1 + 1e-6)).all()
    assert np.allclose(np.diag(iou(a, a)), 1)


def test_iou_of_pairs_is_that_of_all_on_the_diagonal():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 100, (2, 50, 2, 2)).astype(np.float32)
    a, b = np.concatenate([corners.min(axis=2), corners.max(axis=2)], axis=2)
    a[3] = b[3] = [5, 5, 5, 5]  # without an area
    np.testing.assert_array_equal(iou_of_pairs(a, b), np.diag(iou(a, b)))


def test_iou_of_known_boxes():
    a = float32([[0, 0, 10, 10]])
    b = float32([[5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 9]])
    assert np.allclose(iou(a, b), [[1 / 3, 0, 0]])


@given(scored(), st.floats(0.1, 0.9))
def test_nms_keeps_a_set_without_overlap_that_covers_the_rest(given_boxes, threshold):
    xyxy, score = given_boxes
    kept = nms(xyxy, score, threshold)
    assert (np.diff(score[kept]) <= 0).all()
    overlap = iou(xyxy[kept], xyxy[kept]) - np.eye(len(kept))
    assert (overlap <= threshold + 1e-5).all()
    for dropped in set(range(len(xyxy))) - set(kept.tolist()):
        better = [k for k in kept if score[k] >= score[dropped]]
        assert iou(xyxy[better], xyxy[dropped : dropped + 1]).max() > threshold - 1e-5


def test_nms_breaks_ties_by_order():
    xyxy = float32([[0, 0, 10, 10], [1, 0, 11, 10], [40, 0, 50, 10]])
    assert nms(xyxy, float32([0.5, 0.5, 0.5]), 0.4).tolist() == [0, 2]


@pytest.mark.parametrize("groups", [1, 4])
def test_nms_of_many_boxes_is_the_greedy_one(groups):
    rng = np.random.default_rng(0)
    corner, side = rng.uniform(0, 200, (1000, 2)), rng.uniform(5, 40, (1000, 1))
    xyxy = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
    score, group = rng.random(1000).astype(np.float32), rng.integers(0, groups, 1000)
    kept: list[int] = []
    for i in np.argsort(-score):
        others = [k for k in kept if groups == 1 or group[k] != group[i]]
        if not (iou(xyxy[i : i + 1], xyxy[others]) > 0.4).any():
            kept.append(int(i))
    assert 100 < len(kept) < 800
    assert nms(xyxy, score, 0.4, group=None if groups == 1 else group).tolist() == kept


@given(boxes(), boxes(), st.floats(0.05, 1))
def test_near_pairs_hold_every_pair_that_overlaps_enough(a, b, least):
    row, near = near_pairs(a, b, least)
    assert (np.diff(row) >= 0).all()
    found = set(zip(row.tolist(), near.tolist(), strict=True))
    assert len(found) == len(row)
    assert set(zip(*(side.tolist() for side in np.nonzero(iou(a, b) >= least)), strict=True)) <= found


def test_near_pairs_leave_out_boxes_that_are_far_away():
    a, b = float32([[0, 0, 10, 10]]), float32([[9, 0, 19, 10], [4, 0, 14, 10], [0, 90, 10, 100]])
    row, near = near_pairs(a, b, 0.4)
    assert row.tolist() == [0, 0]
    assert sorted(near) == [1, 2]


def test_nms_spares_boxes_of_the_same_group():
    xyxy = float32([[0, 0, 10, 10], [1, 0, 11, 10], [2, 0, 12, 10]])
    score = float32([0.9, 0.8, 0.7])
    assert nms(xyxy, score, 0.4, group=np.array([0, 0, 1])).tolist() == [0, 1]
    assert nms(xyxy, score, 0.4, group=np.array([0, 1, 2])).tolist() == [0]


@given(scored(), st.floats(0.1, 0.9))
def test_unite_never_uncovers_a_pixel(given_boxes, threshold):
    xyxy, score = given_boxes
    grown, kept = unite(xyxy, score, threshold)
    assert len(grown) == len(kept)
    for box in xyxy:
        inside = (grown[:, :2] <= box[:2] + 1e-4).all(axis=1) & (grown[:, 2:] >= box[2:] - 1e-4).all(axis=1)
        assert inside.any()


@given(boxes(), st.integers(1, 200), st.integers(1, 200))
def test_cover_pixels_contains_every_touched_pixel_and_stays_inside(xyxy, width, height):
    covered = cover_pixels(xyxy, (width, height))
    for (x0, y0, x1, y1), box in zip(covered.tolist(), xyxy.tolist(), strict=True):
        assert 0 <= x0 <= width
        assert 0 <= x1 <= width
        assert 0 <= y0 <= height
        assert 0 <= y1 <= height
        for x in range(width):
            touched = x < box[2] and x + 1 > box[0]
            assert touched == (x0 <= x < x1) or box[0] == box[2]
        for y in range(height):
            touched = y < box[3] and y + 1 > box[1]
            assert touched == (y0 <= y < y1) or box[1] == box[3]


def test_cover_pixels_includes_the_last_row_and_column():
    assert cover_pixels(float32([[-3.2, -1, 99.5, 49.01]]), (100, 50)).tolist() == [[0, 0, 100, 50]]
    assert cover_pixels(float32([[10.9, 10.1, 11.1, 10.2]]), (100, 50)).tolist() == [[10, 10, 12, 11]]


def test_cover_pixels_refuses_boxes_that_are_not_finite():
    with pytest.raises(ValueError, match="finite"):
        cover_pixels(float32([[0, 0, np.nan, 1]]), (10, 10))


@given(boxes(), st.floats(0, 1))
def test_expand_grows_on_every_side_and_higher_than_low(xyxy, margin):
    grown = expand(xyxy, margin)
    wh = xyxy[:, 2:] - xyxy[:, :2]
    assert np.allclose(grown[:, 2:] - grown[:, :2], wh * (1 + 2 * margin), rtol=1e-4, atol=1e-3)
    assert (grown[:, :2] <= xyxy[:, :2] + 1e-3).all()
    assert (grown[:, 2:] >= xyxy[:, 2:] - 1e-3).all()
    above, below = xyxy[:, 1] - grown[:, 1], grown[:, 3] - xyxy[:, 3]
    assert np.allclose(above, 2 * below, atol=1e-2)


def test_area_of_an_inverted_box_is_zero():
    assert area(float32([[5, 5, 1, 9], [0, 0, 2, 3]])).tolist() == [0, 6]


def test_fragments_are_dropped_only_for_boxes_that_cover_them():
    whole, piece, other = [0, 0, 100, 100], [0, 0, 50, 100], [60, 60, 140, 140]
    faces = Detections.of([whole, piece, other], [0.6, 0.9, 0.5])
    uncut = np.array([False, False, False])
    # The piece scores better, so only its cut edge shows that it is one.
    assert drop_fragments(faces, uncut, 0.85).tolist() == [0, 1, 2]
    assert drop_fragments(faces, np.array([False, True, True]), 0.85).tolist() == [0, 2]
    weaker = Detections.of([whole, piece, other], [0.9, 0.6, 0.5])
    assert drop_fragments(weaker, uncut, 0.85).tolist() == [0, 2]


def test_different_kinds_are_never_merged():
    badge = Detections.of([[0, 0, 40, 20]], [0.6], kind=Kind.TEXT)
    face = Detections.of([[1, 0, 40, 21], [0, 0, 40, 20]], [0.9, 0.5])
    united = unite_faces([badge, face])
    assert united.kind.tolist() == [Kind.FACE, Kind.TEXT]
    assert united.xyxy.tolist() == [[0, 0, 40, 21], [0, 0, 40, 20]]


@given(boxes(1), st.floats(0, 1))
def test_an_even_margin_is_a_share_of_the_shorter_side(xyxy, margin):
    grown = expand_evenly(xyxy, margin)
    by = margin * (xyxy[:, 2:] - xyxy[:, :2]).min(axis=1)
    assert np.allclose(grown - xyxy, np.stack([-by, -by, by, by], axis=1), atol=1e-3)


def test_every_kind_has_its_margin():
    found = Detections.of([[0, 0, 100, 20]] * len(Kind), [0.9] * len(Kind), kind=list(Kind))
    face, head, text, plate = cover_boxes(found, 0.15, 0.2).tolist()
    assert face == head == expand(found.xyxy[:1], 0.15)[0].tolist()
    assert text == plate == pytest.approx([-4, -4, 104, 24])


def landmarks(nose_x):
    return float32([[[40, 40], [60, 40], [nose_x, 55], [42, 75], [58, 75]]])


def test_a_head_contains_its_face_and_more_above_than_below():
    face = Detections.of([[30, 20, 70, 80]], [0.9], landmarks(50))
    (x0, y0, x1, y1) = as_heads(face).xyxy[0].tolist()
    assert (x0, x1) == pytest.approx((12, 88))
    assert (y0, y1) == pytest.approx((-10, 89))
    assert as_heads(face).kind.tolist() == [Kind.HEAD]


def test_a_turned_head_reaches_to_its_back():
    ahead, left, unknown = (
        as_heads(Detections.of([[30, 20, 70, 80]], [0.9], points)).xyxy[0]
        for points in (landmarks(50), landmarks(42), None)
    )
    assert left[2] > ahead[2] + 20 and left[0] > ahead[0]
    assert unknown.tolist() == ahead.tolist()


def test_text_and_heads_stay_the_same():
    found = Detections.of([[30, 20, 70, 80]] * 2, [0.9] * 2, kind=[Kind.TEXT, Kind.HEAD])
    assert as_heads(found).xyxy.tolist() == found.xyxy.tolist()
    assert as_heads(found).kind.tolist() == found.kind.tolist()
