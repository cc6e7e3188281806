"""Attackers who try to identify the people behind covers; the best of them train on redacted faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..detections import BoolArray, FloatArray

__all__ = ["Attack", "Crops", "EmbedCrops", "Faces", "State", "attacks", "fill_attacks"]

Crops: TypeAlias = npt.NDArray[np.uint8]
"""`(N, S, S, 3)` uint8 RGB."""

EmbedCrops: TypeAlias = Callable[[Crops], FloatArray]
"""Aligned crops of any size to `(N, D)` vectors of length 1."""

_PIXELS_SIDE = 24
"""Side in pixels of the crops for attackers on pixels; more detail did not make them better."""

_COMPONENTS = 150
"""Number of principal components, if there are enough photos."""

_LEAST_SPREAD = 1e-6
"""Features that vary by less carry no information."""

_RIDGE = 10.0
"""Ridge of the linear de-anonymizer, in units of the mean variance of its components."""


@dataclass(frozen=True, eq=False)
class State:
    """All faces in one state: original, redacted or filled.

    Attributes:
        aligned: crops aligned by the landmarks; they also show some hair and background.
        region: the covered rectangle alone, stretched to a square.
        aligned_vectors: `(N, D)` of length 1, of the aligned crops.
        region_vectors: the same of the regions.
    """

    aligned: Crops
    region: Crops
    aligned_vectors: FloatArray
    region_vectors: FloatArray


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces of people whom the attacker wants to identify.

    Attributes:
        person: `(N,)` numbers of people.
        is_known: `(N,)`: the attacker knows the people in these photos, and wants to identify those in the
            others.
        before: the originals.
        after: as published.
        filled: each behind a black rectangle; no cover can make an attacker worse than this, except by
            chance.
    """

    person: npt.NDArray[np.int64]
    is_known: BoolArray
    before: State
    after: State
    filled: State


@dataclass(frozen=True, eq=False)
class Attack:
    """The result of an attack.

    Attributes:
        name: of the attacker.
        view: its input, "aligned" or "region".
        is_trained: whether it learned from redacted faces.
        hits: `(T,)` bool: whether each unknown face was identified correctly.
    """

    name: str
    view: str
    is_trained: bool
    hits: BoolArray

    @property
    def rank_1(self) -> float:
        """Share of the faces that were identified correctly."""
        return float(self.hits.mean())

    @property
    def standard_error(self) -> float:
        """The binomial standard error of `rank_1`."""
        return float(np.sqrt(self.rank_1 * (1 - self.rank_1) / len(self.hits)))


def attacks(faces: Faces, embed_crops: EmbedCrops) -> Iterator[Attack]:
    """All attackers on all views of the redacted faces.

    Args:
        faces: at least two known photos and one other of each person.
        embed_crops: the attacker's recognizer.
    """
    known, unknown = faces.is_known, ~faces.is_known
    clean, after = faces.before.aligned_vectors, faces.after
    yield _nearest("clean gallery", faces, clean[known], after.aligned_vectors[unknown])
    yield _nearest(
        "gallery redacted likewise", faces, after.aligned_vectors[known], after.aligned_vectors[unknown]
    )
    yield from _trained(faces, after)
    restored = _restored(after.aligned, faces.before.aligned, known)[unknown]
    yield _nearest("linear de-anonymizer", faces, clean[known], embed_crops(restored), is_trained=True)


def fill_attacks(faces: Faces) -> Iterator[Attack]:
    """The trained attackers on faces behind a black rectangle: how much hair and background alone reveal."""
    yield from _trained(faces, faces.filled)


def _nearest(
    name: str, faces: Faces, gallery: FloatArray, probes: FloatArray, *, is_trained: bool = False
) -> Attack:
    named = faces.person[faces.is_known][(probes @ gallery.T).argmax(axis=1)]
    return Attack(name, "aligned", is_trained, named == faces.person[~faces.is_known])


def _trained(faces: Faces, state: State) -> Iterator[Attack]:
    """Classifiers that learned from redacted faces ("parrots": McPherson et al., arXiv:1609.00408)."""
    for view, crops, vectors in (
        ("aligned", state.aligned, state.aligned_vectors),
        ("region", state.region, state.region_vectors),
    ):
        pixels = _principal(_flat(crops, _PIXELS_SIDE), faces.is_known)
        for name, classifier, features in _classifiers(pixels, vectors):
            known = features[faces.is_known]
            if np.ptp(known, axis=0).max() < _LEAST_SPREAD:  # all the same: so is every guess
                named = np.full(int((~faces.is_known).sum()), faces.person[0])
            else:
                classifier.fit(known, faces.person[faces.is_known])
                named = classifier.predict(features[~faces.is_known])
            yield Attack(name, view, True, np.asarray(named == faces.person[~faces.is_known]))


def _classifiers(pixels: FloatArray, vectors: FloatArray) -> Iterator[tuple[str, Any, FloatArray]]:
    """Classifiers with the features that each learns from."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    white = pixels / np.maximum(pixels.std(axis=0), 1e-6)
    yield "PCA and SVM on pixels", SVC(C=10), white
    yield "shrunk LDA on pixels", LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), pixels
    yield "logistic regression on embeddings", LogisticRegression(C=10, max_iter=300), vectors


def _flat(crops: Crops, side: int) -> FloatArray:
    """`(N, side * side * 3)` in [0, 1]."""
    small = [cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA) for crop in crops]
    return np.asarray(small, np.float32).reshape(len(crops), -1) / np.float32(255)


def _principal(flat: FloatArray, is_known: BoolArray) -> FloatArray:
    """`(N, K)` principal components, learned from the known faces."""
    from sklearn.decomposition import PCA

    if np.ptp(flat[is_known], axis=0).max() < _LEAST_SPREAD:
        return np.zeros((len(flat), 1), np.float32)
    count = min(_COMPONENTS, int(is_known.sum()) - 1)
    pca = PCA(count, svd_solver="randomized", random_state=0).fit(flat[is_known])
    return np.asarray(pca.transform(flat), np.float32)


def _restored(after: Crops, before: Crops, is_known: BoolArray) -> Crops:
    """Crops restored by a linear map: ridge regression from components of redacted faces to pixels."""
    source = _principal(_flat(after, 2 * _PIXELS_SIDE), is_known)
    target = _flat(before, before.shape[1])
    mean = target[is_known].mean(axis=0)
    x = source[is_known]
    ridge = (_RIDGE * float(x.var(axis=0).mean()) + _LEAST_SPREAD) * np.eye(x.shape[1], dtype=np.float32)
    weights = np.linalg.solve(x.T @ x + ridge, x.T @ (target[is_known] - mean))
    pixels = np.clip(source @ weights + mean, 0, 1).reshape(before.shape)
    return np.asarray(np.round(pixels * 255), np.uint8)
