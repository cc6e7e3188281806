"""Tests which faces are of one person, and who shares a face: by properties, and against a slow reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unionveil.identity.people import (
    DIFFERENT_PEOPLE,
    SAME_PERSON,
    count_people,
    group_people,
    rows_by_bytes,
)

SIZE = 32


def faces(
    people: int, photos: int, noise: float, seed: int, size: int = SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of some people, `(people * photos, size)` float16, shuffled, and the person of each."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((people, size))
    rows = np.repeat(centres / np.linalg.norm(centres, axis=1, keepdims=True), photos, axis=0)
    rows += noise * rng.standard_normal(rows.shape) / np.sqrt(size)
    order = rng.permutation(len(rows))
    whose = np.repeat(np.arange(people), photos)[order]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True))[order].astype(np.float16), whose


def sets(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def people_of(vectors: np.ndarray) -> np.ndarray:
    """`(N,)`: whose each face is."""
    return group_people(vectors, 1).person


def linked_slowly(vectors: np.ndarray) -> np.ndarray:
    """Average linkage, one pair at a time."""
    cosine = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    clusters = [[i] for i in range(len(vectors))]
    while len(clusters) > 1:
        means = np.array([[cosine[np.ix_(a, b)].mean() for b in clusters] for a in clusters])
        np.fill_diagonal(means, -2)
        a, b = np.unravel_index(means.argmax(), means.shape)
        if means[a, b] < SAME_PERSON:
            break
        clusters[min(a, b)] += clusters.pop(max(a, b))
    labels = np.empty(len(vectors), int)
    for number, cluster in enumerate(clusters):
        labels[cluster] = number
    return labels


@given(st.integers(1, 8), st.integers(1, 5), st.floats(0.1, 1.6), st.integers(0, 999))
@settings(max_examples=40)
def test_linkage_is_that_of_merging_one_pair_at_a_time(people, photos, noise, seed):
    vectors, _ = faces(people, photos, noise, seed)
    assert sets(people_of(vectors)) == sets(linked_slowly(vectors))


def test_photos_of_a_person_are_one_person():
    vectors, whose = faces(people=20, photos=4, noise=0.5, seed=3)
    assert sets(people_of(vectors)) == sets(whose)


@given(st.integers(2, 12), st.integers(1, 90), st.integers(1, 3), st.floats(0.1, 2), st.integers(0, 999))
@settings(max_examples=40)
def test_every_group_has_k_people_or_there_are_too_few(k, people, photos, noise, seed):
    vectors, _ = faces(people, photos, noise, seed)
    found = group_people(vectors, k)
    exact = vectors.astype(np.float32)  # means of float16 round across the threshold
    means = np.stack([exact[found.person == each].mean(axis=0) for each in range(len(found.group))])
    counts = [count_people(means[found.group == group]) for group in np.unique(found.group)]
    assert sum(counts) == found.people
    assert min(counts) >= k or (len(counts) == 1 and found.people < k)


@given(st.integers(2, 6), st.integers(6, 60), st.integers(0, 999))
@settings(max_examples=30)
def test_groups_do_not_depend_on_the_order(k, people, seed):
    vectors, _ = faces(people, 2, 0.6, seed)
    order = np.random.default_rng(seed).permutation(len(vectors))
    here, there = group_people(vectors, k), group_people(vectors[order], k)
    back = np.empty(len(order), int)
    back[order] = there.group[there.person]
    assert sets(here.group[here.person]) == sets(back)


@pytest.mark.parametrize("people", [20, 29, 37])
def test_groups_of_strangers_have_k_people_but_one(people):
    rows = np.eye(40, dtype=np.float16)[:people]  # nobody resembles anybody
    sizes = np.sort(np.bincount(group_people(rows, 10).group))
    assert (sizes[:-1] == 10).all()
    assert sizes[-1] == 10 + people % 10


def test_similar_people_share_a_face():
    rng = np.random.default_rng(5)
    families = np.repeat(np.eye(SIZE)[:4], 3, axis=0) * 0.5 + np.eye(SIZE)[4:16]
    rows = families / np.linalg.norm(families, axis=1, keepdims=True)
    order = rng.permutation(12)
    found = group_people(rows[order].astype(np.float16), 3)
    family = np.repeat(np.arange(4), 3)[order]
    assert sets(found.group[found.person]) == sets(family)


def test_a_person_counted_twice_fills_one_place():
    turned = np.eye(SIZE)[:6]
    cosine = (SAME_PERSON + DIFFERENT_PEOPLE) / 2  # too far for one person, too close for two
    twin = cosine * turned[0] + np.sqrt(1 - cosine**2) * np.eye(SIZE)[10]
    rows = np.concatenate([turned, twin[None]]).astype(np.float16)
    assert len(np.unique(people_of(rows))) == 7
    found = group_people(rows, 3)
    assert found.people == 6
    for group in np.unique(found.group):
        people = set(found.person[found.group[found.person] == group].tolist())
        assert len(people) - ({found.person[0], found.person[6]} <= people) >= 3


def test_blocks_link_almost_as_well_as_all_at_once():
    vectors, whose = faces(people=1500, photos=4, noise=0.5, seed=7, size=128)
    found = people_of(vectors)  # more than one block
    assert len(sets(found) & sets(whose)) > 0.9 * 1500
    for person in sets(found):
        assert len(set(whose[list(person)])) == 1


def test_the_same_set_has_the_same_order():
    rows = np.random.default_rng(2).standard_normal((50, 6)).astype(np.float16)
    other = rows[::-1]
    assert np.array_equal(rows[rows_by_bytes(rows)], other[rows_by_bytes(other)])


def test_without_faces_there_are_no_groups():
    found = group_people(np.zeros((0, SIZE), np.float16), 3)
    assert found.people == 0
    assert len(found.group) == len(found.person) == 0
