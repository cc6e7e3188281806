"""Boxes go through a real Label Studio and come back where they were."""

from __future__ import annotations

import json

import numpy as np
import pytest

from label_studio import label_studio
from unionveil.annotations import Format, Geometry, PictureBoxes, encode, read

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PICTURES = {"a.jpg": (4032, 3024), "sub folder/größe & 100%.jpg": (641, 479), "none.jpg": (12000, 9000)}

BOXES = {
    "a.jpg": [[10.3, 20.7, 333.33, 444.44], [1000, 1000, 1003.2, 1004.1], [0, 0, 4032, 3024]],
    "sub folder/größe & 100%.jpg": [[0.5, 0.25, 640.75, 478.5]],
    "none.jpg": [],
}


def test_boxes_come_back_within_a_tenth_of_a_pixel(tmp_path):
    ours = {
        name: PictureBoxes.of(size, np.array(BOXES[name], float).reshape(-1, 4))
        for name, size in PICTURES.items()
    }
    (tasks,) = encode(ours, Format.LABEL_STUDIO).values()
    with label_studio(tmp_path) as server:
        project = server.imported(json.loads(tasks))
        server.accept_all(project)
        export = tmp_path / "export.json"
        export.write_bytes(server.exported(project))
    known = {name: Geometry(size) for name, size in PICTURES.items()}
    theirs = read(export, known)
    assert set(theirs) == set(ours)
    for name, picture in ours.items():
        assert theirs[name].size_wh == picture.size_wh
        np.testing.assert_allclose(theirs[name].xyxy, picture.xyxy, atol=0.1)
