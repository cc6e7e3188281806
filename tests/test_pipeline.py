import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

import profiles
import samples
import unionveil
from checked import kept, read_bgr, read_rgb, written
from unionveil import AnonymizeConfig, Anonymized, Anonymizer, ConfigError, Detections, Rejected, load
from unionveil.boxes import cover_pixels, iou
from unionveil.content import FileContent
from unionveil.detections import Kind
from unionveil.images import Patch, decode, rgb_views
from unionveil.images.orientation import upright
from unionveil.redact import load_redactor
from unionveil.select import every_face

ALL = samples.all_samples()


@pytest.mark.parametrize("name", ALL)
def test_every_format_is_redacted_in_every_frame(name, make_anonymizer):
    outcome = make_anonymizer([(0.3, 0.3, 0.6, 0.7)])(ALL[name] + samples.SECRET)
    assert isinstance(outcome, Anonymized)
    assert samples.SECRET not in outcome.data
    before, after = decode(ALL[name], 1e6), decode(outcome.data, 1e6)
    assert after.format is before.format is outcome.format
    assert len(after.frames) == len(before.frames) == len(outcome.faces)
    for frame in after.frames:
        width, height = frame.size_wh
        inside = frame.pixels[int(0.35 * height) : int(0.65 * height), int(0.35 * width) : int(0.55 * width)]
        view = next(rgb_views(type(frame)(inside, frame.colour), after.rendering))
        # Black; lossy formats blend in a little of the surroundings.
        assert view.mean() < 12, name
        if frame.colour.has_alpha:
            assert inside[..., -1].min() > 0.97 * frame.white


@pytest.mark.parametrize("name", ALL)
def test_without_a_face_the_pixels_stay_exactly(name, make_anonymizer):
    outcome = make_anonymizer([])(ALL[name] + samples.SECRET)
    assert isinstance(outcome, Anonymized)
    assert samples.SECRET not in outcome.data
    before, after = decode(ALL[name], 1e6), decode(outcome.data, 1e6)
    if name != "avif-animated":  # the only one that must be re-encoded lossily
        for a, b in zip(before.frames, after.frames, strict=True):
            assert np.array_equal(a.pixels, b.pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_same_face_is_redacted_in_every_orientation(orientation, scene_boxes):
    scene = read_rgb(samples.SCENES / "portrait.jpg")
    # Stored so that the orientation turns it upright: the inverse of each of the eight.
    inverse = {6: 8, 8: 6}.get(orientation, orientation)
    stored = Image.fromarray(upright(scene, inverse))
    data = samples.save(stored, "JPEG", quality=92, exif=samples.exif(orientation))
    outcome = kept(load(threads=1)(data))
    assert outcome.size_wh == (800, 1000)
    assert iou(scene_boxes["portrait.jpg"], outcome.faces[0].xyxy).max() > 0.5
    with Image.open(io.BytesIO(outcome.data)) as image:
        assert image.size == (800, 1000)
        assert not image.getexif()
        assert np.asarray(image)[420, 430].max() < 10


def test_unreadable_files_are_rejected_with_a_reason(make_anonymizer):
    anonymizer = make_anonymizer([(0, 0, 1, 1)])
    assert anonymizer(b"") == Rejected("unreadable", "the file is empty")
    assert anonymizer(ALL["jpeg-444"][:200]).reason == "unreadable"
    assert anonymizer(b"%PDF-1.4 and so on").reason == "unsupported"
    assert make_anonymizer([], max_megapixels="0.001")(ALL["png-rgb"]).reason == "too-large"


def test_a_face_that_only_alpha_shows_is_found_with_real_weights():
    """Black everywhere, the portrait drawn by the alpha channel alone."""
    grey = cv2.cvtColor(read_bgr(samples.SCENES / "portrait.jpg"), cv2.COLOR_BGR2GRAY)
    hidden = np.zeros((*grey.shape, 4), np.uint8)
    hidden[..., 3] = 255 - grey
    outcome = kept(load(threads=1)(samples.save(Image.fromarray(hidden), "PNG")))
    assert len(outcome.faces[0]) >= 1


def test_the_api_in_the_docstring(tmp_path):
    photo = (samples.SCENES / "market.jpg").read_bytes()
    outcome = unionveil.anonymize(photo)
    assert isinstance(outcome, Anonymized)
    assert len(outcome.faces[0]) >= 9
    anonymizer = load(unionveil.AnonymizeConfig(detail="fast"))
    assert isinstance(anonymizer(photo), Anonymized)
    assert written(anonymizer(photo)) == written(anonymizer(photo))


def test_crowds_of_small_faces_are_found(scene_boxes):
    truth = scene_boxes["crowd.jpg"]
    photo = (samples.SCENES / "crowd.jpg").read_bytes()
    found = {}
    for detail in ("fast", "standard", "crowd"):
        outcome = kept(load(unionveil.AnonymizeConfig(detail=detail))(photo))
        found[detail] = int((iou(truth, outcome.faces[0].xyxy).max(axis=1) > 0.3).sum())
    assert found["fast"] < found["standard"] <= found["crowd"]
    assert found["crowd"] >= 0.97 * len(truth)


def test_a_face_behind_partial_alpha_counts_once():
    image = Image.open(samples.SCENES / "portrait.jpg").convert("RGBA")
    image.putalpha(200)
    outcome = kept(load(threads=1)(samples.save(image, "PNG")))
    assert len(outcome.faces[0]) == len(kept(load(threads=1)(samples.SCENES / "portrait.jpg")).faces[0]) == 1


def test_the_halves_are_the_whole_and_faces_may_be_added_between(make_anonymizer):
    anonymizer = make_anonymizer([(0.1, 0.1, 0.3, 0.3)])
    content = FileContent(samples.SCENES / "street.jpg")
    inspection = anonymizer.inspect(content)
    whole = anonymizer(content).data
    assert anonymizer.redact(inspection).data == whole
    assert anonymizer.redact(inspection).data == whole, "redacting must leave the inspection as it was"
    none = replace(inspection, faces=(Detections.empty(),))
    assert np.array_equal(
        decode(anonymizer.redact(none).data, 1e9).frames[0].pixels, inspection.picture.frames[0].pixels
    )


def test_the_api_takes_bytes_paths_and_open_files(make_anonymizer):
    anonymizer = make_anonymizer([(0.1, 0.1, 0.3, 0.3)])
    path = samples.SCENES / "street.jpg"
    with path.open("rb") as file:
        outcomes = [anonymizer(source) for source in (path.read_bytes(), path, str(path), file)]
    assert all(outcome.data == outcomes[0].data for outcome in outcomes)
    assert anonymizer(path.parent / "none.jpg") == Rejected(
        "unreadable", "the file cannot be read: No such file or directory"
    )


def test_the_api_explains_what_it_does_not_accept(make_anonymizer):
    anonymizer = make_anonymizer([])
    with pytest.raises(TypeError, match="not as an object of type ndarray"):
        anonymizer(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(TypeError, match="not as a file opened as text"):
        anonymizer(io.StringIO("text"))


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (lambda _, faces: np.ones(len(faces), int), r"int64 \(1,\)"),
        (lambda _, faces: np.ones((len(faces), 1), bool), r"bool \(1, 1\)"),
        (lambda _, faces: [True] * len(faces), "list"),
    ],
)
def test_a_selector_must_give_booleans(answer, what):
    def find(_):
        return Detections.of([[1, 1, 20, 20]], [0.9])

    anonymizer = Anonymizer(find, answer, load_redactor(AnonymizeConfig()), max_pixels=1e9)
    with pytest.raises(TypeError, match=what):
        anonymizer(ALL["png-rgb"])


