"""Annotation files as other tools write them, and the errors for bad ones."""

from __future__ import annotations

import io
import json
import os
import re
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from permissions import locked
from unionveil.annotations import (
    Format,
    Geometry,
    PictureBoxes,
    Pictures,
    Pixels,
    Reading,
    encode,
    read,
    write,
)
from unionveil.content import BytesContent, FileContent
from unionveil.errors import InputError, OutputError

PICTURES = {"a.jpg": Geometry((200, 100)), "sub/b.jpg": Geometry((200, 100), 6)}

COCO: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "a.jpg", "width": 200, "height": 100}],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40]}],
    "categories": [{"id": 1, "name": "face"}],
}

VOC = """<annotation><filename>a.jpg</filename><size><width>200</width><height>100</height></size>
<object><name>face</name><difficult>1</difficult>
<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40</xmax><ymax>60</ymax></bndbox></object></annotation>"""

TASK: dict[str, Any] = {
    "data": {"image": "/data/upload/3/0a1b2c3d-a.jpg"},
    "annotations": [
        {
            "result": [
                {
                    "id": "x",
                    "type": "rectanglelabels",
                    "original_width": 200,
                    "original_height": 100,
                    "image_rotation": 0,
                    "value": {
                        "x": 5,
                        "y": 20,
                        "width": 15,
                        "height": 40,
                        "rotation": 0,
                        "rectanglelabels": ["Face"],
                    },
                }
            ]
        }
    ],
    "predictions": [{"result": []}],
}


def coco(**changed):
    return json.dumps(COCO | changed)


def annotation(**changed):
    return coco(annotations=[COCO["annotations"][0] | changed])


def task(**changed):
    region = TASK["annotations"][0]["result"][0]
    return json.dumps([TASK | {"annotations": [{"result": [region | changed]}]}])


