"""Finds who is the same person and which people share a face: embeddings to people, people to groups of k.

Results depend neither on the order of the embeddings nor on the number of cores: rows are sorted by their
bytes before anything is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..detections import FloatArray

__all__ = [
    "DIFFERENT_PEOPLE",
    "SAME_PERSON",
    "Groups",
    "count_people",
    "group_people",
    "rows_by_bytes",
]

IntArray = npt.NDArray[np.int32]
_Indices = npt.NDArray[np.intp]

SAME_PERSON = 0.42
"""Average cosine from which faces are one person; 1 in 10,000 of SFace's pairs of strangers reaches it."""

DIFFERENT_PEOPLE = 0.35
"""Average cosine below which two people of a group count as two; 999 in 1,000 of SFace's pairs of strangers
are below it. A person whose photos were taken for two people cannot fill two places of a group."""

_BLOCK = 4096
"""Faces compared at a time: the matrix of all cosines of a million faces would not fit into memory."""

_PASSES = 6
"""Partitions into blocks, each along other directions, so that few people stay split between two blocks."""

_SAMPLE = 4096
"""Number of rows from which a principal direction is estimated."""

_CHUNK = 65_536
_WINDOWS = 64


@dataclass(frozen=True)
class Groups:
    """Which faces and people belong together.

    Attributes:
        person: `(N,)` int32, number of the person of each face.
        group: `(P,)` int32, number of the group of each person.
        people: people that count as different, in all groups together.
    """

    person: IntArray
    group: IntArray
    people: int


@dataclass(frozen=True)
class _Clusters:
    """Sets of faces.

    Attributes:
        total: `(C, D)` float32, sums of their embeddings.
        count: `(C,)` float32, number of faces.
        member: `(N,)`, cluster of each face; clusters are numbered by their first faces.
    """

    total: FloatArray
    count: FloatArray
    member: _Indices

    def merge(self, label: _Indices) -> _Clusters:
        """Merges clusters with the same label. Overwrites `self` instead of making a copy."""
        first, label = _by_first(label)
        rest = np.setdiff1d(np.arange(len(label)), first, assume_unique=True)
        for start in range(0, len(rest), _CHUNK):
            some = rest[start : start + _CHUNK]
            np.add.at(self.total, first[label[some]], self.total[some])
        for start in range(0, len(first), _CHUNK):  # rows only move up
            self.total[start : start + _CHUNK][: len(first) - start] = self.total[
                first[start : start + _CHUNK]
            ]
        count = np.bincount(label, self.count).astype(np.float32)
        return _Clusters(self.total[: len(first)], count, label[self.member])


def group_people(vectors: npt.NDArray[np.floating], k: int) -> Groups:
    """Finds people and puts them into groups of at least `k`, similar people together.

    People are halved along their first principal direction, with sizes kept at multiples of k, until fewer
    than 2 k are left. A group that counts fewer than k people at `DIFFERENT_PEOPLE` also takes the next ones.

    Args:
        vectors: `(N, D)` unit vectors in any float type.
        k: least number of people in a group.

    Returns:
        The groups. If `people` is below k, there is a single group that is too small.
    """
    order = rows_by_bytes(vectors)
    people = _people(_as_rows(vectors, order))
    means = people.total
    means /= people.count[:, None]  # in place: a copy of a million would take half a gigabyte
    sequence = _halved(means, k)
    group = np.empty(len(means), np.int32)
    counted = 0
    for number, (members, count) in enumerate(_closed(means, sequence, k)):
        group[members] = number
        counted += count
    person = np.empty(len(vectors), np.int32)
    person[order] = people.member
    return Groups(person, group, counted)


def count_people(means: FloatArray) -> int:
    """How many of the given people count as different.

    Args:
        means: `(P, D)` mean embeddings of people, not scaled to unit length: their product is the average
            cosine of all pairs of faces.

    Returns:
        Number of connected components of the graph of pairs that reach `DIFFERENT_PEOPLE`.
    """
    near = means @ means.T >= DIFFERENT_PEOPLE
    np.fill_diagonal(near, True)
    label = np.arange(len(means))
    while True:
        lowest = np.where(near, label[None, :], len(means)).min(axis=1)
        if (lowest == label).all():
            return len(np.unique(label))
        label = lowest


def rows_by_bytes(vectors: npt.NDArray[np.floating]) -> _Indices:
    """Indices that sort the rows of `(N, D)` by their bytes: the same set always gives the same sequence."""
    rows = np.ascontiguousarray(vectors)
    if rows.size == 0:
        return np.arange(len(rows))
    return np.argsort(rows.view(f"V{rows.itemsize * rows.shape[1]}")[:, 0], kind="stable")


def _as_rows(vectors: npt.NDArray[np.floating], order: _Indices) -> FloatArray:
    """Rows in a given order as float32, without a second copy of all of them."""
    rows = np.empty(vectors.shape, np.float32)
    for start in range(0, len(rows), _CHUNK):
        rows[start : start + _CHUNK] = vectors[order[start : start + _CHUNK]]
    return rows


def _people(rows: FloatArray) -> _Clusters:
    """Clusters `(N, D)` faces into people by average linkage of cosines (UPGMA) at `SAME_PERSON`.

    Merging all reciprocal nearest neighbours at once gives the same tree as merging one pair at a time, since
    average linkage is reducible (Murtagh 1983). Beyond 4,096 faces, linkage runs in blocks.
    """
    people = _Clusters(rows, np.ones(len(rows), np.float32), np.arange(len(rows)))
    for axis in range(_PASSES):
        label = np.empty(len(people.total), np.intp)
        found, blocks = 0, list(_blocks(people.total, axis))
        for block in blocks:
            inside = _linked(people.total[block], people.count[block])
            label[block] = inside + found
            found += int(inside.max(initial=-1)) + 1
        people = people.merge(label)
        if len(blocks) < 2:
            break
    return people


