"""Ranks a network's candidates by how many of them agree, and runs on the mirrored picture too.

A network fires at several cells around a face, but at one or two around a fist. Plain suppression discards
this information: it keeps only the best candidate. Here, a candidate's score grows with the scores of those
that overlap it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..boxes import iou_of_pairs, near_pairs, nms
from ..detections import Detections, FloatArray, RgbImage
from ..models.cards import DetectorCard
from .detector import Detail, Network

__all__ = ["LEAST_CANDIDATE", "Supported", "by_support"]

Floats: TypeAlias = npt.NDArray[np.float64]

LEAST_CANDIDATE = 0.05
"""Least network score of a candidate. Average precision is the same at .02 and lower by .003 at .1."""

_SUPPORT_IOU = 0.5
"""A candidate supports the boxes that it overlaps by at least this much."""

_UNSEEN = 0.02
"""The score of a box in a view where no candidate overlaps it; lower than any candidate's."""


class Supported:
    """A detector made from a network: its candidates, ranked by support.

    Args:
        network: finds the candidates.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    @property
    def card(self) -> DetectorCard:
        """The network's card."""
        return self._network.card

    @property
    def fixed_wh(self) -> tuple[int, int] | None:
        """The network's only input size, or None if it accepts any."""
        return self._network.fixed_wh

    glimpses: tuple[Detail, ...] = ("standard", "crowd")
    """On the validation photos, four networks find more faces in this way (`training/LOG.md`)."""

    def __call__(self, image: RgbImage, threshold: float, *, mirror: bool = False) -> Detections:
        """As `Detector.__call__`; scores do not depend on the threshold."""
        views = [self._network.candidates(image, LEAST_CANDIDATE)]
        if mirror:
            mirrored = np.ascontiguousarray(image[:, ::-1])
            views.append(self._network.candidates(mirrored, LEAST_CANDIDATE).mirror(image.shape[1]))
        faces = by_support(views, self.card.nms_iou)
        return faces[faces.score >= threshold]


def by_support(views: Sequence[Detections], iou_threshold: float) -> Detections:
    """Suppresses overlapping candidates and ranks the others by those that overlap them.

    With `s` the candidates' scores, `o` their overlap (IoU) with a kept box, and all sums over candidates
    with `o >= .5`, including the kept box's own:

        logit(score) = mean over the views of logit(s there) + log(sum of s / number of views)
        box = sum of (s * o * candidate's box) / sum of (s * o), landmarks likewise

    `s there` is the kept box's own score in the view in which it was found, and in the other view the best
    score of those that overlap it. The form and its constants were chosen on the validation photos of
    `training/RESULTS.md`.

    Args:
        views: candidates of the picture as it is and, if the mirrored picture was used too, those mirrored
            back; all in pixels of the picture.
        iou_threshold: a candidate that overlaps a better one by more than this is dropped. The averaged boxes
            of two that remain may overlap by slightly more.

    Returns:
        Faces, best first.
    """
    candidates = Detections.concat(views)
    view = np.repeat(np.arange(len(views)), [len(part) for part in views])
    kept = nms(candidates.xyxy, candidates.score, iou_threshold)
    if not len(kept):
        return candidates
    row, near, overlap = _pairs(candidates.xyxy, kept)
    score = candidates.score[near].astype(np.float64)
    there = np.full((len(kept), len(views)), _UNSEEN)
    np.maximum.at(there, (row, view[near]), score)
    there[np.arange(len(kept)), view[kept]] = candidates.score[kept]
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    logit = _logit(there).mean(axis=1) + np.log(np.add.reduceat(score, starts) / len(views))
    weight = score * overlap
    weight /= np.add.reduceat(weight, starts)[row]
    places = np.concatenate([candidates.xyxy, candidates.landmarks.reshape(-1, 10)], axis=1)
    means = np.add.reduceat(weight[:, None] * places[near], starts)
    faces = Detections.of(means[:, :4], 1 / (1 + np.exp(-logit)), means[:, 4:].reshape(-1, 5, 2))
    return faces[np.argsort(-faces.score, kind="stable")]


def _pairs(
    xyxy: FloatArray, kept: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """Each kept box with every candidate that supports it: the row in `kept`, the candidate, their IoU."""
    row, near = near_pairs(xyxy[kept], xyxy, _SUPPORT_IOU)
    overlap = iou_of_pairs(xyxy[kept[row]], xyxy[near])
    overlap[near == kept[row]] = 1  # a box supports itself, even if it has no area and therefore no overlap
    supports = overlap >= _SUPPORT_IOU
    return row[supports], near[supports], overlap[supports]


def _logit(score: Floats) -> Floats:
    inside = np.clip(score, 1e-6, 1 - 1e-6)
    return np.log(inside / (1 - inside))
