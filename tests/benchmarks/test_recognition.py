"""How often attackers trained on redacted faces name the right person.

40 people of LFW (deep-funnelled), 22 photos each: 14 redacted photos of everyone for training, 8 for testing.
The attackers know the positions of eyes, nose and mouth. `UNIONVEIL_LFW` names the folder with a folder of
photos for each person.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from benchmark_tools import report
from paths import shared_folder
from unionveil import AnonymizeConfig, Detections
from unionveil.detect import load_detector
from unionveil.images import Colour, Frame
from unionveil.models.onnx_session import OnnxSession
from unionveil.redact import load_redactor, redacted
from unionveil.redact.mask import cover

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

PEOPLE, TRAIN, TEST = 40, 14, 8

ALIGNED = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float32,
)
"""Eyes, nose and corners of the mouth in a crop of 112 px (ArcFace, arXiv:1801.07698)."""

METHODS = {
    "fill": {"method": "fill"},
    "overlay": {"method": "overlay"},
    "gaussian": {"method": "gaussian"},
    "average": {"method": "average"},
    "median": {"method": "median"},
    "bilateral": {"method": "bilateral"},
    "pixelate, 2 cells": {"method": "pixelate", "cells": "2"},
    "pixelate": {"method": "pixelate"},
}
"""Everything at its default, and the coarsest mosaic."""


@dataclass(frozen=True)
class Portrait:
    """A photo with one person: pixels, box `(4,)` and landmarks `(5, 2)`."""

    person: int
    image: npt.NDArray[np.uint8]
    box: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]


def portraits_of(folder: Path, person: int) -> list[Portrait]:
    """The first photos of a person with a face in the middle."""
    detector = load_detector("retinaface", 1)
    found: list[Portrait] = []
    for path in sorted(folder.glob("*.jpg")):
        stored = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        assert stored is not None, path
        image = np.asarray(cv2.cvtColor(stored, cv2.COLOR_BGR2RGB), np.uint8)
        faces = detector(image, 0.3)
        middle = np.array(image.shape[1::-1]) / 2
        distance = np.hypot(*((faces.xyxy[:, :2] + faces.xyxy[:, 2:]) / 2 - middle).T)
        if len(faces) and distance.min() < 40:
            nearest = int(distance.argmin())
            found.append(Portrait(person, image, faces.xyxy[nearest], faces.landmarks[nearest]))
        if len(found) == TRAIN + TEST:
            break
    return found


@pytest.fixture(scope="module")
def portraits() -> list[Portrait]:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install scikit-learn")
    named, shared = os.environ.get("UNIONVEIL_LFW"), shared_folder()
    if not named:
        pytest.skip("no portraits here: set UNIONVEIL_LFW to a folder of lfw-deepfunneled")
    permitted = None if shared is None else set((shared / "people" / "lfw_permitted.txt").read_text().split())
    found: list[Portrait] = []
    for folder in sorted(Path(named).iterdir()):
        if permitted is not None and folder.name not in permitted:
            continue
        if len(list(folder.glob("*.jpg"))) >= TRAIN + TEST and len(found) < PEOPLE * (TRAIN + TEST):
            photos = portraits_of(folder, len(found) // (TRAIN + TEST))
            found += photos if len(photos) == TRAIN + TEST else []
    assert len(found) == PEOPLE * (TRAIN + TEST)
    return found


def views(portrait: Portrait, config: AnonymizeConfig | None) -> tuple[npt.NDArray[np.uint8], Any]:
    """The aligned crop of 112 px, and the covered region alone in 32 px."""
    image = portrait.image
    if config is not None:
        frame = Frame(image, Colour.RGB)
        faces = Detections.of(portrait.box[None], [1])
        image = redacted(frame, load_redactor(config)(frame, faces)).pixels.astype(np.uint8)
    transform, _ = cv2.estimateAffinePartial2D(portrait.landmarks, ALIGNED, method=cv2.LMEDS)
    aligned = np.asarray(cv2.warpAffine(image, transform, (112, 112)), np.uint8)
    ((rows, columns, _),) = cover(
        Detections.of(portrait.box[None], [1]), (image.shape[1], image.shape[0]), "box", 0.15, 0
    )
    return aligned, cv2.resize(image[rows, columns], (32, 32), interpolation=cv2.INTER_AREA)


def right(model: Any, x: Any, who: Any, train: Any) -> float:
    """Share of the test photos that a model, trained on the others, names correctly."""
    return float((model.fit(x[train], who[train]).predict(x[~train]) == who[~train]).mean())


def pixel_attackers(crops: Any, who: Any, train: Any) -> dict[str, float]:
    """PCA and SVM, and LDA with Ledoit and Wolf's shrinkage, on standardized pixels."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.svm import SVC

    x = np.stack(crops).reshape(len(crops), -1).astype(np.float32) / 255
    spread = x[train].std(axis=0)
    parts = min(120, int((spread > 1e-4).sum()))
    if parts < 2:  # one colour: nothing to learn from
        return {"svm": 1 / PEOPLE, "lda": 1 / PEOPLE}
    x = (x - x[train].mean(axis=0)) / np.maximum(spread, 1e-3)
    z = PCA(parts, svd_solver="randomized", random_state=0).fit(x[train]).transform(x)
    z /= z[train, 0].std()
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return {"svm": max(right(SVC(C=c), z, who, train) for c in (1, 10)), "lda": right(lda, z, who, train)}


def embedding_attacker(crops: Any, who: Any, train: Any) -> float:
    """Logistic regression on face embeddings."""
    from sklearn.linear_model import LogisticRegression

    shared = shared_folder()
    if shared is None:
        return 0.0
    network = OnnxSession(shared / "models" / "mobilefacenet_128d.onnx", 1)
    codes = []
    for crop in crops:
        blob = ((crop.astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1)[None]
        code = network.run(np.ascontiguousarray(blob), ("embeddings",))[0][0]
        codes.append(code / np.linalg.norm(code))
    z = np.stack(codes)
    return max(right(LogisticRegression(C=c, max_iter=300), z, who, train) for c in (1, 10, 100))


def attack(portraits: list[Portrait], config: AnonymizeConfig | None) -> dict[str, float]:
    """Share of correct names by attacker."""
    who = np.array([portrait.person for portrait in portraits])
    train = np.tile(np.arange(TRAIN + TEST) < TRAIN, PEOPLE)
    aligned, regions = zip(*(views(portrait, config) for portrait in portraits), strict=True)
    small = [cv2.resize(crop, (32, 32), interpolation=cv2.INTER_AREA) for crop in aligned]
    found = {f"aligned {name}": share for name, share in pixel_attackers(small, who, train).items()}
    found |= {f"region {name}": share for name, share in pixel_attackers(regions, who, train).items()}
    return found | {"aligned embedding": embedding_attacker(aligned, who, train)}


def test_trained_attackers_recognize_hardly_anyone_unless_a_method_is_for_looks_only(
    portraits: list[Portrait],
) -> None:
    open_shares = attack(portraits, None)
    report("no redaction", **{name: f"{share:.1%}" for name, share in open_shares.items()})
    for name, settings in METHODS.items():
        config = AnonymizeConfig.from_parameters(settings)
        shares = attack(portraits, config)
        report(name, worst=f"{max(shares.values()):.1%}", **{k: f"{v:.1%}" for k, v in shares.items()})
        assert (max(shares.values()) > 0.10) is config.redaction.looks_only, name
    assert max(open_shares.values()) > 0.9, "the attacker must be a good one, or this shows nothing"