def _linked(total: FloatArray, count: FloatArray) -> _Indices:
    """Labels of `(C,)` clusters after average linkage at `SAME_PERSON`."""
    label = np.arange(len(total))
    active = label.copy()  # the cluster that each row of `total` represents, by its lowest member
    while len(active) > 1:
        means = total / count[:, None]
        cosine = means @ means.T
        np.fill_diagonal(cosine, -np.inf)
        nearest = cosine.argmax(axis=1)
        here = np.arange(len(active))
        # An average never exceeds its largest part: a cluster without a near neighbour now never gets one.
        near = cosine[here, nearest] >= SAME_PERSON
        first = np.flatnonzero(near & (nearest[nearest] == here) & (here < nearest))
        second = nearest[first]
        total[first] += total[second]
        count[first] += count[second]
        into = np.arange(len(label))
        into[active[second]] = active[first]
        label = into[label]
        near[second] = False
        total, count, active = total[near], count[near], active[near]
    return _by_first(label)[1]


def _by_first(label: _Indices) -> tuple[_Indices, _Indices]:
    """The first position of each label, in order, and labels numbered in that order."""
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty_like(first)
    order = np.argsort(first)
    rank[order] = np.arange(len(first))
    return first[order], rank[inverse]


def _blocks(rows: FloatArray, axis: int) -> Iterator[_Indices]:
    """Rows in blocks of at most `_BLOCK` that are close together, halved along principal directions."""
    waiting = [np.arange(len(rows))]
    while waiting:
        indices = waiting.pop()
        if len(indices) <= _BLOCK:
            yield np.sort(indices)
            continue
        ordered = indices[np.argsort(_projected(rows, indices, axis), kind="stable")]
        waiting += [ordered[: len(ordered) // 2], ordered[len(ordered) // 2 :]]


def _halved(means: FloatArray, k: int) -> _Indices:
    """People in a sequence in which every k consecutive ones, counted from the start, are similar."""
    sequence = np.arange(len(means))
    waiting = [(0, len(means))]
    while waiting:
        start, end = waiting.pop()
        size = end - start
        if size < 2 * k:
            continue
        part = sequence[start:end]
        sequence[start:end] = part[np.argsort(_projected(means, part, 0), kind="stable")]
        middle = start + k * (size // (2 * k))
        waiting += [(start, middle), (middle, end)]
    return sequence


def _projected(rows: FloatArray, indices: _Indices, axis: int) -> FloatArray:
    """Positions `(n,)` of some rows along their first or a later principal direction."""
    sample = rows[indices[:: -(-len(indices) // _SAMPLE)]]
    direction = _principal(sample, axis)
    if len(sample) == len(indices):
        return sample @ direction
    parts = range(0, len(indices), _CHUNK)
    return np.concatenate([rows[indices[start : start + _CHUNK]] @ direction for start in parts])


def _principal(sample: FloatArray, axis: int) -> FloatArray:
    """Principal direction of some rows, `(D,)`, of any length; its largest element is positive."""
    centred = sample - sample.mean(axis=0)
    if len(sample) <= sample.shape[1]:
        direction = np.linalg.eigh(centred @ centred.T)[1][:, -1 - min(axis, len(sample) - 1)] @ centred
    else:
        direction = np.linalg.eigh(centred.T @ centred)[1][:, -1 - min(axis, sample.shape[1] - 1)]
    return direction * np.sign(direction[np.abs(direction).argmax()])


def _closed(means: FloatArray, sequence: _Indices, k: int) -> Iterator[tuple[_Indices, int]]:
    """Groups of consecutive people, each with the number of people that it counts."""
    groups: list[tuple[_Indices, int]] = []
    start, total = 0, len(sequence)
    while total - start >= k:
        good = _different_windows(means, sequence[start : start + _WINDOWS * k], k)
        groups += [(sequence[start + n * k : start + (n + 1) * k], k) for n in range(good)]
        start += good * k
        if total - start >= k and good < _WINDOWS:
            end, count = _extended(means, sequence, start, k)
            groups.append((sequence[start:end], count))
            start = end
    rest = sequence[start:]
    if groups and (len(rest) or groups[-1][1] < k):
        rest = np.concatenate([groups.pop()[0], rest])
    while groups and len(rest) and count_people(means[rest]) < k:
        rest = np.concatenate([groups.pop()[0], rest])
    if len(rest):
        groups.append((rest, count_people(means[rest])))
    yield from groups


def _different_windows(means: FloatArray, sequence: _Indices, k: int) -> int:
    """How many windows of k, from the start, contain k people that count as different."""
    windows = sequence[: len(sequence) // k * k].reshape(-1, k)
    rows = means[windows]
    near = rows @ rows.transpose(0, 2, 1) >= DIFFERENT_PEOPLE
    near[:, np.arange(k), np.arange(k)] = False
    bad = np.flatnonzero(near.any(axis=(1, 2)))
    return int(bad[0]) if len(bad) else len(windows)


def _extended(means: FloatArray, sequence: _Indices, start: int, k: int) -> tuple[int, int]:
    """End of a group that starts at `start` and its count: k, or fewer if the sequence ends."""
    end = start + k
    count = count_people(means[sequence[start:end]])
    while count < k and end < len(sequence):
        end += k - count
        count = count_people(means[sequence[start:end]])
    return min(end, len(sequence)), count