def test_every_page_is_searched_through_its_own_profile():
    """A page whose profile brightens dark samples has a view that the first page lacks."""
    ramp = np.tile(np.linspace(0, 100, 64).astype(np.uint8), (64, 1))
    page = np.stack([ramp, ramp, np.full_like(ramp, 200)], axis=2)  # bright enough not to be stretched
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for icc in (None, profiles.matrix_profile(curve=profiles.gamma(0.3))):
            writer.write(page, photometric="rgb", iccprofile=icc)
    seen = []

    def find(view):
        seen.append(view[..., 0].max())
        return Detections.of(np.empty((0, 4)), [])

    anonymizer = Anonymizer(find, every_face, load_redactor(AnonymizeConfig()), max_pixels=1e9)
    assert isinstance(anonymizer(file.getvalue()), Anonymized)
    assert [level > 150 for level in seen] == [False, False, True]


def test_a_selector_and_a_redactor_of_ones_own():
    photo = samples.SCENES / "market.jpg"
    all_but_one = load(threads=1, selector=lambda _, faces: faces.xyxy[:, 2] < faces.xyxy[:, 2].max())
    assert len(kept(all_but_one(photo)).faces[0]) == len(kept(load(threads=1)(photo)).faces[0]) - 1

    def red(frame, faces):
        x0, y0, x1, y1 = cover_pixels(faces.xyxy[:1], frame.size_wh)[0]
        return [Patch(slice(y0, y1), slice(x0, x1), np.full((1, 1, 3), [255, 0, 0], np.uint8))]

    outcome = kept(load(threads=1, redactor=red)(photo))
    x, y = outcome.faces[0].xyxy[0].reshape(2, 2).mean(axis=0).astype(int)
    assert np.abs(decode(outcome.data, 1e9).frames[0].pixels[y, x].astype(int) - [255, 0, 0]).max() < 12


def test_an_unexpected_failure_is_a_rejection():
    def fail(*_: object) -> list[Patch]:
        raise ZeroDivisionError

    anonymizer = load(threads=1, redactor=fail)
    assert anonymizer(samples.SCENES / "portrait.jpg") == Rejected(
        "failed", "an unexpected ZeroDivisionError while anonymizing the picture"
    )


