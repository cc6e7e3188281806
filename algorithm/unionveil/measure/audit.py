"""The audit of a run: which faces are still visible, and whom attackers recognize behind its covers."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from ..content import FileContent
from ..detections import BoolArray, FloatArray
from ..engines.base import Engine
from ..errors import ConfigError, InputError
from ..files.litter import Skipped
from ..files.paths import real, unreadable
from ..files.sources import PathSource
from ..models.cards import CARDS, EMBEDDERS, embedder_card
from ..models.store import state
from ..outcomes import Rejected
from ..runs.reading import what_is_wrong
from ..runs.schema import MANIFEST, Manifest, RedactedRecord, detections_of
from ..text import printable
from .attackers import Attack, EmbedCrops, Faces, State, attacks, fill_attacks
from .exempt import Exempt
from .pairs import ComparePairs, Comparison, Pair, VisibleFace

__all__ = [
    "BANDS_PX",
    "LEAST_PEOPLE",
    "LEAST_PHOTOS",
    "Audit",
    "audit",
    "compare_pairs",
    "labels_of",
    "pair_up",
    "read_manifest",
    "to_data",
    "work_for",
]

LEAST_PEOPLE, LEAST_PHOTOS = 20, 6
"""With fewer people, or fewer photos of each, an attacker's result is mostly chance."""

_MOST_PHOTOS = 22
_MOST_FACES = 5_000
_KNOWN_SHARE = 14 / 22
"""Share of each person's photos that attackers know."""

BANDS_PX = ((0, 20), (20, 40), (40, 80), (80, np.inf))
"""Bands of the shorter side of a face, in pixels, half-open."""

_PSNR_LOW = 30.0
"""Below this PSNR in dB, a picture was changed outside its covers by more than its encoding."""


