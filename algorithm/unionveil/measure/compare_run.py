"""A comparison from photos to a report: reads the labels, runs the detectors, selects what is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..annotations import Annotations, Format, Pictures, Reading, read
from ..config import AnonymizeConfig
from ..engines.base import Engine
from ..errors import InputError
from ..models.store import find
from ..outcomes import Rejected
from ..text import counted, printable
from .agreement import Agreement, agree, agreement_data
from .compare import WELL_COVERED, Costs, compare, data_of
from .compare_page import Counted, Parts, agreement_parts, compared_parts
from .gallery import Crop, crop_photo, probable_faces
from .metrics import Predicted, Truth, false_boxes
from .photos import Photos, memory_for
from .report import Gallery, Report
from .trial import UNION, Seen, Trial, TrialTask

__all__ = ["Request", "compare_detectors", "read_truth"]

_MOST_SHOWN = 12
"""Crops in a gallery."""


@dataclass(frozen=True)
class Request:
    """The request for a comparison.

    Attributes:
        configs: settings by detector, each with this detector alone.
        shows_faces: whether crops show faces uncovered.
        shows_names: whether captions name the photos instead of numbering them.
        command: the command that repeats the report, without local paths.
    """

    configs: tuple[tuple[str, AnonymizeConfig], ...]
    shows_faces: bool
    shows_names: bool
    command: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the detectors."""
        return tuple(name for name, _ in self.configs)


def read_truth(path: Path, photos: Photos, form: Format | None, reading: Reading) -> Annotations:
    """Labelled faces of photos.

    Raises:
        InputError: the file does not fit the photos, or labels no face.
    """
    truth = read(path, Pictures(photos.contents), form, reading)
    if not any((~boxes.ignore).any() for boxes in truth.values()):
        raise InputError(
            f"{printable(path.name, quoted=False)} labels no face in "
            f"{counted(len(photos.contents), 'photo')}; there is nothing to measure"
        )
    return truth


@dataclass(frozen=True)
class _Examined:
    """An examined frame and its origin."""

    photo: str
    number: int
    seen: Seen


def compare_detectors(
    photos: Photos,
    truth: Annotations | None,
    request: Request,
    engine: Engine,
    on_done: Callable[[], None] = lambda: None,
) -> tuple[Report, Mapping[str, Rejected]]:
    """Runs all detectors on all photos and makes the report.

    Args:
        photos: all photos.
        truth: labelled faces; photos without labels are ignored. None compares the detectors with each other.
        request: detectors, and what is shown.
        engine: does the work.
        on_done: called after each photo.

    Returns:
        The report, and the photos that could not be read.

    Raises:
        InputError: no photo could be read.
        ModelError: weights are missing, or a model failed.
    """
    examined: list[_Examined] = []
    rejected = dict(photos.rejected)
    for (number, name), result in engine.map(Trial(request.configs), _tasks(photos, truth)):
        if isinstance(result, Rejected):
            rejected[name] = result
        else:
            examined += [_Examined(name, number, seen) for seen in result]
        on_done()
    if not examined:
        raise InputError("none of the photos could be read; name a folder of photos")
    counted = _counted(examined, photos, truth, rejected)
    costs = _costs([one.seen for one in examined], request)
    parts, data = _measured(examined, photos, truth, request, costs, counted)
    report = Report(
        "Comparison of detectors",
        parts.verdict,
        parts.figures,
        parts.missing,
        parts.sections,
        request.command,
        data=data,
    )
    return report, rejected


def _tasks(photos: Photos, truth: Annotations | None) -> Iterator[tuple[tuple[int, str], TrialTask]]:
    for number, (name, content) in enumerate(photos.contents.items(), 1):
        if truth is None or name in truth:
            boxes = None if truth is None else truth[name]
            yield (number, name), TrialTask(content, boxes, memory_for(content))


def _counted(
    examined: Sequence[_Examined], photos: Photos, truth: Annotations | None, rejected: Mapping[str, Rejected]
) -> Counted:
    measured = {one.photo for one in examined}
    left_out = [name for name in photos.contents if truth is not None and name not in truth]
    ignored = sum(int(one.seen.truth.ignore.sum()) for one in examined)
    reasons = Counter(one.reason for one in rejected.values())
    return Counted(len(measured), len(left_out), dict(reasons), ignored)


def _costs(seen: Sequence[Seen], request: Request) -> dict[str, Costs]:
    megapixels = sum(one.size_wh[0] * one.size_wh[1] for one in seen) / 1e6
    result = {}
    for name, config in request.configs:
        seconds = sum(one.found[name].seconds for one in seen)
        cards = config.detector_cards
        result[name] = Costs(
            1000 * seconds / len(seen),
            1000 * seconds / megapixels,
            sum(find(card).stat().st_size for card in cards),
            ", ".join(dict.fromkeys(card.licence for card in cards)),
            seen[0].found[name].threshold,
        )
    return result


