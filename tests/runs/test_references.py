"""Photos of known people become vectors; invalid ones are refused before anything is written."""

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

import samples
from checked import read_bgr
from unionveil import AnonymizeConfig, ConfigError, Detections, InputError, load_references
from unionveil.images.orientation import upright
from unionveil.models.cards import EMBEDDERS
from unionveil.models.store import state
from unionveil.runs.references import Vector, people_in, without_parts

KEEP = AnonymizeConfig.from_parameters({"select": "keep"})


class Vectors:
    """An engine that gives each photo a fixed vector."""

    def __init__(self, **angles):
        self._angles = angles

    def map(self, work, tasks):
        for key, task in tasks:
            angle = self._angles[task.content.path.stem]
            vector = np.asarray([np.cos(angle), np.sin(angle)], np.float32)
            yield key, Vector(vector, str(task.content.path))


@pytest.fixture
def folder(tmp_path):
    """Portraits of two people in separate folders, with files that systems leave beside them."""
    for person, face in (("ann", 0), ("bea", 4)):
        (tmp_path / "people" / person).mkdir(parents=True)
        crop(tmp_path / "people" / person / "a.png", face)
    (tmp_path / "people" / "ann" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "people" / "ann" / "notes.txt").write_text("x")
    return tmp_path / "people"


def crop(path, face):
    """One of the bundled faces, enlarged."""
    image = read_bgr(samples.SCENES / "faces.png")[:, 128 * face : 128 * face + 128]
    large = cv2.resize(image, None, fx=2, fy=2)
    cv2.imwrite(str(path), cv2.copyMakeBorder(large, 80, 80, 80, 80, cv2.BORDER_REPLICATE))


@pytest.fixture
def sface():
    if state(EMBEDDERS["sface"]) == "missing":
        pytest.skip("the extra `identity` is not installed")


def test_files_show_one_person_and_each_folder_shows_one(folder):
    ann, bea = folder / "ann" / "a.png", folder / "bea" / "a.png"
    assert list(people_in([ann, bea])) == [(ann, bea)]
    assert list(people_in([ann, folder / "bea"])) == [(ann,), (bea,)]
    assert list(people_in([folder])) == [(ann,), (bea,)]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none.jpg", "does not exist"),
        (lambda folder: (folder / "empty").mkdir() or folder / "empty", "contains no photo"),
        (lambda folder: shutil.copy(folder / "ann" / "a.png", folder) and folder, "photos and folders"),
    ],
)
def test_folders_that_do_not_say_who_is_who_are_refused(folder, make, words):
    with pytest.raises(InputError, match=words):
        list(people_in([make(folder)]))


def test_people_are_read_and_distinguished(folder, sface):
    known = load_references([folder], KEEP)
    assert known.people == 2 and known.vectors.shape == (2, 128)
    assert float(known.vectors[0] @ known.vectors[1]) < 0.8
    assert known.embedder == EMBEDDERS["sface"].sha256


def test_half_of_a_close_up_is_part_of_it_and_a_neighbour_is_not():
    face, half, beside = [106, 112, 309, 391], [198, 139, 383, 349], [290, 100, 490, 380]
    faces = Detections.of([face, half, beside], [0.99, 0.6, 0.9])
    best_first = faces[np.argsort(-faces.score)]
    assert without_parts(best_first).xyxy.tolist() == [face, beside]
    assert len(without_parts(Detections.empty())) == 0


def test_the_digest_is_that_of_the_photos_in_any_order(folder):
    digests = {
        load_references(paths, KEEP, Vectors(a=0)).digest
        for paths in ([folder / "ann", folder / "bea"], [folder / "bea", folder / "ann"], [folder])
    }
    assert len(digests) == 1
    assert load_references([folder / "ann"], KEEP, Vectors(a=0)).digest not in digests


@pytest.mark.parametrize("orientation", [5])
def test_a_photo_that_is_turned_or_mirrored_by_exif_is_read_upright(tmp_path, sface, orientation):
    crop(tmp_path / "plain.png", 0)
    image = np.asarray(Image.open(tmp_path / "plain.png").convert("RGB"))
    stored = upright(image, {6: 8, 8: 6}.get(orientation, orientation))
    data = samples.save(Image.fromarray(stored), "JPEG", quality=95, exif=samples.exif(orientation))
    (tmp_path / "turned.jpg").write_bytes(data)
    plain, turned = (load_references([tmp_path / name], KEEP) for name in ("plain.png", "turned.jpg"))
    assert float(plain.vectors[0] @ turned.vectors[0]) > 0.95


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("street.jpg", "no face was found"),
        ("market.jpg", "faces were found"),
        ("broken.jpg", "cannot be used as a photo of a known person"),
        ("animated.gif", "several pictures"),
    ],
)
def test_a_photo_that_does_not_show_one_face_is_refused(tmp_path, sface, name, words):
    path = tmp_path / name
    if name == "broken.jpg":
        path.write_bytes(b"garbage")
    elif name == "animated.gif":
        path.write_bytes(samples.all_samples()["gif-animated"])
    else:
        shutil.copy(samples.SCENES / name, path)
    with pytest.raises(InputError, match=words) as caught:
        load_references([path], KEEP)
    assert name in str(caught.value)


def test_photos_of_different_people_as_one_are_refused(tmp_path):
    paths = [tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg")]
    for path in paths:
        path.touch()
    assert load_references(paths, KEEP, Vectors(a=0, b=1.2, c=0.6)).people == 1  # b is like c, and c like a
    with pytest.raises(InputError, match=r"b\.jpg does not seem to show the same person.*similarity 0\.07"):
        load_references(paths, KEEP, Vectors(a=0, b=1.6, c=0.1))
    assert load_references(paths[1:2], KEEP, Vectors(b=1.6)).people == 1


def test_a_detector_without_landmarks_cannot_read_known_people(folder, sface):
    config = AnonymizeConfig.from_parameters({"select": "keep", "detector": "haar"})
    with pytest.raises(InputError, match=r"landmarks|no face"):
        load_references([folder / "ann"], config)


def test_known_people_need_a_setting_that_uses_them(folder, sface):
    with pytest.raises(ConfigError, match="every face is covered"):
        load_references([folder / "ann"], AnonymizeConfig())