@dataclass(frozen=True, eq=False)
class Audit:
    """The results of an audit.

    Attributes:
        pictures: pairs that were compared.
        faces: covered faces in them.
        left: faces that are still visible, each with the number of its input.
        unsure: faces that the run may have left on purpose, in the same form.
        inside: faces inside covers, found by a detector that the run did not use.
        unread: reasons why pairs could not be compared, by number.
        changed: numbers of pictures that differ outside their covers.
        people: people with enough photos; attackers were measured if there are at least `LEAST_PEOPLE`.
        named: faces that attackers had to identify.
        attacks: the results of all attackers; empty if there were too few people.
        floor: their results behind black boxes.
        sides_px: `(T,)` shorter sides of the faces that had to be identified.
        found: share of the covered faces that the run's detector still finds.
        moved: median error of their landmarks, in eye distances; NaN without any.
        psnr: median PSNR outside covers, in dB, at most 99.
        method: the run's redaction.
        k: people per group, for k-same.
        work: the settings of the comparison.
        is_labelled: whether a file named the people.
        multiframe: pictures of which only the first frame was compared.
        videos: videos of the run, which are not audited.
        left_out: faces that were too many to be linked.
    """

    pictures: int
    faces: int
    left: tuple[tuple[int, VisibleFace], ...]
    unsure: tuple[tuple[int, VisibleFace], ...]
    inside: int
    unread: Mapping[int, str]
    changed: tuple[int, ...]
    people: int
    named: int
    attacks: tuple[Attack, ...]
    floor: tuple[Attack, ...]
    sides_px: FloatArray
    found: float
    moved: float
    psnr: float
    method: str
    k: int | None
    work: ComparePairs
    is_labelled: bool = False
    multiframe: int = 0
    videos: int = 0
    left_out: int = 0

    @property
    def worst(self) -> Attack | None:
        """The best of the attackers; None if none was measured."""
        return max(self.attacks, key=lambda attack: attack.rank_1, default=None)

    @property
    def limit(self) -> float:
        """Largest share for the best attacker: five points above black boxes; in k-same two above 1 / k."""
        if self.k:
            return 1 / self.k + 0.02
        return max((attack.rank_1 for attack in self.floor), default=1 / max(self.people, 1)) + 0.05

    @property
    def passes(self) -> bool:
        """Whether the policy holds; it does not if something could not be measured."""
        worst = self.worst
        is_clean = not self.left and not self.unread and not self.videos and not self.changed
        return is_clean and worst is not None and worst.rank_1 <= self.limit

    def by_band(self, attack: Attack) -> list[tuple[float, int]]:
        """Rank-1 and number of faces of an attack in each of `BANDS_PX`; NaN without any."""
        result = []
        for low, high in BANDS_PX:
            chosen = (self.sides_px >= low) & (self.sides_px < high)
            result.append(
                (float(attack.hits[chosen].mean()) if chosen.any() else float("nan"), int(chosen.sum()))
            )
        return result


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of outputs.

    Raises:
        InputError: it is missing, or has another version.
    """
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{_name(folder)} contains no {MANIFEST}; name the folder that a run wrote"
        ) from error
    except OSError as error:
        raise unreadable(folder / MANIFEST, error) from error
    except ValidationError as error:
        raise InputError(
            f"{_name(folder / MANIFEST)} is not a manifest that this version can read "
            f"({what_is_wrong(error)}); audit with the version that wrote it"
        ) from error


def pair_up(before: Path, after: Path, manifest: Manifest) -> list[tuple[str, Pair]]:
    """Pairs every picture's output with its input, by the order in which a run reads a folder; no videos.

    Returns:
        The names of the inputs, relative to `before`, each with its pair.

    Raises:
        InputError: the folders do not belong together.
    """
    if real(before) == real(after):
        raise InputError(f"{_name(before)} is named twice; name the folder of the inputs, then the outputs'")
    inputs = [
        (item.name, item.content)
        for item in PathSource([before], leave_out=[after])
        if not isinstance(item.content, Skipped)
    ]
    if len(inputs) != manifest.counts.inputs:
        raise InputError(
            f"{_name(before)} contains {len(inputs)} inputs, the manifest in {_name(after)} lists "
            f"{manifest.counts.inputs}: name the folder that was anonymized, as it was then"
        )
    pairs = []
    for record in manifest.items:
        name, content = inputs[record.input - 1]
        if not isinstance(record, RedactedRecord) or record.video:
            continue
        if not isinstance(content, Rejected | Skipped):
            found = detections_of(face for face in record.faces if face.frame == 0)
            output = FileContent(after / record.output)
            pairs.append((name, Pair(record.input, content, output, found, record.kept or 0)))
    return pairs


def work_for(
    manifest: Manifest, attacker: str | None, *, is_labelled: bool, show_faces: bool
) -> ComparePairs:
    """The comparison of pairs, with models that the run did not use, where others are installed.

    Raises:
        ConfigError: the embedder is unknown.
    """
    used = [name for name in manifest.configuration.get("detector", "").split(",") if name in CARDS]
    own = tuple(used) or ("retinaface",)
    others = [name for name in ("centerface", "yunet", "retinaface-mnet025", "retinaface") if name not in own]
    other = next((name for name in others if state(CARDS[name]) == "here"), "haar")
    threshold = manifest.configuration.get("threshold")
    linker = "sface"
    if attacker is None:
        is_free = state(EMBEDDERS["dlib"]) == "here" and not is_labelled
        attacker = "dlib" if is_free else "sface"
    return ComparePairs(
        own,
        float(threshold) if threshold else None,
        other,
        linker,
        attacker,
        float(manifest.configuration.get("margin", 0.15)),
        float(manifest.configuration.get("text_margin", 0.2)),
        float(manifest.configuration.get("max_megapixels", 200)) * 1e6,
        Exempt.of(manifest.configuration),
        # Finds what a faster run missed, and no less than a more thorough one found.
        "crowd" if manifest.configuration.get("detail") == "crowd" else "standard",
        show_faces,
    )


def labels_of(path: Path) -> dict[str, str]:
    """People by the name of the file, from a CSV with the columns `file` and `person`.

    Raises:
        InputError: it cannot be read, or has other columns.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not {"file", "person"} <= set(rows.fieldnames or ()):
                raise InputError(f"{_name(path)} needs the columns file and person in its first line")
            return {Path(row["file"]).as_posix(): row["person"] for row in rows if row["person"]}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{_name(path)} cannot be read as CSV: {error}") from error


