"""People to anonymize, and attackers who try to identify them behind a k-same face."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from checked import read_bgr
from unionveil import AnonymizeConfig, Detections
from unionveil.boxes import iou
from unionveil.config import KSame
from unionveil.detect import FaceFinder
from unionveil.identity.align import ARCFACE_112
from unionveil.identity.embedders import OnnxEmbedder, load_embedder
from unionveil.identity.embeddings import Embedder
from unionveil.images import Colour, Frame
from unionveil.models.cards import EmbedderCard
from unionveil.redact import redacted
from unionveil.redact.surrogate import surrogate_redactor
from unionveil.runs.ksame import codes_of_groups, face_rows
from unionveil.runs.plan import Plan, Surveyed, Table, row_type
from unionveil.surrogate import template
from unionveil.surrogate.generators import generator_file
from unionveil.surrogate.linear import load_linear


@dataclass(frozen=True)
class Portrait:
    """One photo of a person, with the face in its middle."""

    person: str
    image: npt.NDArray[Any]
    face: Detections


def portraits(folder: Path, people: Sequence[str], most: int) -> list[Portrait]:
    """Photos of LFW, at most `most` per person; `folder` holds a folder for each."""
    find = FaceFinder(AnonymizeConfig(), 1)
    result = []
    for person in people:
        for path in sorted((folder / person).glob("*.jpg"))[:most]:
            image = np.ascontiguousarray(read_bgr(path)[..., ::-1])
            faces = find(image)
            if len(faces):
                centres = (faces.xyxy[:, :2] + faces.xyxy[:, 2:]) / 2
                middle = np.hypot(*(centres - np.asarray(image.shape[1::-1]) / 2).T).argmin()
                result.append(Portrait(person, image, faces[middle : middle + 1]))
    return result


def fitted_people(shared: Path) -> set[str]:
    """People on whom the generator was fitted."""
    lines = (shared / "people" / "labels.jsonl").read_text().splitlines()
    return {entry["people"] for entry in map(json.loads, lines) if entry["people"]}


class World:
    """A data set of portraits, inspected once, and its k-same results; to be used inside of a `with`.

    Args:
        photos: the photos of the release.
        embed: groups people; by default SFace, as in a run.
    """

    def __init__(self, photos: Sequence[Portrait], embed: Embedder | None = None) -> None:
        self.photos = photos
        self.person = np.unique([photo.person for photo in photos], return_inverse=True)[1]
        self._generator = load_linear(generator_file(KSame()))
        self._embed = embed or load_embedder("sface", 1)
        self.table = Table(row_type(self._embed.card.dimensions, self._generator.dimensions))

    def __enter__(self) -> World:
        self.table.__enter__()
        for photo in self.photos:
            rows = face_rows(photo.image, photo.face, self._embed, self._generator)
            self.table.add(Surveyed(b"", 1, 0, rows))
        return self

    def __exit__(self, *error: Any) -> None:
        self.table.__exit__(*error)

    def plan(self, redaction: KSame) -> Plan:
        """The assignment of faces to people."""
        codes = partial(codes_of_groups, redaction, self._generator.dimensions)
        return self.table.plan(redaction.k, codes)

    def redacted(self, redaction: KSame, plan: Plan) -> list[npt.NDArray[Any]]:
        """All photos with their faces replaced."""
        config = AnonymizeConfig(redaction=redaction)
        codes = {group: code.astype(np.float32) for group, code in enumerate(plan.codes)}
        redact = surrogate_redactor(config, self._generator, codes)
        result = []
        for photo, group in zip(self.photos, plan.group, strict=True):
            frame = Frame(photo.image, Colour.RGB)
            faces = replace(photo.face, identity=np.asarray([group], np.int32))
            result.append(redacted(frame, redact(frame, faces)).pixels)
        return result

    def true_people(self, plan: Plan) -> npt.NDArray[Any]:
        """Number of people in each group, by their names."""
        members: defaultdict[int, set[int]] = defaultdict(set)
        for group, person in zip(plan.group.tolist(), self.person.tolist(), strict=True):
            if group >= 0:
                members[group].add(person)
        return np.asarray([len(each) for each in members.values()])


Embed = Callable[[npt.NDArray[Any], Detections], npt.NDArray[Any]]


def template_of(points: npt.NDArray[Any]) -> Any:
    """Landmarks in the form of a card."""
    return tuple((float(x), float(y)) for x, y in points)


def mobilefacenet(shared: Path) -> OnnxEmbedder:
    """A published network with its own crop."""
    path = shared / "models" / "mobilefacenet_128d.onnx"
    card = EmbedderCard(
        name="mobilefacenet",
        task="embedding",
        kind="onnx",
        file=str(path),
        sha256="",
        licence="none stated",
        source="shared models",
        dimensions=128,
        size_px=112,
        template=template_of(ARCFACE_112),
        channels="rgb",
        mean=(127.5, 127.5, 127.5),
        scale=1 / 127.5,
        least_face_px=0,
    )
    return OnnxEmbedder(card, path, 1)


def vectors(
    embed: Embedder, images: Sequence[npt.NDArray[Any]], photos: Sequence[Portrait]
) -> npt.NDArray[Any]:
    """`(N, D)` unit vectors of pictures whose landmarks the attacker knows."""
    return np.concatenate(
        [embed(image, photo.face).vectors for image, photo in zip(images, photos, strict=True)]
    )


def rank_1(
    known: npt.NDArray[Any], known_person: npt.NDArray[Any], asked: npt.NDArray[Any], person: npt.NDArray[Any]
) -> tuple[float, float]:
    """Share of photos whose person is identified correctly by the nearest known one, and its standard error.

    Every person counts equally, however often photographed; the error is that of the mean over people.
    """
    centre = known.mean(axis=0)
    known, asked = (unit(each - centre) for each in (known, asked))
    right = known_person[(asked @ known.T).argmax(axis=1)] == person
    return by_person(right, person)


def by_person(right: npt.NDArray[Any], person: npt.NDArray[Any]) -> tuple[float, float]:
    """Mean over people of the correct share, and its standard error."""
    photos = np.bincount(person)
    shares = np.bincount(person, right)[photos > 0] / photos[photos > 0]
    return float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(len(shares)))


def unit(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows of length 1."""
    length = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    scaled: npt.NDArray[Any] = rows / length
    return scaled


