"""Files that once caused faults: nothing hidden leaks, and nothing valid is lost."""

import io
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

import fuzz.judge as judge
from unionveil import AnonymizeConfig, Anonymized, Rejected, load
from unionveil.detect import FaceFinder
from unionveil.images import Rendering, decode, rgb_views
from unionveil.images.orientation import read_orientation, upright

CASES = Path(__file__).parent / "cases"
FILES = {path.name: path.read_bytes() for path in sorted(CASES.iterdir())}

RIGHT = {
    "faces": [
        "jpeg-cmyk-under-black.jpg",
        "png-16-hot-pixel.png",
        "png-16-low-bytes.png",
        "png-dark-8bit.png",
        "png-gamma-dark.png",
        "png-icc-shows-face.png",
        "tiff-16-hot-pixel.tif",
    ],
    "one picture": ["heic-tiles-become-pictures.heic", "wrong-heic-grid-hidden.heic"],
    "same colours": ["wrong-heic-pq-nclx.heic", "wrong-avif-pq-10bit.avif"],
    "same density": ["wrong-dpi.jpg"],
    "first orientation": ["wrong-jpeg-two-exif.jpg", "jpeg-orientation-long.jpg"],
    "healthy": ["loss-avif-gainmap.avif"],
    "damaged": ["jpeg-scan-cut-then-end.jpg"],
    "as viewers show it": ["jpeg-restart-misnumbered.jpg"],
    "too large": ["png-two-ihdr-bomb.png"],
}
"""Required outcomes of the files that are not only hostile; all others contain something that must stay
hidden."""


def cases(kind):
    """The files of one kind."""
    return RIGHT.get(kind, FILES)


@pytest.fixture(scope="module")
def anonymizer():
    return load(threads=1)


@pytest.fixture(scope="module")
def surest_face():
    find = FaceFinder(AnonymizeConfig(), 1)
    return lambda pixels: max(find(pixels).score.tolist(), default=0.0)


def test_all_files_are_expected():
    listed = [name for names in RIGHT.values() for name in names]
    assert len(listed) == len(set(listed))
    assert set(listed) <= set(FILES)


@pytest.mark.parametrize("name", cases("hidden"))
def test_nothing_hidden_comes_out(name, anonymizer, surest_face):
    outcome = anonymizer(FILES[name])
    if isinstance(outcome, Rejected):
        assert outcome.reason in ("unreadable", "unsupported", "too-large")
        return
    assert judge.markers(outcome.data) == []
    assert judge.faces(outcome.data, surest_face) == []
    again = decode(outcome.data, 1e8)
    for frame in again.frames:
        for view in rgb_views(frame, again.rendering):
            assert surest_face(view) < 0.85


@pytest.mark.parametrize("name", cases("faces"))
def test_the_face_is_found(name, anonymizer):
    outcome = anonymizer(FILES[name])
    assert isinstance(outcome, Anonymized)
    assert len(outcome.faces[0]) == 1


@pytest.mark.parametrize("name", cases("one picture"))
def test_tiles_stay_one_picture(name, anonymizer):
    outcome = anonymizer(FILES[name])
    assert isinstance(outcome, Anonymized)
    before, after = (pillow_heif.open_heif(io.BytesIO(data)) for data in (FILES[name], outcome.data))
    assert len(after) == 1
    assert after.size == before.size


@pytest.mark.parametrize("name", cases("same colours"))
def test_colour_tags_and_depth_are_kept(name, anonymizer):
    outcome = anonymizer(FILES[name])
    assert isinstance(outcome, Anonymized)
    before, after = (
        pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
        for data in (FILES[name], outcome.data)
    )
    assert after.mode == before.mode
    assert after.info["bit_depth"] == before.info["bit_depth"]
    for key in ("color_primaries", "transfer_characteristics"):
        assert after.info["nclx_profile"][key] == before.info["nclx_profile"][key]


@pytest.mark.parametrize("name", cases("same density"))
def test_density_is_kept(name, anonymizer):
    outcome = anonymizer(FILES[name])
    assert isinstance(outcome, Anonymized)
    with Image.open(io.BytesIO(FILES[name])) as before, Image.open(io.BytesIO(outcome.data)) as after:
        assert before.info["dpi"] != (72, 72)
        assert after.info["dpi"] == pytest.approx(before.info["dpi"], rel=0.01)


@pytest.mark.parametrize("name", cases("first orientation"))
def test_the_first_exif_decides(name, anonymizer):
    outcome = anonymizer(FILES[name])
    assert isinstance(outcome, Anonymized)
    data = FILES[name]
    start = data.index(b"Exif\0\0")
    length = int.from_bytes(data[start - 2 : start], "big")
    orientation = read_orientation(data[start + 6 : start - 2 + length])
    with Image.open(io.BytesIO(data)) as image:
        expected = upright(np.asarray(image.convert("RGB")), orientation)
    shown = next(rgb_views(decode(outcome.data, 1e8).frames[0], Rendering())).astype(int)
    assert shown.shape == expected.shape
    # A face may be covered; the rest is unchanged.
    assert np.median(np.abs(shown - expected)) <= 3


@pytest.mark.parametrize("name", cases("healthy"))
def test_healthy_files_are_done(name, anonymizer):
    assert isinstance(anonymizer(FILES[name]), Anonymized)


@pytest.mark.parametrize("name", cases("damaged"))
def test_damaged_files_are_refused_by_name(name, anonymizer):
    outcome = anonymizer(FILES[name])
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "unreadable"


@pytest.mark.parametrize("name", cases("as viewers show it"))
def test_odd_files_are_refused_or_look_as_in_viewers(name, anonymizer):
    outcome = anonymizer(FILES[name])
    if isinstance(outcome, Rejected):
        assert outcome.reason == "unreadable"
        return
    with Image.open(io.BytesIO(FILES[name])) as image:
        expected = np.asarray(image.convert("RGB")).astype(int)
    shown = next(rgb_views(decode(outcome.data, 1e8).frames[0], Rendering())).astype(int)
    assert np.abs(shown - expected).mean() < 3


@pytest.mark.parametrize("name", cases("too large"))
def test_bombs_are_refused(name, anonymizer):
    outcome = anonymizer(FILES[name])
    assert isinstance(outcome, Rejected)
    assert outcome.reason in ("unreadable", "too-large")
