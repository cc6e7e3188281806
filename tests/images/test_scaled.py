"""JPEGs decoded at a fraction of their size for the detector, and at full size only if pixels change."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from unionveil import AnonymizeConfig, Anonymized, Detections
from unionveil.errors import ImageError, OutputDiffers
from unionveil.images import Encoding, Frame, check_output, decode
from unionveil.images.coefficients import load as load_turbojpeg
from unionveil.images.picture import Colour, Patch
from unionveil.images.scaled import ScaledFrame
from unionveil.pipeline import Anonymizer
from unionveil.redact import load_redactor
from unionveil.select import every_face

pytestmark = pytest.mark.skipif(load_turbojpeg() is None, reason="no libturbojpeg is installed here")

CASES = sorted((Path(__file__).parent / "cases").glob("*jpeg*.jpg"))
BOX = [40.0, 30.0, 200.0, 150.0]


def scene(size_wh=(403, 301), orientation=1):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (6, 8, 3)).astype(np.uint8)
    pixels = cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
    if orientation == 1:
        return data
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + b"\0\0\0\0\0\0"
    return data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_the_copy_is_the_upright_picture_reduced(scale, orientation):
    data = scene(orientation=orientation)
    whole = decode(data, 1e9).frames[0]
    frame = decode(data, 1e9, lambda size_wh: scale).frames[0]
    assert frame.scale == scale
    assert frame.size_wh == whole.size_wh
    assert frame.look.size_wh == tuple(-(-side // scale) for side in whole.size_wh)
    enlarged = cv2.resize(frame.look.pixels, whole.size_wh, interpolation=cv2.INTER_LINEAR)
    assert np.abs(enlarged.astype(int) - whole.pixels).mean() < 8
    assert np.array_equal(frame.pixels, whole.pixels)


def test_the_upright_size_decides_the_scale():
    def by_height(size_wh):
        return 8 if size_wh == (301, 403) else 2

    assert decode(scene((403, 301), orientation=6), 1e9, by_height).frames[0].scale == 8


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_files_refused_at_full_size_are_refused_reduced(path):
    data = path.read_bytes()

    def refused(reduction):
        try:
            decode(data, 1e9, reduction)
        except ImageError as error:
            return error.reason
        return None

    assert refused(lambda size_wh: 8) == refused(None)


@pytest.mark.parametrize("place", [0.2, 0.5, 0.95])
def test_damage_is_detected_at_every_scale(place):
    data = scene((640, 480))
    at = int(len(data) * place)
    broken = data[:at] + b"\xff\xd3" + data[at + 2 :]
    for scale in (1, 2, 4, 8):
        with pytest.raises(ImageError):
            decode(broken, 1e9, Fixed(scale).reduction)


def undecodable(*, scale=2):
    """A picture whose full-size pixels must not be requested."""
    picture = decode(scene(), 1e9, lambda size_wh: scale)
    frame = picture.frames[0]

    def refuse():
        raise AssertionError("the whole picture was decoded")

    frame.__dict__["_decode"] = refuse
    return picture, frame


def flat(frame, box=BOX):
    faces = Detections.of([box], [0.9])
    return load_redactor(AnonymizeConfig())(frame, faces)


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("faces", [0, 1])
def test_boxes_of_one_colour_need_no_pixels(faces, scale):
    picture, frame = undecodable(scale=scale)
    patches = [flat(frame)[:faces]]
    written = picture.write(patches)
    assert written.encoding is Encoding.COEFFICIENTS
    check_output(written.data, picture, patches)
    shown = decode(written.data, 1e9).frames[0].pixels
    if faces:
        rows, columns = patches[0][0].rows, patches[0][0].columns
        assert shown[rows, columns].max() < 8


def test_an_output_that_shows_a_face_is_refused_by_its_copy():
    picture, frame = undecodable()
    patches = [flat(frame)]
    with pytest.raises(OutputDiffers):
        check_output(scene(), picture, patches)
    with pytest.raises(OutputDiffers):
        check_output(cv2.imencode(".jpg", np.full((301, 403, 3), 90, np.uint8))[1].tobytes(), picture, [()])


def test_other_covers_are_made_of_all_pixels():
    data = scene()
    faces = Detections.of([BOX], [0.9])
    redact = load_redactor(AnonymizeConfig.from_parameters({"method": "pixelate", "shape": "ellipse"}))
    written = []
    for reduction in (None, lambda size_wh: 4):
        picture = decode(data, 1e9, reduction)
        written.append(picture.write([redact(picture.frames[0], faces)]).data)
    assert written[0] == written[1]


class Fixed:
    """Finds one face in full-size and in reduced pictures, and records its inputs."""

    def __init__(self, scale):
        self.scale = scale
        self.seen = []

    def reduction(self, size_wh):
        return self.scale

    def __call__(self, image, size_wh=None):
        self.seen.append((image.shape[1::-1], size_wh))
        return Detections.of([BOX], [0.9])


def test_outputs_are_the_same_whole_or_reduced():
    data, outcomes = scene(), []
    for scale in (1, 2, 8):
        find = Fixed(scale)
        redact = load_redactor(AnonymizeConfig())
        anonymizer = Anonymizer(find, every_face, redact, max_pixels=1e9, scaling=find)
        outcome = anonymizer(data)
        assert isinstance(outcome, Anonymized)
        assert find.seen == [((-(-403 // scale), -(-301 // scale)), (403, 301))]
        assert outcome.size_wh == (403, 301)
        outcomes.append(outcome.data)
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_without_a_scaling_finder_pictures_are_decoded_whole():
    find = Fixed(8)
    Anonymizer(find, every_face, load_redactor(AnonymizeConfig()), max_pixels=1e9)(scene())
    assert find.seen == [((403, 301), None)]


def test_a_frame_decodes_its_pixels_once():
    calls = []
    pixels = np.zeros((8, 8, 3), np.uint8)

    def decoded():
        calls.append(1)
        return pixels

    frame = ScaledFrame(Frame(np.zeros((4, 4, 3), np.uint8), Colour.RGB), 2, (8, 8), decoded)
    assert frame.size_wh == (8, 8)
    assert frame.white == 255
    assert not calls
    assert frame.pixels is frame.pixels is pixels
    assert calls == [1]


def test_a_large_picture_gives_up_its_pixels_once_nobody_looks_for_faces():
    pixels = np.zeros((5603, 6001, 3), np.uint8)
    pixels[::2] = 200
    data = cv2.imencode(".jpg", pixels)[1].tobytes()
    picture, kept = decode(data, 1e9), decode(data, 1e9)
    (frame,), (whole,) = picture.frames, kept.frames
    assert (frame.scale, frame.look.size_wh) == (1, (6001, 5603))
    frame.slim()
    frame.slim()
    assert (frame.scale, frame.look.size_wh, frame.size_wh) == (4, (1501, 1401), (6001, 5603))
    patches = [[Patch(slice(100, 200), slice(300, 400), np.full((1, 1, 3), 7, np.uint8))]]
    assert picture.write(patches).data == kept.write(patches).data
    assert "pixels" not in vars(frame)  # the coefficients sufficed
    np.testing.assert_array_equal(frame.pixels, whole.pixels)


def test_a_small_picture_keeps_its_pixels():
    (frame,) = decode(scene(), 1e9).frames
    frame.slim()
    assert frame.look is frame