def write_files(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / next(iter(files)) if len(files) == 1 and "/" not in next(iter(files)) else folder / "all"


@pytest.mark.parametrize(
    "files",
    [
        {"boxes.json": coco()},
        {"boxes.json": "\ufeff" + coco()},
        {"all/a.txt": "0 0.125 0.4 0.15 0.4\n"},
        {"all/labels/a.txt": "1 0.125 0.4 0.15 0.4 0.5\n\n", "all/classes.txt": "dog\nface\n"},
        {"all/a.xml": VOC},
        {"a.xml": VOC},
        {"wider.txt": "a.jpg\n1\n10 20 30 40 0 0 0 0 0 0 \n"},
        {"wider.txt": "photos/a.jpg\r\n1\r\n10.0 20.0 30.0 40.0 0.75\r\n"},
        {"tasks.json": json.dumps([TASK])},
        {"boxes.csv": "picture,left,top,right,bottom\na.jpg,10,20,40,60\n"},
    ],
)
def test_the_same_box_in_every_format(tmp_path, files):
    found = read(write_files(tmp_path, files), PICTURES)
    assert list(found) == ["a.jpg"]
    np.testing.assert_allclose(found["a.jpg"].xyxy, [[10, 20, 40, 60]])


def test_scores_and_marks_are_read(tmp_path):
    scored = read(write_files(tmp_path, {"w.txt": "a.jpg\n1\n10 20 30 40 0.75\n"}), PICTURES)["a.jpg"]
    assert scored.score.tolist() == [0.75]
    marked = read(write_files(tmp_path, {"a.xml": VOC}), PICTURES)["a.jpg"]
    assert marked.ignore.tolist() == [True]
    assert np.isnan(marked.score).all()


def test_the_published_form_of_wider_is_read(tmp_path):
    text = "a.jpg\n0\n0 0 0 0 0 0 0 0 0 0\nb.jpg\n2\n1 2 3 4 0 0 0 1 0 0\n5 5 0 3 0 0 0 0 0 0\n"
    pictures = {"a.jpg": Geometry((9, 9)), "0--Parade/b.jpg": Geometry((9, 9))}
    found = read(write_files(tmp_path, {"w.txt": text}), pictures)
    assert len(found["a.jpg"]) == 0
    assert found["0--Parade/b.jpg"].ignore.tolist() == [True]


def test_a_rotated_box_of_label_studio_is_replaced_by_the_box_around_it(tmp_path):
    value = {"x": 50, "y": 50, "width": 10, "height": 10, "rotation": 90, "rectanglelabels": ["face"]}
    found = read(write_files(tmp_path, {"t.json": task(value=value)}), PICTURES)["a.jpg"]
    # About the left top corner (100, 50), clockwise: 20 px to the right become 20 px down.
    np.testing.assert_allclose(found.xyxy, [[90, 50, 100, 70]])


def test_a_separate_label_belongs_to_its_box(tmp_path):
    region = TASK["annotations"][0]["result"][0]
    pair = [region | {"type": "rectangle"}, region | {"type": "labels"}]
    other = region | {"id": "y", "type": "choices", "value": {"choices": ["good"]}}
    text = json.dumps([TASK | {"annotations": [{"result": [*pair, other]}]}])
    assert len(read(write_files(tmp_path, {"t.json": text}), PICTURES)["a.jpg"]) == 1


def turned(size_wh, **changed):
    return coco(
        images=[{"id": 7, "file_name": "b.jpg", "width": size_wh[0], "height": size_wh[1]}], **changed
    )


def test_boxes_in_stored_pixels_are_turned_upright(tmp_path):
    stored = read(write_files(tmp_path, {"b.json": turned((200, 100))}), PICTURES)["sub/b.jpg"]
    assert stored.size_wh == (100, 200)
    assert stored.xyxy.tolist() == [[40, 10, 80, 40]]
    upright = read(write_files(tmp_path, {"b.json": turned((100, 200))}), PICTURES)["sub/b.jpg"]
    assert upright.xyxy.tolist() == [[10, 20, 40, 60]]


def test_a_turned_picture_without_a_size_needs_a_word(tmp_path):
    path = write_files(tmp_path, {"w.txt": "b.jpg\n1\n10 20 30 40\n"})
    with pytest.raises(InputError, match=r"rotated by EXIF, and w\.txt does not say"):
        read(path, PICTURES)
    assert read(path, PICTURES, reading=Reading(Pixels.UPRIGHT))["sub/b.jpg"].xyxy[0, 0] == 10
    assert read(path, PICTURES, reading=Reading(Pixels.STORED))["sub/b.jpg"].xyxy[0, 0] == 40


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_geometry_is_that_of_the_decoded_picture(form, orientation):
    from unionveil.images import decode

    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.init()
    Image.new("RGB", (64, 48), "red").save(out, form, exif=exif)
    geometry = Pictures({"a": BytesContent(out.getvalue())})["a"]
    assert geometry.orientation == orientation
    assert geometry.stored_wh == (64, 48)
    assert geometry.upright_wh == decode(out.getvalue(), 1e6).frames[0].size_wh


def test_labels_choose(tmp_path):
    two = {"categories": [{"id": 1, "name": "face"}, {"id": 2, "name": "car"}]}
    boxes = [COCO["annotations"][0], COCO["annotations"][0] | {"category_id": 2}]
    path = write_files(tmp_path, {"b.json": coco(annotations=boxes, **two)})
    with pytest.raises(InputError, match="also has boxes of 'car'"):
        read(path, PICTURES)
    assert len(read(path, PICTURES, reading=Reading(labels=("face",)))["a.jpg"]) == 1
    assert len(read(path, PICTURES, reading=Reading(labels=("face", "car")))["a.jpg"]) == 2
    with pytest.raises(InputError, match="has no label 'head'; it has car, face"):
        read(path, PICTURES, reading=Reading(labels=("head",)))


LINE = "a.jpg,10,20,40,60"
HEAD = "picture,left,top,right,bottom"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            {"b.json": annotation(bbox=[300, 20, 30, 40])},
            r"b\.json, annotations\[0\] \('a\.jpg'\): .* outside",
        ),
        ({"b.json": annotation(bbox=[1, 2, 0, 4])}, "is empty or turned inside out"),
        ({"b.json": annotation(bbox=[1, 2, float("nan"), 4])}, "bbox is nan; it must be finite"),
        ({"b.json": annotation(bbox=[1, 2, None, 4])}, "bbox is None, which is not a number"),
        ({"b.json": annotation(bbox=[1, 2, 3])}, "bbox has 3 values instead of 4"),
        ({"b.json": annotation(score=1.5)}, "score 1.5 is not between 0 and 1"),
        ({"b.json": annotation(image_id=9)}, "there is no image with the id 9"),
        (
            {"b.json": coco(images=[COCO["images"][0] | {"file_name": "c.jpg"}])},
            "'c.jpg', which is not among",
        ),
        (
            {"b.json": coco(images=[COCO["images"][0] | {"width": 400}])},
            "400 x 100 pixels, but it has 200 x 100",
        ),
        ({"b.json": coco(images=[COCO["images"][0], COCO["images"][0] | {"id": 8}])}, "names 'a.jpg' twice"),
        ({"b.json": coco(images=COCO["images"] * 2)}, "the id 7 is used twice"),
        ({"b.json": coco()[:-9]}, "is not valid JSON: .* at line 1"),
        ({"b.json": "[" * 100_000}, "is not valid JSON"),
        ({"b.json": b'{"images": "\xff", "annotations": []}'}, "is not text in UTF-8"),
        ({"b.json": '{"hello": 1}'}, "not in a known format; known formats are coco, yolo"),
        ({"all/a.txt": "0 0.1 0.2 0.3\n"}, r"all/a\.txt, line 1: 4 values"),
        ({"all/a.txt": "0 0.1 0.2 nan 0.1\n"}, "a value is nan"),
        ({"all/c.txt": "0 0.1 0.2 0.1 0.1\n"}, r"'c', which is not among the pictures \(2\)"),
        ({"all/readme.md": "hello"}, "holds no annotations"),
        ({"all/a.xml": VOC[:-5]}, "is not valid XML"),
        ({"all/a.xml": "<!DOCTYPE a [<!ENTITY b 'c'>]>" + VOC}, "declares a document type"),
        ({"all/a.xml": VOC.replace("11", "x")}, "xmin is 'x', which is not a number"),
        ({"all/a.xml": VOC, "all/b.xml": VOC}, "names 'a.jpg' twice"),
        ({"w.txt": "a.jpg\n2\n1 2 3 4\n"}, "ends within the 2 boxes of 'a.jpg'"),
        ({"w.txt": "a.jpg\n1\n1 2 3 4\n\nb.jpg\n"}, "the number of its boxes was expected"),
        ({"w.txt": "a.jpg\n1\n1 2 3\n"}, "line 3: 3 values"),
        ({"t.json": task(type="brushlabels")}, "region of type brushlabels"),
        ({"t.json": task(image_rotation=90)}, "rotated in Label Studio"),
        ({"t.json": json.dumps([TASK | {"annotations": TASK["annotations"] * 2}])}, "was annotated 2 times"),
        ({"t.json": json.dumps([TASK, TASK])}, "names 'a.jpg' twice"),
        ({"t.json": "[{}]"}, "task 1 has no 'data'"),
        ({"b.csv": f"{HEAD}\n{LINE},1\n"}, "a different number of values"),
        ({"b.csv": f"{HEAD}\na.jpg,10,20,40,\n"}, "bottom is '', which is not a number"),
        ({"b.csv": f"{HEAD}\n,1,2,3,4\n"}, "names no picture"),
        ({"b.csv": "picture,left,top,right\n"}, "has no column bottom"),
        (
            {"b.csv": f"{HEAD},width,height\n{LINE},200,100\n{LINE},100,200\n"},
            "gives the picture another size",
        ),
        ({"m.json": '{"schema_version": "2.0"}'}, "not a manifest that this version can read"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path, files, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        read(write_files(tmp_path, files), PICTURES)
    assert "\n" not in str(caught.value)


def test_a_name_that_fits_two_pictures_is_refused(tmp_path):
    pictures = {"x/a.jpg": Geometry((200, 100)), "y/a.jpg": Geometry((200, 100))}
    with pytest.raises(InputError, match=r"may be 'x/a\.jpg' and 'y/a\.jpg'; write their paths in full"):
        read(write_files(tmp_path, {"b.json": coco()}), pictures)
    found = read(write_files(tmp_path, {"b.csv": f"{HEAD}\ndata/y/{LINE}\n"}), pictures)
    assert list(found) == ["y/a.jpg"]


def test_a_damaged_picture_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    pictures = Pictures({"a.jpg": FileContent(tmp_path / "a.jpg")})
    with pytest.raises(InputError, match=r"'a\.jpg': the picture is damaged"):
        read(write_files(tmp_path, {"b.json": coco()}), pictures)


ONE = PictureBoxes.of((200, 100), [[10, 20, 40, 60]])


def test_nothing_is_overwritten(tmp_path):
    write(tmp_path / "b.json", {"a.jpg": ONE}, Format.COCO)
    with pytest.raises(OutputError, match="already exists"):
        write(tmp_path / "b.json", {"a.jpg": ONE}, Format.COCO)


@pytest.mark.parametrize(
    ("form", "there", "sentence"),
    [
        (Format.COCO, {"a.jpg": PictureBoxes.of((9, 9), [[1, 1, 2, 2]], frame=[1])}, "several frames"),
        (Format.YOLO, {"a.jpg": ONE, "a.png": ONE}, "one file for 'a.png'"),
        (Format.VOC, {"a.jpg": ONE, "a.png": ONE}, "one file for 'a.png'"),
        (Format.LABEL_STUDIO, {"a.jpg": PictureBoxes.of((9, 9), [[1, 1, 2, 2]], ignore=[True])}, "store"),
        (Format.WIDER, {"a.jpg": ONE, "b.jpg": PictureBoxes.of((9, 9), [[1, 1, 2, 2]], [0.5])}, "every box"),
        (Format.MANIFEST, {"a.jpg": ONE}, "'a.jpg' does not exist"),
    ],
)
def test_a_format_without_a_place_for_something_refuses(form, there, sentence):
    with pytest.raises(InputError, match=sentence):
        encode(there, form)


def test_boxes_become_detections():
    two = PictureBoxes.of((9, 9), [[1, 1, 2, 2], [3, 3, 4, 4]], [np.nan, 0.5], frame=[0, 1])
    assert two.detections().score.tolist() == [1.0]
    assert two.detections(1).xyxy.tolist() == [[3, 3, 4, 4]]


@pytest.mark.parametrize(("form", "suffix"), [(None, ".txt"), (Format.YOLO, ".txt"), (Format.VOC, ".xml")])
def test_boxes_in_a_folder_that_cannot_be_read_are_not_skipped(tmp_path, form, suffix):
    (tmp_path / "boxes" / "sub").mkdir(parents=True)
    (tmp_path / "boxes" / f"a{suffix}").write_text("0 0.5 0.5 0.1 0.1" if suffix == ".txt" else VOC)
    with (
        locked(tmp_path / "boxes" / "sub"),
        pytest.raises(InputError, match=r"sub cannot be read: Permission denied"),
    ):
        read(tmp_path / "boxes", PICTURES, form)


HUGE = "a number of 5000 digits, which JSON may have"
JUNK: tuple[Any, ...] = (
    *(None, True, 0, -1, 7, 20_000_000, 2**31, 2**63, HUGE, 1e300, float("inf"), float("nan"), 0.5),
    *("", "face", "²", "9" * 5000, "http://[x/a.jpg", "a\0b", "\ud800", [], ["q"], [7], {}, {"face": 1}),
)
"""Values that a file may have in place of any other."""

MANIFEST: dict[str, Any] = {
    "schema_version": "1.3",
    "tool": {"name": "unionveil", "version": "1"},
    "models": [],
    "configuration": {},
    "counts": {"inputs": 1, "redacted": 1, "without_face": 0, "rejected": {}, "faces": 1},
    "items": [
        {
            "status": "redacted",
            "input": 1,
            "output": "a.jpg",
            "sha256": "",
            "size_bytes": 1,
            "format": "jpeg",
            "size_wh": [200, 100],
            "frames": 1,
            "faces": [{"frame": 0, "xyxy": [10, 20, 40, 60], "score": 1, "method": "fill"}],
        }
    ],
}


def with_one_replaced(value: Any, junk: Any) -> Iterator[Any]:
    """A document, once for each of its values, which is replaced in it."""
    yield junk
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from (value | {key: changed} for changed in with_one_replaced(inner, junk))
    if isinstance(value, list):
        for place, inner in enumerate(value):
            for changed in with_one_replaced(inner, junk):
                yield [*value[:place], changed, *value[place + 1 :]]


def either_boxes_or_one_sentence(path, form):
    try:
        found = read(path, PICTURES, form)
    except InputError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 500
    else:
        assert all(name in PICTURES for name in found)


@pytest.mark.parametrize(
    ("document", "form"),
    [
        (COCO, Format.COCO),
        ([TASK], Format.LABEL_STUDIO),
        ([{"data": {"image": "a.jpg"}, "predictions": TASK["annotations"]}], Format.LABEL_STUDIO),
        (MANIFEST, Format.MANIFEST),
    ],
)
def test_no_value_of_a_document_can_be_a_crash(tmp_path, document, form):
    for junk in JUNK:
        for changed in with_one_replaced(document, junk):
            text = json.dumps(changed).replace(json.dumps(HUGE), "9" * 5000)
            (tmp_path / "boxes.json").write_text(text)
            either_boxes_or_one_sentence(tmp_path / "boxes.json", form)


@pytest.mark.parametrize(
    ("text", "form", "cells"),
    [
        (f"{HEAD},width,height,frame,score,kind,ignore\n{LINE},200,100,0,1,face,0\n", Format.CSV, r"[^,\n]+"),
        ("a.jpg\n1\n10 20 30 40 0 0 0 0 0 0\n", Format.WIDER, r"[^ \n]+"),
        (VOC, Format.VOC, r"(?<=>)[^<\n]+"),
    ],
)
def test_no_cell_of_a_text_can_be_a_crash(tmp_path, text, form, cells):
    for junk in map(str, JUNK):
        for cell in re.finditer(cells, text):
            changed = text[: cell.start()] + junk + text[cell.end() :]
            (tmp_path / "boxes").write_text(changed, errors="surrogatepass")
            either_boxes_or_one_sentence(tmp_path / "boxes", form)


def test_a_file_may_be_a_pipe(tmp_path):
    """As `--boxes <(command)` gives it: it can be read once."""
    os.mkfifo(tmp_path / "boxes")
    writer = threading.Thread(target=lambda: (tmp_path / "boxes").write_text(coco()), daemon=True)
    writer.start()
    assert list(read(tmp_path / "boxes", PICTURES)) == ["a.jpg"]
    writer.join(timeout=60)


def test_a_frame_that_no_picture_has_is_refused_at_once(tmp_path):
    (tmp_path / "boxes.csv").write_text(f"{HEAD},frame\n{LINE},20000000\n")
    with pytest.raises(InputError, match="the frame 20000000 is not between 0 and 65535"):
        read(tmp_path / "boxes.csv", PICTURES)
