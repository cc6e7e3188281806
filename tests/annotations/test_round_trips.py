"""Files in every format are read back within the format's precision."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unionveil.annotations import (
    Annotations,
    Format,
    Geometry,
    PictureBoxes,
    turn,
    write,
)
from unionveil.annotations.files import read_sniffed
from unionveil.content import BytesContent
from unionveil.detections import Kind
from unionveil.errors import InputError

PRECISION_PX = {
    Format.COCO: 1e-9,
    Format.YOLO: 1e-4,
    Format.VOC: 1.0,
    Format.WIDER: 1.0,
    Format.LABEL_STUDIO: 1e-6,
    Format.CSV: 1e-6,
    Format.MANIFEST: 0.0501,
}

PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)

side = st.integers(1, 20_000)
name = st.text("abcdeéß0189 _-&'%+#", min_size=1, max_size=8).filter(lambda text: text.strip(" ") == text)
share = st.floats(0, 1, width=32)


@st.composite
def boxes(draw, form: Format) -> PictureBoxes:
    width, height = draw(side), draw(side)
    sides = []
    for _ in range(draw(st.integers(0, 3))):
        x, y = draw(share) * width * 0.9, draw(share) * height * 0.9
        sides.append((x, y, x + max(0.5, draw(share) * width), y + max(0.5, draw(share) * height)))
    n = len(sides)
    has_scores = draw(st.booleans())
    has_marks = form in (Format.COCO, Format.VOC, Format.CSV) or (form is Format.WIDER and not has_scores)
    score = [draw(st.integers(0, 1000)) / 1000 for _ in sides] if has_scores else None
    ignore = [draw(st.booleans()) for _ in sides] if has_marks else None
    frame = [draw(st.integers(0, 3)) for _ in sides] if form in (Format.CSV, Format.MANIFEST) else None
    kinds = [Kind.FACE] if form is Format.WIDER else [Kind.FACE, Kind.TEXT, Kind.PLATE]
    kinds += [Kind.HEAD] if form is Format.MANIFEST else []
    kind = [draw(st.sampled_from(kinds)) for _ in sides]
    return PictureBoxes.of(
        (width, height), np.reshape(sides, (n, 4)), score, kind=kind, ignore=ignore, frame=frame
    )


@st.composite
def all_boxes(draw, form: Format) -> Annotations:
    names = draw(st.lists(st.tuples(name, name), min_size=1, max_size=3, unique_by=lambda pair: pair[1]))
    found = {f"{folder}/{stem}.jpg": draw(boxes(form)) for folder, stem in names}
    if (
        form is Format.WIDER
        and len({np.isnan(picture.score).any() for picture in found.values() if len(picture)}) > 1
    ):
        found = dict(itertools.islice(found.items(), 1))
    return found


def written_and_read(there: Annotations, form: Format, folder: Path) -> Annotations:
    path = folder / "boxes"
    write(path, there, form, {name: BytesContent(PNG) for name in there})
    pictures = {name: Geometry(picture.size_wh) for name, picture in there.items()}
    annotations, sniffed = read_sniffed(path, pictures)
    assert sniffed is form
    return annotations


@pytest.mark.parametrize("form", Format)
def test_boxes_come_back(form, tmp_path_factory):
    @settings(max_examples=40)
    @given(all_boxes(form))
    def check(there):
        back = written_and_read(there, form, tmp_path_factory.mktemp(form.value))
        assert sorted(back) == sorted(there)
        for key, picture in there.items():
            found = back[key]
            assert found.size_wh == picture.size_wh
            wanted = picture.xyxy
            if form is Format.VOC or (form is Format.WIDER and np.isnan(picture.score).all()):
                wanted = np.clip(wanted, 0, [*picture.size_wh] * 2)
                grown = (found.xyxy - wanted) * [-1, -1, 1, 1]
                assert (grown >= -0.002).all(), "whole pixels never shrink a box, but for single precision"
            assert np.abs(found.xyxy - wanted).max(initial=0) <= PRECISION_PX[form]
            scores = np.nan_to_num(picture.score, nan=1) if form is Format.MANIFEST else picture.score
            np.testing.assert_allclose(found.score, scores, atol=1e-6)
            assert (found.ignore == picture.ignore).all()
            assert (found.frame == picture.frame).all()
            assert (found.kind == picture.kind).all()

    check()


@given(
    st.integers(1, 8),
    st.integers(1, 50),
    st.integers(1, 50),
    st.tuples(share, share, share, share),
    st.data(),
)
def test_turning_a_box_turns_the_pixels_in_it(orientation, width, height, shares, data):
    """The reference is the reader that turns pixels."""
    from unionveil.images.orientation import upright

    x0, x1 = sorted((int(shares[0] * (width - 1)), int(shares[1] * (width - 1))))
    y0, y1 = sorted((int(shares[2] * (height - 1)), int(shares[3] * (height - 1))))
    stored = np.zeros((height, width, 1), np.uint8)
    stored[y0 : y1 + 1, x0 : x1 + 1] = 255
    geometry = Geometry((width, height), orientation)
    shown = upright(stored, orientation)
    assert shown.shape[1::-1] == geometry.upright_wh
    ((left, top, right, bottom),) = turn(np.array([[x0, y0, x1 + 1, y1 + 1]], np.float64), geometry).astype(
        int
    )
    assert shown[top:bottom, left:right].all()
    assert np.count_nonzero(shown) == (bottom - top) * (right - left)


def test_wider_has_no_word_for_text(tmp_path):
    text = PictureBoxes.of((100, 50), [[0, 0, 30, 9]], kind=[Kind.TEXT])
    with pytest.raises(InputError, match="WIDER's format has faces only"):
        write(tmp_path / "boxes.txt", {"a.jpg": text}, Format.WIDER, {})


@pytest.mark.parametrize("form", [Format.COCO, Format.YOLO])
def test_files_with_only_faces_name_no_other_class(form, tmp_path):
    """They are what earlier versions wrote."""
    path = tmp_path / "boxes"
    write(path, {"a.jpg": PictureBoxes.of((100, 50), [[0, 0, 30, 9]])}, form, {})
    written = (path / "classes.txt" if form is Format.YOLO else path).read_text()
    assert "face" in written and "text" not in written and "head" not in written
