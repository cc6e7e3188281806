"""Turns photos of known people into vectors, before anything else is done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import AnonymizeConfig, EveryFace
from ..content import Content, FileContent
from ..detections import BoolArray, Detections, FloatArray, RgbImage
from ..engines.base import Engine
from ..engines.serial import SerialEngine
from ..errors import ConfigError, ImageError, InputError, cannot_be_read
from ..files.litter import Skipped
from ..files.paths import is_folder, is_there
from ..files.sources import PathSource
from ..identity.references import References, strangest
from ..models.cards import EmbedderCard, ModelCard, embedder_card
from ..models.store import find
from ..outcomes import Rejected
from ..text import printable

if TYPE_CHECKING:
    from ..identity.embeddings import Embedder

__all__ = ["EmbedPhoto", "Photo", "Vector", "load_references", "people_in", "without_parts"]

_PART = 0.4
"""A face of which a better one covers this share is part of it. Of halves of close-ups it is .5 to .6."""


@dataclass(frozen=True)
class Photo:
    """A photo of one person, as a task."""

    content: Content
    held_bytes: int = 0
    needed_bytes: int = 0


@dataclass(frozen=True, eq=False)
class Vector:
    """The face in a photo.

    Attributes:
        vector: `(D,)` float32 of length 1.
        sha256: of the photo's bytes.
    """

    vector: FloatArray
    sha256: str


@dataclass(frozen=True)
class EmbedPhoto:
    """The work: turns a photo with one face into its vector, or a reason why it has none.

    Attributes:
        config: detectors and embedder.
    """

    config: AnonymizeConfig

    @property
    def card(self) -> EmbedderCard:
        """The embedder's card."""
        return embedder_card(self.config.embedder)

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """As `Work.cards`."""
        return (*(card for card in self.config.cards if card.task == "face"), self.card)

    def check(self) -> None:
        """As `Work.check`."""
        for card in self.cards:
            if card.kind not in ("yolo", "onnx"):
                find(card)

    def start(self, threads: int) -> Callable[[Photo], Vector | Rejected]:
        """As `Work.start`."""
        from ..detect import FaceFinder
        from ..identity.embedders import load_embedder

        most = self.config.max_megapixels * 1e6
        return _PhotoReader(FaceFinder(self.config, threads), load_embedder(self.card, threads), most)


class _PhotoReader:
    """The work with its models loaded."""

    def __init__(
        self, find_faces: Callable[[RgbImage], Detections], embed: Embedder, max_pixels: float
    ) -> None:
        self._find = find_faces
        self._embed = embed
        self._max_pixels = max_pixels

    def __call__(self, photo: Photo) -> Vector | Rejected:
        from ..images import decode, rgb_views

        try:
            data = photo.content.read()
            picture = decode(data, self._max_pixels)
        except OSError as error:
            return Rejected("unreadable", cannot_be_read(error, "it"))
        except ImageError as error:
            return Rejected(error.reason, str(error))
        if len(picture.frames) > 1:
            return Rejected("frames", "it contains several pictures; use a photo")
        frame = picture.frames[0]
        view = next(iter(rgb_views(frame, frame.rendering or picture.rendering)))
        vector = self._vector(view)
        if isinstance(vector, Rejected):
            return vector
        return Vector(vector, hashlib.sha256(data).hexdigest())

    def _vector(self, view: RgbImage) -> FloatArray | Rejected:
        faces = without_parts(self._find(view))
        if len(faces) != 1:
            found = f"{len(faces)} faces were" if len(faces) else "no face was"
            return Rejected("faces", f"{found} found in it; crop it to one face, or use another")
        embedded = self._embed(view, faces)
        if not embedded.usable[0]:
            least = f"{self._embed.card.least_face_px:g} px"
            why = f"it is smaller than {least}, or the detector finds no landmarks"
            return Rejected("unusable", f"its face cannot be judged: {why}")
        vector: FloatArray = embedded.vectors[0]
        return vector


def without_parts(faces: Detections) -> Detections:
    """Faces without those that a better one covers in large part: of a close-up, half may be found as well.

    Args:
        faces: best first.
    """
    import numpy as np

    from ..boxes import covered

    inside = covered(faces.xyxy, faces.xyxy, _PART)
    is_part: BoolArray = np.any(np.tril(inside, -1), axis=1)
    return faces[~is_part]