def _measured(
    examined: Sequence[_Examined],
    photos: Photos,
    truth: Annotations | None,
    request: Request,
    costs: Mapping[str, Costs],
    counted: Counted,
) -> tuple[Parts, dict[str, Any]]:
    seen = [one.seen for one in examined]
    galleries = _Galleries(examined, photos, request)
    if truth is None:
        agreement = agree(seen, request.names)
        parts = agreement_parts(agreement, costs, counted, galleries.alone(agreement))
        return parts, {"photos": counted.photos, "truth": False, "detectors": agreement_data(agreement)}
    compared = compare(seen, request.names)
    parts = compared_parts(compared, costs, counted, galleries.misses_and_false())
    data = data_of(compared, costs)
    union = {"union": data.pop(UNION)} if UNION in data else {}
    return parts, {"photos": counted.photos, "truth": True, "detectors": data, **union}


class _Galleries:
    """Picks the boxes that a report shows, and draws them."""

    def __init__(self, examined: Sequence[_Examined], photos: Photos, request: Request) -> None:
        self._examined, self._photos, self._request = examined, photos, request

    def misses_and_false(self) -> list[Gallery]:
        """For each detector, the largest faces that it leaves uncovered and its highest false positives."""
        found = []
        for name in self._request.names:
            found.append(self._gallery(f"{name}: missed, largest first", self._misses(name)))
            found.append(self._gallery(f"{name}: false boxes, highest scores first", self._false(name)))
        return [gallery for gallery in found if gallery]

    def alone(self, agreement: Agreement) -> list[Gallery]:
        """For each detector, its highest boxes that no other finds; empty for a single detector."""
        found = []
        for name in self._request.names if len(self._request.names) > 1 else ():
            places = [place for place in agreement.places if place.finders == {name}]
            places.sort(key=lambda place: -place.score[name])
            crops = [
                self._crop(self._examined[place.seen], place.xyxy, "box", f"score {place.score[name]:.2f}")
                for place in places[:_MOST_SHOWN]
            ]
            found.append(self._gallery(f"{name} alone: {len(places)} in all", crops))
        return [gallery for gallery in found if gallery]

    def _misses(self, name: str) -> list[Crop]:
        missed = []
        for one in self._examined:
            truth, covered = one.seen.truth, one.seen.found[name].covered
            for place in np.flatnonzero(~truth.ignore & (covered < WELL_COVERED)).tolist():
                box = truth.xyxy[place]
                missed.append(
                    (float((1 - covered[place]) * (box[2:] - box[:2]).prod()), one, box, covered[place])
                )
        missed.sort(key=lambda one: -one[0])
        return [
            self._crop(one, box, "face", f"{100 * share:.0f} % covered")
            for _, one, box, share in missed[:_MOST_SHOWN]
        ]

    def _false(self, name: str) -> list[Crop]:
        false = []
        for one in self._examined:
            truth, (xyxy, score) = one.seen.truth, one.seen.found[name].boxes
            places = false_boxes(Truth(truth.xyxy, truth.ignore), Predicted(xyxy, score)).tolist()
            false += [(float(score[place]), one, xyxy[place]) for place in places]
        false.sort(key=lambda one: -one[0])
        return [self._crop(one, box, "box", f"score {score:.2f}") for score, one, box in false[:_MOST_SHOWN]]

    def _crop(self, one: _Examined, box: Any, kind: Any, remark: str) -> Crop:
        shows = self._request.shows_names
        photo = printable(one.photo, quoted=False) if shows else f"photo {one.number}"
        height = f"{box[3] - box[1]:.0f} px"
        what = "A face" if kind == "face" else "A box"
        covers = np.zeros((0, 4), np.float32) if self._request.shows_faces else probable_faces(one.seen)
        return Crop(
            self._photos.contents[one.photo],
            one.seen.frame,
            np.asarray(box, np.float32),
            kind,
            covers,
            f"{height} high, {remark}; {photo}",
            f"{what} of {height} in {photo}, outlined"
            + ("" if self._request.shows_faces else "; faces are covered"),
        )

    def _gallery(self, title: str, crops: Sequence[Crop]) -> Gallery | None:
        config = self._request.configs[0][1]
        drawn = [photo for crop in crops if (photo := crop_photo(crop, config)) is not None]
        return Gallery(title, drawn) if drawn else None
