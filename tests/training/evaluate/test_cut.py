"""Faces that the edge of a photo cuts."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluate.cut import cut

FACE = np.array([300, 200, 340, 260], np.float32)


@pytest.mark.parametrize("side", range(4))
@pytest.mark.parametrize("share", [0.4, 0.5, 1.0])
def test_the_photo_ends_in_the_middle_of_the_face(side: int, share: float) -> None:
    image = np.zeros((900, 1200, 3), np.uint8)
    image[200:260, 300:340] = 255
    part, box = cut(image, FACE, side, share)
    size_wh = part.shape[1], part.shape[0]
    assert max(size_wh) <= 416
    at_edge = box[side] == (0 if side < 2 else size_wh[side % 2])
    assert at_edge
    assert (box[2] - box[0]) * (box[3] - box[1]) == pytest.approx(share * 40 * 60)
    x0, y0, x1, y1 = box.astype(int)
    assert part[y0:y1, x0:x1].min() == 255
    assert part.sum() == 3 * 255 * (x1 - x0) * (y1 - y0)