def regions(images: Sequence[npt.NDArray[Any]], photos: Sequence[Portrait]) -> list[npt.NDArray[Any]]:
    """The pictures with everything but the replaced oval in one grey."""
    result = []
    for image, photo in zip(images, photos, strict=True):
        inside = oval(image.shape[1::-1], photo.face)
        result.append(np.where(inside[..., None], image, np.uint8(128)))
    return result


def oval(size_wh: tuple[int, int], face: Detections) -> npt.NDArray[Any]:
    """`(H, W)`: pixels that a surrogate replaces completely."""
    matrix = template.to_frame(face.landmarks)[0]
    laid = template.lay(np.zeros((144, 112, 3), np.uint8), np.eye(2, 3), matrix, size_wh)
    inside = np.zeros(size_wh[::-1], bool)
    if laid:
        inside[laid.rows, laid.columns] = laid.alpha[..., 0] >= 1
    return inside


def small_chips(images: Sequence[npt.NDArray[Any]], photos: Sequence[Portrait]) -> npt.NDArray[Any]:
    """`(N, 36 * 28 * 3)` faces in the landmark frame, small."""
    rows = []
    for image, photo in zip(images, photos, strict=True):
        chip = template.chips(image, template.to_frame(photo.face.landmarks))[0]
        rows.append(cv2.resize(chip, (28, 36), interpolation=cv2.INTER_AREA).reshape(-1) / 255)
    return np.asarray(rows, np.float32)


def trained_attacker(features: npt.NDArray[Any], person: npt.NDArray[Any]) -> tuple[float, float]:
    """Rank 1 of linear discriminant analysis with equal priors (Fisher 1936) on anonymized photos.

    It learns from all but the last photo of each person, and is tested on the last.
    """
    last = np.zeros(len(person), bool)
    last[[np.flatnonzero(person == each)[-1] for each in np.unique(person)]] = True
    learned, who = features[~last], person[~last]
    centre = learned.mean(axis=0)
    _, sizes, directions = np.linalg.svd(learned - centre, full_matrices=False)
    count = min(200, int((sizes > sizes[0] * 1e-4).sum()))
    scores = (features - centre) @ (directions[:count] / sizes[:count, None]).T
    means = np.stack([scores[~last][who == each].mean(axis=0) for each in np.unique(who)])
    inside = scores[~last] - means[np.unique(who, return_inverse=True)[1]]
    values, axes = np.linalg.eigh(inside.T @ inside / len(inside))
    whiten = axes / np.sqrt(values + 0.1 * values.mean() + 1e-12)
    asked, known = scores[last] @ whiten, means @ whiten
    distance = ((asked[:, None] - known[None]) ** 2).sum(axis=2)
    right = np.unique(who)[distance.argmin(axis=1)] == person[last]
    return by_person(right, person[last])


def found_share(
    find: Callable[[npt.NDArray[Any]], Detections],
    images: Sequence[npt.NDArray[Any]],
    photos: Sequence[Portrait],
) -> tuple[float, float]:
    """Share of faces that a detector finds, and the median movement of their landmarks in eye distances."""
    moved = []
    for image, photo in zip(images, photos, strict=True):
        faces = find(image)
        overlap = iou(photo.face.xyxy, faces.xyxy)[0]
        if len(faces) and overlap.max() >= 0.4:
            there = faces.landmarks[overlap.argmax()]
            eyes = np.linalg.norm(photo.face.landmarks[0, 0] - photo.face.landmarks[0, 1])
            moved.append(np.linalg.norm(there - photo.face.landmarks[0], axis=1).mean() / eyes)
    return len(moved) / len(photos), float(np.median(moved))