def compare_pairs(
    pairs: Iterable[tuple[str, Pair]], work: ComparePairs, engine: Engine
) -> tuple[list[tuple[str, Comparison]], dict[int, str]]:
    """Compares every pair.

    Returns:
        The results with the names of their inputs, and reasons why other pairs could not be compared.

    Raises:
        InputError: no pair could be compared, or one shows two different pictures.
    """
    seen: list[tuple[str, Comparison]] = []
    unread: dict[int, str] = {}
    differing: list[int] = []
    for (name, number), outcome in engine.map(work, (((name, pair.number), pair) for name, pair in pairs)):
        if isinstance(outcome, Rejected):
            unread[number] = outcome.detail
            differing += [number] if outcome.reason == "differs" else []
        else:
            seen.append((name, outcome))
    if len(differing) > len(seen):
        first = min(differing)
        raise InputError(f"input {first} and its output: {unread[first]}; the folders do not belong together")
    if unread and not seen:
        first = min(unread)
        raise InputError(f"no picture could be compared; input {first} and its output: {unread[first]}")
    strange = [one.number for _, one in seen if one.psnr < _DIFFERENT]
    if len(strange) > len(seen) / 2:
        raise InputError(
            f"input {strange[0]} and its output show different pictures; name folders of one run"
        )
    return seen, unread


_DIFFERENT = 15.0
"""PSNR in dB below which two pictures show different things."""


def audit(
    seen: Sequence[tuple[str, Comparison]],
    unread: Mapping[int, str],
    manifest: Manifest,
    work: ComparePairs,
    labels: Mapping[str, str] | None,
    embed_crops: EmbedCrops,
) -> Audit:
    """Combines the results of all pairs, and attacks the covers.

    Args:
        seen: results from `compare_pairs`.
        unread: reasons from `compare_pairs`.
        manifest: of the run.
        work: the settings of the comparison.
        labels: people by the name of the input; None links faces by their vectors.
        embed_crops: the attacker's recognizer.

    Raises:
        ConfigError: scikit-learn is missing.
    """
    results = [one for _, one in seen]
    left = [(one.number, face) for one in results for face in one.left]
    sides, found, moved, usable = (
        np.concatenate([getattr(one, name) for one in results] or [np.zeros(0)])
        for name in ("side_px", "found", "moved", "usable")
    )
    person = _labelled(seen, labels) if labels is not None else _linked(seen)
    faces, chosen = _attacked(results, person, usable.astype(bool))
    measured = faces is not None and len(np.unique(faces.person)) >= LEAST_PEOPLE
    unknown = chosen[~faces.is_known] if faces is not None and measured else np.zeros(0, np.int64)
    method = manifest.configuration.get("method", "fill")
    outputs = [item for item in manifest.items if isinstance(item, RedactedRecord)]
    return Audit(
        pictures=len(seen),
        faces=len(sides),
        left=tuple(visible for visible in left if not visible[1].may_stay),
        unsure=tuple(visible for visible in left if visible[1].may_stay),
        inside=sum(one.inside for one in results),
        unread=unread,
        changed=tuple(one.number for one in results if one.psnr < _PSNR_LOW),
        people=len(np.unique(faces.person)) if faces is not None else 0,
        named=len(unknown),
        attacks=tuple(attacks(faces, embed_crops)) if faces is not None and measured else (),
        floor=tuple(fill_attacks(faces)) if faces is not None and measured else (),
        sides_px=sides[unknown].astype(np.float32),
        found=float(found.mean()) if len(found) else float("nan"),
        moved=float(np.nanmedian(moved)) if np.isfinite(moved).any() else float("nan"),
        psnr=float(np.median([one.psnr for one in results])) if results else float("nan"),
        method=method,
        k=int(manifest.configuration["k"]) if method == "ksame" and "k" in manifest.configuration else None,
        work=work,
        is_labelled=labels is not None,
        multiframe=sum(item.frames > 1 and item.video is None for item in outputs),
        videos=sum(item.video is not None for item in outputs),
        left_out=max(0, len(sides) - _MOST_FACES),
    )


def _labelled(seen: Sequence[tuple[str, Comparison]], labels: Mapping[str, str]) -> npt.NDArray[np.int64]:
    """`(N,)` numbers of people, -1 without a name; a label counts for the largest face of a file."""
    numbers: dict[str, int] = {}
    person = []
    for name, one in seen:
        label = labels.get(name) or labels.get(Path(name).name)
        own = np.full(len(one.side_px), -1, np.int64)
        if label and len(own):
            own[int(one.side_px.argmax())] = numbers.setdefault(label, len(numbers))
        person.append(own)
    if not numbers:
        raise InputError("none of the pictures is listed in the CSV; it needs their names relative to BEFORE")
    return np.concatenate(person)


