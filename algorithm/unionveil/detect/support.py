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

from ..boxes import iou, neighbours, nms
from ..detections import Detections, RgbImage
from ..models.cards import DetectorCard
from .detector import Network

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
    near = neighbours(candidates.xyxy[kept], candidates.xyxy, _SUPPORT_IOU)
    parts = [_supported(candidates, view, len(views), *pair) for pair in zip(kept, near, strict=True)]
    faces = Detections.of(*(np.stack(values) for values in zip(*parts, strict=True))) if parts else candidates
    return faces[np.argsort(-faces.score, kind="stable")]


def _supported(
    candidates: Detections, view: npt.NDArray[np.intp], views: int, kept: int, near: npt.NDArray[np.intp]
) -> tuple[Floats, Floats, Floats]:
    """The box `(4,)`, score and landmarks `(5, 2)` that a kept box gets from the candidates around it."""
    overlap = iou(candidates.xyxy[kept : kept + 1], candidates.xyxy[near])[0]
    near, overlap = near[overlap >= _SUPPORT_IOU], overlap[overlap >= _SUPPORT_IOU]
    if kept not in near:  # it supports itself, even if it has no area and therefore no overlap
        near, overlap = np.append(near, kept), np.append(overlap, 1)
    score = candidates.score[near].astype(np.float64)
    there = [score[view[near] == i].max(initial=_UNSEEN) for i in range(views)]
    there[view[kept]] = candidates.score[kept]
    logit = _logit(np.array(there)).mean() + np.log(score.sum() / views)
    weight = score * overlap
    weight /= weight.sum()
    points = weight @ candidates.landmarks[near].reshape(-1, 10)
    return weight @ candidates.xyxy[near], 1 / (1 + np.exp(-logit)), points.reshape(5, 2)


def _logit(score: Floats) -> Floats:
    inside = np.clip(score, 1e-6, 1 - 1e-6)
    return np.log(inside / (1 - inside))