class TwoViews:
    """Finds one face per view of a frame: the first in the light one, the second in the dark one."""

    def __init__(self, *boxes):
        self._boxes = boxes
        self.seen = []

    def __call__(self, image):
        box = self._boxes[len(self.seen) % len(self._boxes)]
        self.seen.append(image)
        return Detections.of([box], [0.9])


def transparent():
    """A picture that a viewer may show in two ways."""
    image = np.full((64, 64, 4), 200, np.uint8)
    image[:, 20:40, 3] = 90
    return samples.save(Image.fromarray(image), "PNG")


def keeping(select, find):
    config = AnonymizeConfig()
    return Anonymizer(find, select, load_redactor(config), max_pixels=1e6)


def test_kept_faces_are_counted_and_their_pixels_stay(make_anonymizer):
    find = TwoViews((10, 10, 30, 30))
    outcome = keeping(lambda image, faces: np.zeros(len(faces), bool), find)(ALL["png-rgb"])
    assert outcome.kept == 1 and not len(outcome.faces[0])
    assert np.array_equal(
        decode(outcome.data, 1e6).frames[0].pixels, decode(ALL["png-rgb"], 1e6).frames[0].pixels
    )


def test_a_face_that_one_view_would_cover_is_covered():
    """The face would be kept in the view in which it was found, but the other view did not find it."""
    find = TwoViews((5, 5, 25, 25), (40, 40, 60, 60))
    calls = []

    def select(image, faces):
        calls.append(len(faces))
        return np.full(len(faces), calls.count(2) == 2)

    outcome = keeping(select, find)(transparent())
    assert calls[0] == 1 and calls.count(2) == 2  # asked again about both, until the second view covers them
    assert outcome.kept == 0 and len(outcome.faces[0]) == 2


def test_of_two_views_at_most_one_face_of_a_person_stays():
    find = TwoViews((5, 5, 25, 25), (40, 40, 60, 60))

    def best_only(image, faces):
        return np.arange(len(faces)) > 0

    outcome = keeping(best_only, find)(transparent())
    assert outcome.kept == 1 and len(outcome.faces[0]) == 1


def test_a_face_kept_in_one_view_and_covered_in_another_is_not_counted():
    find = TwoViews((5, 5, 25, 25), (6, 6, 26, 26))
    calls = []

    def select(image, faces):
        calls.append(0)
        return np.full(len(faces), len(calls) == 2)

    outcome = keeping(select, find)(transparent())
    assert outcome.kept == 0 and len(outcome.faces[0]) == 1


def test_known_people_must_fit_the_settings():
    people = unionveil.References.of([[np.eye(1, 128, dtype=np.float32)[0]]], "another embedder")
    keep = AnonymizeConfig.from_parameters({"select": "keep"})
    with pytest.raises(ConfigError, match="every face is covered"):
        load(references=people)
    with pytest.raises(ConfigError, match="needs references"):
        load(keep)
    with pytest.raises(ConfigError, match="another embedder"):
        load(keep, references=people)


class Street:
    """Finds a face and a line of text in every picture; records the selector's inputs."""

    def __init__(self):
        self.asked = []

    def __call__(self, image):
        return Detections.of([[10, 10, 30, 40], [50, 10, 90, 20]], [0.9, 0.8], kind=[Kind.FACE, Kind.TEXT])

    def nobody(self, image, faces):
        self.asked.append(faces.kind.tolist())
        return np.zeros(len(faces), bool)


def street(**settings):
    found, config = Street(), AnonymizeConfig.from_parameters(settings)
    return found, lambda selector: load(config, finder=found, selector=selector)


def photo_bytes():
    return samples.save(Image.fromarray(samples.scene(100, 60)), "PNG")


def test_selectors_decide_about_faces_only_and_text_is_covered():
    found, loaded = street(cover="face,text")
    outcome = kept(loaded(found.nobody)(photo_bytes()))
    assert found.asked == [[Kind.FACE]]
    assert outcome.faces[0].kind.tolist() == [Kind.TEXT] and outcome.kept == 1
    pixels = np.asarray(Image.open(io.BytesIO(outcome.data)))
    assert (pixels[8:22, 48:92] == 0).all() and pixels[12:38, 12:28].any()


def test_heads_grow_after_the_choice():
    found, loaded = street(cover="head")
    assert kept(loaded(every_face)(photo_bytes())).faces[0].kind.tolist() == [Kind.HEAD, Kind.TEXT]
    assert kept(loaded(found.nobody)(photo_bytes())).kept == 1


def test_a_face_that_stays_is_counted_though_text_lies_over_it():
    found, loaded = street(cover="face,text")
    wide = samples.save(Image.fromarray(samples.scene(100, 60)).convert("RGBA"), "PNG")
    outcome = kept(loaded(found.nobody)(wide))
    assert outcome.kept == 1