def _linked(seen: Sequence[tuple[str, Comparison]]) -> npt.NDArray[np.int64]:
    """`(N,)` numbers of people by average linkage; -1 for faces that cannot be judged, or are too many."""
    _need_sklearn()
    from sklearn.cluster import AgglomerativeClustering

    vectors = np.concatenate([one.linking for _, one in seen] or [np.zeros((0, 1), np.float32)])
    usable = np.concatenate([one.usable for _, one in seen] or [np.zeros(0, bool)])
    person = np.full(len(vectors), -1, np.int64)
    chosen = np.flatnonzero(usable)[:_MOST_FACES]
    if len(chosen) > 1:
        least = embedder_card("sface").keep_cosine or 0.42
        linkage = AgglomerativeClustering(
            None, metric="cosine", linkage="average", distance_threshold=1 - least
        )
        person[chosen] = linkage.fit_predict(vectors[chosen])
    return person


def _need_sklearn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ConfigError("the audit needs scikit-learn: install the extra `unionveil[audit]`") from error


def _attacked(
    results: Sequence[Comparison], person: npt.NDArray[np.int64], usable: BoolArray
) -> tuple[Faces | None, npt.NDArray[np.int64]]:
    """The faces of people with enough photos, one face per photo and person; None without any."""
    photo = np.concatenate([np.full(len(one.side_px), n) for n, one in enumerate(results)] or [np.zeros(0)])
    chosen: list[int] = []
    known: list[bool] = []
    for number in np.unique(person[person >= 0]):
        theirs = np.flatnonzero((person == number) & usable)
        theirs = theirs[np.unique(photo[theirs], return_index=True)[1]][:_MOST_PHOTOS]
        if len(theirs) >= LEAST_PHOTOS:
            chosen += theirs.tolist()
            known += (np.arange(len(theirs)) < round(_KNOWN_SHARE * len(theirs))).tolist()
    index = np.asarray(chosen, np.int64)
    if not len(index):
        return None, index
    crops = np.concatenate([one.crops for one in results])[index]
    vectors = np.concatenate([one.vectors for one in results])[index]
    before, after, filled = (
        State(crops[:, n, 0], crops[:, n, 1], vectors[:, n, 0], vectors[:, n, 1]) for n in range(3)
    )
    return Faces(person[index], np.asarray(known), before, after, filled), index


def to_data(result: Audit) -> dict[str, Any]:
    """The figures, for `report.json`."""

    def attack(one: Attack) -> dict[str, Any]:
        bands = {
            f"{low:g}-{high:g}": {"rank_1": share, "faces": count}
            for (low, high), (share, count) in zip(BANDS_PX, result.by_band(one), strict=True)
        }
        return {
            "attacker": one.name,
            "view": one.view,
            "trained": one.is_trained,
            "rank_1": one.rank_1,
            "standard_error": one.standard_error,
            "by_side_px": bands,
        }

    def visible(number: int, left: VisibleFace) -> dict[str, Any]:
        return {"input": number, "xyxy": left.xyxy, "seen_by": left.seen_by, "score": left.score}

    worst = result.worst
    return {
        "pictures": result.pictures,
        "faces": result.faces,
        "method": result.method,
        "residual": {
            "outside": [visible(n, left) for n, left in result.left],
            "perhaps_on_purpose": [visible(n, left) for n, left in result.unsure],
            "inside": result.inside,
            "detectors": [*result.work.own, result.work.other],
        },
        "videos_not_audited": result.videos,
        "not_compared": {str(number): why for number, why in result.unread.items()},
        "changed_outside_covers": list(result.changed),
        "people": result.people,
        "named_faces": result.named,
        "chance": 1 / result.people if result.people else None,
        "attacker_embedder": result.work.attacker.partition(":")[0],
        "attacks": [attack(one) for one in result.attacks],
        "fill_floor": [attack(one) for one in result.floor],
        "worst": attack(worst) if worst else None,
        "limit": result.limit if worst else None,
        "utility": {
            "found_again": result.found,
            "landmark_error": result.moved,
            "psnr_outside_covers": result.psnr,
        },
        "passes": result.passes,
    }


def _name(path: Path) -> str:
    return printable(str(path), quoted=False, most=None)
