"""The page of an audit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..text import counted
from .attackers import Attack
from .audit import BANDS_PX, LEAST_PEOPLE, LEAST_PHOTOS, Audit, to_data
from .pairs import VisibleFace
from .plots import Dot, DotPlot, Mark
from .report import Block, Cell, Figure, Gallery, Photo, Report, Section, Table

__all__ = ["report_of"]

_MOST_SHOWN = 60
"""Pictures in the gallery of faces that are still visible."""


def report_of(result: Audit) -> Report:
    """The report of an audit."""
    sections = [Section("Faces that are still visible", _left(result))]
    if result.attacks:
        sections.append(Section("People recognized behind the covers", _attackers(result)))
    sections.append(Section("Usefulness of the photos", [_utility(result)]))
    return Report(
        title="Audit",
        verdict=_verdict(result),
        state="good" if result.passes else "bad" if result.left or result.attacks else "warning",
        figures=_figures(result),
        missing=list(_missing(result)),
        sections=sections,
        command="unionveil audit BEFORE AFTER -o FOLDER",
        data=to_data(result),
    )


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{share:.1%}"


def _verdict(result: Audit) -> str:
    parts = [_seen(result)]
    if result.unread:
        parts.append(f"{counted(len(result.unread), 'picture')} could not be compared")
    if result.videos:
        parts.append(
            f"{counted(result.videos, 'video')} {'was' if result.videos == 1 else 'were'} not audited"
        )
    return "; ".join([*parts, _recognized(result)]) + "."


def _seen(result: Audit) -> str:
    """How many faces are visible in the pictures that were compared."""
    if not result.pictures:
        return "No picture was compared"
    count = len(result.left)
    seen = f"{counted(count, 'face')} {'is' if count == 1 else 'are'}" if count else "No face is"
    seen += " still visible"
    if result.unread or result.videos:
        verb = "was" if result.pictures == 1 else "were"
        seen += f" in the {counted(result.pictures, 'picture')} that {verb} compared"
    if result.unsure:
        seen += f", besides {len(result.unsure)} that may have been left on purpose"
    return seen


def _recognized(result: Audit) -> str:
    worst = result.worst
    if worst is None:
        return "there are too few people to measure attackers"
    comparison = "within" if worst.rank_1 <= result.limit else "above"
    return (
        f"the best attacker identifies {_percent(worst.rank_1)} of people behind {result.method}, "
        f"{comparison} the limit of {_percent(result.limit)}"
    )


def _figures(result: Audit) -> list[Figure]:
    worst, clean = result.worst, next(iter(result.attacks), None)
    figures = [
        Figure(
            "Faces still visible",
            str(len(result.left)),
            f"outside covers, in {counted(result.pictures, 'picture')} with "
            f"{counted(result.faces, 'covered face')}",
        )
    ]
    if worst and clean:
        figures.append(
            Figure(
                "Best attacker",
                _percent(worst.rank_1),
                f"{worst.name}, {worst.view} view; chance is {_percent(1 / result.people)}",
            )
        )
        figures.append(Figure("Untrained attacker", _percent(clean.rank_1), "with a gallery of clean photos"))
    return figures


def _missing(result: Audit) -> list[str]:
    sentences = []
    if not result.attacks:
        sentences.append(
            f"Attackers, because there are too few people: {result.people} have {LEAST_PHOTOS} photos or "
            f"more, {LEAST_PEOPLE} are needed."
        )
    elif result.work.attacker == result.work.linker and not result.is_labelled:
        sentences.append(
            "An independent attacker: the recognizer that linked the faces also attacks. The extra "
            "unionveil[dlib] provides another."
        )
    if result.work.other == "haar":
        sentences.append(
            "A strong second detector: only OpenCV's Haar cascades are installed. They miss small and turned "
            "faces, and were run only where the run's own detectors have a low score. "
            "`unionveil models fetch yunet` or the extra unionveil[centerface] provides a better one."
        )
    if result.multiframe:
        sentences.append(f"Frames after the first, in {counted(result.multiframe, 'picture')}.")
    if result.videos:
        sentences.append(f"{counted(result.videos, 'video')}: `unionveil verify` checks those.")
    if result.left_out:
        sentences.append(f"Attackers on {result.left_out} faces, because only the first ones are linked.")
    if result.unread:
        first = min(result.unread)
        sentences.append(
            f"{counted(len(result.unread), 'picture')} that could not be compared; the first is input "
            f"{first}: {result.unread[first]}."
        )
    return sentences


def _left(result: Audit) -> list[Block]:
    names = ", ".join((*result.work.own, result.work.other))
    blocks: list[Block] = [
        f"{names} looked for faces of which more than a quarter is still visible. Inside covers, "
        f"{result.work.other} finds {result.inside} faces; with surrogates, that is expected."
    ]
    if result.changed:
        listed = ", ".join(map(str, result.changed[:20]))
        blocks.append(
            f"{counted(len(result.changed), 'picture')} that changed outside covers: inputs {listed}. Their "
            "covers may lie elsewhere than the manifest states."
        )
    if result.left:
        blocks.append(_gallery("Most certain first", result.left))
    if result.unsure:
        blocks.append(_gallery("Perhaps left on purpose, as the run's settings allow", result.unsure))
    return blocks


def _gallery(title: str, faces: Sequence[tuple[int, VisibleFace]]) -> Gallery:
    photos = [
        Photo(left.jpeg, f"input {number}: {left.score:.2f} by {left.seen_by}", f"A face of input {number}")
        for number, left in sorted(faces, key=lambda item: -item[1].score)[:_MOST_SHOWN]
    ]
    return Gallery(title, photos)


def _attackers(result: Audit) -> list[Block]:
    dots = [
        Dot(
            attack.name,
            100 * attack.rank_1,
            100 * max(0.0, attack.rank_1 - 1.96 * attack.standard_error),
            100 * min(1.0, attack.rank_1 + 1.96 * attack.standard_error),
            "Aligned face" if attack.view == "aligned" else "Covered region alone",
        )
        for attack in sorted(result.attacks, key=lambda attack: attack.view)
    ]
    marks = [Mark(100 / result.people, "chance"), Mark(100 * result.limit, "limit")]
    top = min(100.0, max(10.0, 10 * np.ceil(max(dot.high for dot in dots) / 10)))
    text = (
        f"{result.named} photos of {result.people} people, of whom attackers know other photos. The "
        "trained ones learned from photos redacted the same way; anyone who has the program can do that."
    )
    return [
        text,
        DotPlot("Faces identified correctly, with 95 % intervals", dots, "identified, %", top, marks=marks),
        _bands(result),
        _floor(result),
    ]


def _bands(result: Audit) -> Table:
    heads = [
        f"{low:g} to {high:g} px" if np.isfinite(high) else f"{low:g} px and more" for low, high in BANDS_PX
    ]

    def row(attack: Attack) -> list[str | Cell]:
        bands = [Cell(_percent(share), f"{count} faces") for share, count in result.by_band(attack)]
        return [f"{attack.name}, {attack.view}", _percent(attack.rank_1), *bands]

    return Table(
        "Faces identified correctly, by the shorter side of the face",
        ["Attacker", "All", *heads],
        [row(attack) for attack in result.attacks],
        frozenset(range(1, 2 + len(BANDS_PX))),
    )


def _floor(result: Audit) -> Table:
    return Table(
        "The same attackers on black boxes: what hair and background alone reveal",
        ["Attacker", "View", "Identified"],
        [[attack.name, attack.view, _percent(attack.rank_1)] for attack in result.floor],
        frozenset({2}),
    )


def _utility(result: Audit) -> Table:
    exact = result.psnr >= 99
    return Table(
        "Utility",
        ["Measure", "Value"],
        [
            ["Covered faces in which a detector still finds a face", _percent(result.found)],
            [
                "Median error of their landmarks",
                "–" if np.isnan(result.moved) else f"{result.moved:.1%} of the eye distance",
            ],
            ["Median PSNR outside covers", "exact" if exact else f"{result.psnr:.1f} dB"],
        ],
        frozenset({1}),
    )