def people_in(paths: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """The photos of each person: all files together show one person, and each folder shows one.

    A folder that contains only folders stands for the people in them.

    Args:
        paths: photos of one person, or folders.

    Yields:
        The photos of one person, in order of their names.

    Raises:
        InputError: a path does not exist, a folder is empty, or one contains both photos and folders.
    """
    files = [path for path in paths if not is_folder(path)]
    for path in files:
        if not is_there(path):
            raise InputError(f"{_name(path)} does not exist; name photos of one person, or a folder for each")
    if files:
        yield tuple(files)
    for folder in (path for path in paths if is_folder(path)):
        yield from _people_of(folder)


def _people_of(folder: Path) -> Iterator[tuple[Path, ...]]:
    photos = []
    for item in PathSource([folder]):  # it skips files that systems leave beside photos
        if isinstance(item.content, FileContent):
            photos.append(item.content.path)
        elif not isinstance(item.content, Skipped):
            raise InputError(f"{_name(folder)} contains {_name(Path(item.name))}, which is not a photo")
    direct = sorted(path for path in photos if path.parent == folder)
    below = sorted(set(photos) - set(direct))
    if direct and below:
        raise InputError(f"{_name(folder)} contains photos and folders; give each person a folder of photos")
    if direct:
        yield tuple(direct)
        return
    if not below:
        raise InputError(f"{_name(folder)} contains no photo")
    for person in sorted({path.relative_to(folder).parts[0] for path in below}):
        yield from _people_of(folder / person)


def load_references(
    paths: Sequence[Path | str], config: AnonymizeConfig, engine: Engine | None = None
) -> References:
    """Reads photos of known people.

    Args:
        paths: photos, all of one person, and folders, each of one person. A folder that contains only folders
            stands for the people in them.
        config: detectors, embedder, and who is kept or covered.
        engine: does the work; by default in this process.

    Returns:
        The people, as vectors.

    Raises:
        InputError: a photo is missing or cannot be read, shows no face, several faces or somebody else.
        ConfigError: the settings cover every face.
        ModelError: weights are missing, altered or cannot be loaded.
    """
    people = list(people_in([Path(path) for path in paths]))
    if not people:
        raise InputError("name at least one photo of a known person, or a folder of photos")
    work = EmbedPhoto(config)
    least = _least(config, work.card)
    tasks = (
        ((number, path), Photo(FileContent(path))) for number, photos in enumerate(people) for path in photos
    )
    found: list[list[tuple[Path, Vector]]] = [[] for _ in people]
    for (number, path), outcome in (engine or SerialEngine()).map(work, tasks):
        if isinstance(outcome, Rejected):
            raise InputError(f"{_name(path)} cannot be used as a photo of a known person: {outcome.detail}")
        found[number].append((path, outcome))
    for photos in found:
        _check_same(photos, least)
    digests = sorted(sorted(vector.sha256 for _, vector in photos) for photos in found)
    digest = hashlib.sha256(repr((work.card.sha256, digests)).encode()).hexdigest()
    return References.of(
        [[vector.vector for _, vector in photos] for photos in found], work.card.sha256, digest
    )


def _least(config: AnonymizeConfig, card: EmbedderCard) -> float:
    """Similarity below which two photos show different people: the more lenient of two measured values."""
    if isinstance(config.selection, EveryFace):
        raise ConfigError("every face is covered; choose select keep or only to name known people")
    least = config.selection.least_cosine(card)
    return min(least, least if card.only_cosine is None else card.only_cosine)


def _check_same(photos: Sequence[tuple[Path, Vector]], least: float) -> None:
    """Refuses photos of several people that are given as photos of one.

    Raises:
        InputError: one does not fit the others.
    """
    if len(photos) < 2:
        return
    import numpy as np

    index, closest = strangest(np.stack([vector.vector for _, vector in photos]))
    if closest < least:
        raise InputError(
            f"{_name(photos[index][0])} does not seem to show the same person as the other photos "
            f"(similarity {closest:.2f}, at least {least:.2f} is needed); leave it out, or put the photos of "
            "each person into a folder"
        )


def _name(path: Path) -> str:
    return printable(str(path), quoted=False, most=None)
