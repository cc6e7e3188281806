import io

import cv2
import numpy as np
import pytest
from PIL import Image

import samples
import unionveil
from unionveil import Anonymized, Rejected
from unionveil.boxes import iou
from unionveil.images import decode, rgb_views
from unionveil.images.orientation import upright
from unionveil.pipeline import Anonymizer

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
        # Black; lossy formats let a little of the surroundings in.
        assert view.mean() < 12, name
        if frame.colour.has_alpha:
            assert inside[..., -1].min() > 0.97 * frame.white


@pytest.mark.parametrize("name", ALL)
def test_without_a_face_the_pixels_stay_exactly(name, make_anonymizer):
    outcome = make_anonymizer([])(ALL[name] + samples.SECRET)
    assert isinstance(outcome, Anonymized)
    assert samples.SECRET not in outcome.data
    before, after = decode(ALL[name], 1e6), decode(outcome.data, 1e6)
    if name != "avif-animated":  # the one that has to be encoded again with loss
        for a, b in zip(before.frames, after.frames, strict=True):
            assert np.array_equal(a.pixels, b.pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_same_face_is_redacted_whatever_the_orientation(orientation, scene_boxes):
    scene = cv2.cvtColor(cv2.imread(str(samples.SCENES / "portrait.jpg")), cv2.COLOR_BGR2RGB)
    # Stored so that the orientation turns it upright: the inverse of each of the eight.
    inverse = {6: 8, 8: 6}.get(orientation, orientation)
    stored = Image.fromarray(upright(scene, inverse))
    data = samples.save(stored, "JPEG", quality=92, exif=samples.exif(orientation))
    outcome = Anonymizer(threads=1)(data)
    assert outcome.size_wh == (800, 1000)
    assert iou(scene_boxes["portrait.jpg"], outcome.faces[0].xyxy).max() > 0.5
    with Image.open(io.BytesIO(outcome.data)) as image:
        assert image.size == (800, 1000)
        assert not image.getexif()
        assert np.asarray(image)[420, 430].max() < 10


def test_what_cannot_be_read_is_rejected_with_a_reason(make_anonymizer):
    anonymizer = make_anonymizer([(0, 0, 1, 1)])
    assert anonymizer(b"") == Rejected("unreadable", "the file is empty")
    assert anonymizer(ALL["jpeg-444"][:200]).reason == "unreadable"
    assert anonymizer(b"%PDF-1.4 and so on").reason == "unsupported"
    assert make_anonymizer([], max_megapixels="0.001")(ALL["png-rgb"]).reason == "too-large"


def test_a_face_that_only_alpha_shows_is_found_with_real_weights():
    """Black everywhere, the portrait drawn by the alpha channel alone."""
    grey = cv2.cvtColor(cv2.imread(str(samples.SCENES / "portrait.jpg")), cv2.COLOR_BGR2GRAY)
    hidden = np.zeros((*grey.shape, 4), np.uint8)
    hidden[..., 3] = 255 - grey
    outcome = Anonymizer(threads=1)(samples.save(Image.fromarray(hidden), "PNG"))
    assert len(outcome.faces[0]) >= 1


def test_the_api_in_the_docstring(tmp_path):
    photo = (samples.SCENES / "market.jpg").read_bytes()
    outcome = unionveil.anonymize(photo)
    assert isinstance(outcome, Anonymized)
    assert len(outcome.faces[0]) >= 9
    anonymizer = Anonymizer(unionveil.AnonymizeConfig(detail="fast"))
    assert isinstance(anonymizer(photo), Anonymized)
    assert anonymizer(photo).data == anonymizer(photo).data


def test_crowds_of_small_faces_are_found(scene_boxes):
    truth = scene_boxes["crowd.jpg"]
    photo = (samples.SCENES / "crowd.jpg").read_bytes()
    found = {}
    for detail in ("fast", "standard", "crowd"):
        outcome = Anonymizer(unionveil.AnonymizeConfig(detail=detail))(photo)
        found[detail] = int((iou(truth, outcome.faces[0].xyxy).max(axis=1) > 0.3).sum())
    assert found["fast"] < found["standard"] <= found["crowd"]
    assert found["crowd"] >= 0.97 * len(truth)
