"""How well people are recognized: pairs of photos, and the effect of `--keep` and `--only` by face size.

Needs Labeled Faces in the Wild, deep-funnelled, a folder per person:
`UNIONVEIL_LFW=FOLDER make bench`. Only the people
listed in `lfw_permitted.txt` are used.
"""

import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark_tools import report
from checked import read_rgb
from paths import shared_folder
from unionveil import AnonymizeConfig
from unionveil.boxes import shorter_sides
from unionveil.detect import FaceFinder
from unionveil.identity.embedders import load_embedder
from unionveil.identity.references import References
from unionveil.models.cards import EMBEDDERS
from unionveil.models.store import state

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

MOST_PHOTOS = 6
"""Largest number of photos per person, so that often photographed ones do not dominate."""


class Faces:
    """Vectors of the person in the middle of each portrait, their faces scaled to a width in pixels."""

    def __init__(self, portraits, embed, find, side_px=None):
        rows = [_vector(image, embed, find, side_px) for _, _, image in portraits]
        self.vectors = np.stack([row for row, _ in rows])
        self.cpu_seconds = sum(seconds for _, seconds in rows)
        self.person = np.asarray([person for person, _, _ in portraits])
        self.photo = np.asarray([photo for _, photo, _ in portraits])


def _vector(image, embed, find, side_px):
    faces = find(image)
    for _ in range(2 if side_px else 0):
        if not len(faces):
            break
        scale = side_px / shorter_sides(_middle(faces, image).xyxy)[0]
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        faces = find(image)
    started = time.process_time()
    row = embed(image, _middle(faces, image)).vectors[0] if len(faces) else np.zeros(embed.card.dimensions)
    return np.float32(row), time.process_time() - started


def _middle(faces, image):
    """The face in the middle: the subject of the portrait."""
    centre = faces.xyxy.reshape(-1, 2, 2).mean(axis=1)
    nearest = int(np.hypot(*(centre - np.asarray(image.shape[1::-1]) / 2).T).argmin())
    return faces[nearest : nearest + 1]


@pytest.fixture(scope="module")
def portraits():
    """`[(person, photo, image)]`, including people with a single photo, who serve as strangers."""
    shared, folder = shared_folder(), os.environ.get("UNIONVEIL_LFW")
    if shared is None or not folder:
        pytest.skip("no labelled portraits here: set UNIONVEIL_LFW and UNIONVEIL_SHARED to their folders")
    permitted = (shared / "people" / "lfw_permitted.txt").read_text().split()
    found = []
    for number, name in enumerate(permitted):
        for photo, path in enumerate(sorted((Path(folder) / name).glob("*.jpg"))[:MOST_PHOTOS]):
            image = read_rgb(path)
            found.append((number, photo, image))
    return found


@pytest.fixture(scope="module", params=["sface", "dlib"])
def embed(request):
    if state(EMBEDDERS[request.param]) == "missing":
        pytest.skip(f"the extra `{EMBEDDERS[request.param].extra}` is not installed")
    card = EMBEDDERS[request.param].model_copy(update={"least_face_px": 0})
    return load_embedder(card, 1)


@pytest.fixture(scope="module")
def find():
    return FaceFinder(AnonymizeConfig(), 1)


def same(faces, cosine):
    """Similarities of pairs of the same person and of different people, each pair of photos once."""
    equal = faces.person[:, None] == faces.person[None]
    upper = np.triu(np.ones_like(equal), 1)
    return cosine[equal & upper], cosine[~equal & upper]


def test_pairs_and_known_people(portraits, embed, find):
    card = embed.card
    native = Faces(portraits, embed, find)
    genuine, strangers = same(native, native.vectors @ native.vectors.T)
    at = {far: np.quantile(strangers, 1 - far) for far in (1e-3, 1e-4)}
    accuracy = max((np.mean(genuine >= t) + np.mean(strangers < t)) / 2 for t in np.linspace(-0.2, 1, 601))
    share = {far: float(np.mean(genuine >= threshold)) for far, threshold in at.items()}
    per_face = native.cpu_seconds / len(native.person)
    report(
        f"{card.name}: {len(genuine)} pairs of the same person, {len(strangers)} of others",
        accuracy=f"{accuracy:.4f}",
        **{f"TAR at FAR {far:g}": f"{value:.4f} (cosine {at[far]:.3f})" for far, value in share.items()},
        cpu=f"{per_face * 1e3:.1f} ms per face",
    )
    for side in (None, 48, 32, 20):
        some = portraits if side is None else [item for item in portraits if item[0] % 3 == 0]
        faces = native if side is None else Faces(some, embed, find, side)
        for photos in (1, 3):
            known_people(native, faces, card, photos, side)
    if card.name == "sface":
        assert accuracy >= 0.995 and share[1e-3] >= 0.99
        assert per_face <= 0.025


def known_people(native, faces, card, photos, side):
    """The effect of `--keep` and `--only` on people's other photos, and on strangers."""
    chosen = [n for n in np.unique(faces.person) if np.sum(native.person == n) > photos]
    references = References.of(
        [list(native.vectors[(native.person == n) & (native.photo < photos)]) for n in chosen], card.sha256
    )
    cosine = references.similarity(faces.vectors)
    is_person = faces.person[:, None] == np.asarray(chosen)[None]
    theirs, strangers = cosine[is_person & (faces.photo >= photos)[:, None]], cosine[~is_person]
    kept = float(np.mean(strangers >= card.keep_cosine))
    only = card.only_cosine or card.keep_cosine
    report(
        f"{card.name}, faces of {f'{side} px' if side else 'native size'}, {photos} photos of each person",
        keep=f"{np.mean(theirs >= card.keep_cosine):.1%} of {len(theirs)}",
        strangers_kept=f"{kept:.1e}",
        only=f"{np.mean(theirs >= only):.1%} from a cosine of {only}",
        others_covered=f"{np.mean(strangers >= only):.1%}",
    )
    assert kept <= 2e-4 or (side and side < card.least_face_px)
