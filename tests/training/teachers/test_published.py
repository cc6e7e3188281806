"""The teachers' cells must agree with the published detectors."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from unionveil.detect.centerface import CenterFace
from unionveil.detect.yunet import YuNet
from unionveil.models.cards import CARDS, WEIGHTS
from unionveil.models.onnx_session import OnnxSession

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from torch import Tensor  # noqa: E402

from training.data.files import DataError  # noqa: E402
from training.data.photos import read_photo  # noqa: E402
from training.spec import STRIDES  # noqa: E402
from training.teachers.published import centerface, load_teachers, yunet  # noqa: E402

torch.set_num_threads(1)

OPENER = partial(OnnxSession, threads=1)
COMMITTED = WEIGHTS / "retinaface.onnx"


@pytest.fixture
def photo(validation_photos: list[Path]) -> np.ndarray:
    """A part of a photo with faces, `(256, 256, 3)`, blue first."""
    path = validation_photos[0]
    image = np.ascontiguousarray(read_photo(path.read_bytes(), path.name)[:256, :256])
    assert image.shape[:2] == (256, 256)
    return image


def pixels(image: np.ndarray) -> Tensor:
    """`(1, 3, H, W)` uint8, as the teachers take them."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]


def rgb(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[..., ::-1])


def test_cells_have_the_scores_of_yunet(yunet_file: Path, photo: np.ndarray) -> None:
    cells = yunet(yunet_file, torch.float32)(pixels(photo))
    assert {level: tuple(cell.features.shape) for level, cell in cells.items()} == {
        level: (1, 64, 256 // STRIDES[level], 256 // STRIDES[level]) for level in (1, 2, 3)
    }
    highest = YuNet(CARDS["yunet"], OPENER).candidates(rgb(photo), 0.05).score.max()
    assert max(float(cell.score.max()) for cell in cells.values()) == pytest.approx(float(highest), abs=1e-4)
    assert all(float(cell.features.min()) >= 0 for cell in cells.values())


def test_cells_have_the_scores_of_centerface(photo: np.ndarray) -> None:
    cells = centerface(torch.float32)(torch.cat([pixels(photo), pixels(photo[::-1])]))
    faces = CenterFace(CARDS["centerface"], OPENER).candidates(rgb(photo), 0.3)
    assert len(faces)
    faces = faces[np.argsort(-faces.score)]
    assert sorted(cells) == [0, 1, 2, 3]
    for level, cell in cells.items():
        stride = STRIDES[level]
        assert cell.features.shape == (2, 24, 256 // stride, 256 // stride)
        assert float(cell.score[0].max()) == pytest.approx(float(faces.score.max()), abs=1e-4)
        x, y = ((faces.xyxy[0, :2] + faces.xyxy[0, 2:]) / 2 / stride).astype(int)
        around = cell.score[0, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        assert float(around.max()) >= float(faces.score[0]) - 1e-4
        assert float(cell.features.min()) >= 0
        assert float(cell.features.std()) > 0.05


@pytest.mark.parametrize("name", ["yunet", "centerface"])
def test_enlarged_teacher_equals_the_plain_one_on_the_enlarged_image(
    yunet_file: Path, photo: np.ndarray, name: str
) -> None:
    image = photo[:128, :128]
    teachers = load_teachers(yunet_file, torch.float32)
    large = np.asarray(cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR), np.uint8)
    plain = teachers[name](pixels(large))
    enlarged = teachers[f"{name}_enlarged"](pixels(image))
    assert sorted(enlarged) == [0, 1, 2]
    for level, cell in enlarged.items():
        same = plain[level + 1]
        assert float((cell.features - same.features).square().mean()) < 0.01 * float(same.features.var())
        assert float((cell.score - same.score).abs().max()) < 0.1


@pytest.mark.parametrize("name", ["yunet", "centerface"])
def test_bfloat16_gives_nearly_the_same(yunet_file: Path, photo: np.ndarray, name: str) -> None:
    batch = pixels(photo)
    half, whole = (load_teachers(yunet_file, dtype)[name](batch) for dtype in (torch.bfloat16, torch.float32))
    for level, cell in whole.items():
        off = (half[level].features - cell.features).square().mean()
        assert 0 < float(off) < 0.01 * float(cell.features.square().mean())
        assert float((half[level].score - cell.score).abs().max()) < 0.1


def test_other_file_than_yunets_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not YuNet"):
        yunet(COMMITTED, torch.float32)
    with pytest.raises(DataError, match="is missing"):
        yunet(tmp_path / "yunet.onnx", torch.float32)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(DataError, match="not an ONNX file"):
        yunet(broken, torch.float32)
