"""How much of a person is left behind each redaction, asked of a face-recognition network.

The attacker has one photo of each of 85 people, redacts it in the same way, knows where the eyes, nose and
mouth were, and names the person whose photo is nearest.
"""

import json
import zipfile
from typing import Any

import cv2
import numpy as np
import pytest

from benchmark_tools import report
from checked import float32, opencv_pixels, present
from paths import shared_folder
from unionveil import AnonymizeConfig, Detections
from unionveil.images import Colour, Frame
from unionveil.models.onnx_session import OnnxSession
from unionveil.redact import load_redactor, redacted

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

MOST_PHOTOS = 20
"""Of one person, so that a few much photographed ones do not decide."""

ALIGNED = float32(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Eyes, nose and corners of the mouth in a crop of 112 px (ArcFace, arXiv:1801.07698)."""


def from_middle(box, side):
    """Distance of a box's centre from the centre of a square picture, in pixels."""
    return np.hypot((box[0] + box[2] - side) / 2, (box[1] + box[3] - side) / 2)


@pytest.fixture(scope="module")
def portraits():
    """`[(person, image, box, landmarks)]` of everyone with two photos or more."""
    shared = shared_folder()
    if shared is None:
        pytest.skip("no shared photos here: set UNIONVEIL_SHARED to their folder")
    lines = (shared / "people" / "labels.jsonl").read_text().splitlines()
    entries = [entry for entry in map(json.loads, lines) if entry["source"] == "lfw" and entry["people"]]
    by_person: dict[str, list[dict[str, Any]]] = {}
    for entry in sorted(entries, key=lambda entry: entry["name"]):
        by_person.setdefault(entry["people"], []).append(entry)
    result = []
    for person, photos in by_person.items():
        for entry in photos[:MOST_PHOTOS] if len(photos) > 1 else ():
            # The person is the face in the middle of the portrait.
            face = min(entry["faces"], key=lambda face: from_middle(face["box"], entry["width"]))
            with zipfile.ZipFile(shared / "people" / entry["shard"]) as archive:
                data = archive.read(entry["name"])
            image = cv2.cvtColor(opencv_pixels(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            result.append((person, image, float32(face["box"]), float32(face["landmarks"])))
    return result


@pytest.fixture(scope="module")
def network(portraits):
    return OnnxSession(present(shared_folder()) / "models" / "mobilefacenet_128d.onnx", 1)


def rank_1(portraits, network, config):
    """Share of photos whose person is named rightly, each person's first photo being known."""
    people, codes = [], []
    for person, image, box, landmarks in portraits:
        if config is not None:
            faces = Detections.of(box[None], np.ones(1, np.float32))
            frame = Frame(image, Colour.RGB)
            image = redacted(frame, load_redactor(config)(frame, faces)).pixels
        transform, _ = cv2.estimateAffinePartial2D(landmarks, ALIGNED, method=cv2.LMEDS)
        crop = cv2.warpAffine(image, transform, (112, 112))
        blob = ((crop.astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1)[None]
        code = network.run(np.ascontiguousarray(blob), ["embeddings"])[0][0]
        people.append(person)
        codes.append(code / np.linalg.norm(code))
    known = [people.index(person) for person in dict.fromkeys(people)]
    probes = sorted(set(range(len(people))) - set(known))
    nearest = (np.stack(codes)[probes] @ np.stack(codes)[known].T).argmax(axis=1)
    right = sum(people[known[near]] == people[probe] for near, probe in zip(nearest, probes, strict=True))
    return right / len(probes), len(known), len(probes)


def test_hardly_anyone_is_recognized_behind_any_redaction(portraits, network):
    open_share, persons, photos = rank_1(portraits, network, None)
    shares = {}
    for method in ("fill", "pixelate", "gaussian", "median", "bilateral", "average", "overlay"):
        for shape in ("box", "ellipse"):
            config = AnonymizeConfig.from_parameters({"method": method, "shape": shape})
            shares[f"{method}/{shape}"] = rank_1(portraits, network, config)[0]
    strongest = AnonymizeConfig.from_parameters({"method": "pixelate", "cells": "10"})
    shares["pixelate/box, 10 cells"] = rank_1(portraits, network, strongest)[0]
    report(
        f"{persons} people distinguished in {photos} photos",
        open=f"{open_share:.1%}",
        **{name: f"{share:.1%}" for name, share in shares.items()},
    )
    assert open_share > 0.9, "the attacker must be a good one, or this shows nothing"
    for name, share in shares.items():
        limit = 0.05 if name.startswith(("fill", "overlay")) else 0.10
        assert share <= limit, f"{name} leaves too much"
